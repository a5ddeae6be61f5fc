"""Compare the speed of prediction and training with other libraries, both in one process.

    python benchmarks/speed.py [--data FILE] [--only transform ...] [--rounds 5] [--peers] [--out FILE]

FILE is a tab-separated table with a column ``text``. The published figures use long reviews. Without
FILE, the script generates texts with word frequencies as in English and lengths around 150.

Each round times one side after the other. A ratio is the median over the rounds, printed with the
minimum and the maximum; above 1, skrnn is faster. ``--peers`` adds PyTorch if it is installed.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextEncoder, save
from skrnn.text.tokens import Tokens

CAP, UNITS, ROWS = 400, 128, 2000
PATTERN = r"(?u)\w+|[^\w\s]"
RESULTS = {}


def texts_of(path, rows=ROWS):
    """Return the texts of a file, or generated texts."""
    rng = np.random.default_rng(0)
    if path:
        texts = pd.read_csv(path, sep="\t", keep_default_na=False)["text"].tolist()
        return [texts[i] for i in rng.permutation(len(texts))[:rows]]
    words = np.array([f"word{i}" for i in range(50_000)])
    frequency = 1 / np.arange(10, 50_010)
    draws = rng.choice(words, (rows, 400), p=frequency / frequency.sum())
    counts = np.clip(rng.lognormal(5, 0.5, rows), 5, 400).astype(int)
    return [" ".join(draw[:n]) for draw, n in zip(draws, counts, strict=True)]


def compare(name, sides, rounds):
    """Time all sides in turn and record the time of each other side relative to the first side."""
    for call in sides.values():
        call()  # warm up: traced functions, folded tables, caches
    times = {side: [] for side in sides}
    for _ in range(rounds):
        for side, call in sides.items():
            start = time.perf_counter()
            call()
            times[side].append(time.perf_counter() - start)
    own, *others = times
    for other in others:
        note(f"{name} / {other}", np.array(times[other]) / np.array(times[own]))
    return {side: float(np.median(values)) for side, values in times.items()}


def note(name, ratios):
    RESULTS[name] = {"median": float(np.median(ratios)), "minimum": float(min(ratios)),
                     "maximum": float(max(ratios)), "rounds": len(ratios)}  # fmt: skip
    print(f"{name:<62} {np.median(ratios):8.2f}x  [{min(ratios):.2f}, {max(ratios):.2f}]", flush=True)


def encoder(texts, layer, **parameters):
    """Return an encoder of 128 units trained on few texts, as speed does not depend on the weights."""
    y = np.arange(len(texts)) % 2
    options = {"embedding_dim": 128, "rnn_units": UNITS, "bidirectional": False, "pooling": "last",
               "sequence_length": CAP, "epochs": 1, "early_stopping": False, "dropout": 0.0}  # fmt: skip
    vocabulary = list(Tokens.fit(texts)[0].vocabulary)
    few = sorted(texts, key=len)[:64]
    return RNNTextEncoder(layer=layer, vocabulary=vocabulary, random_state=0, **options | parameters).fit(
        few, y[:64]
    )


def transform(texts, rounds, peers):
    tfidf = TfidfVectorizer(max_features=20_000).fit(texts)
    pairs = TfidfVectorizer(max_features=20_000, ngram_range=(1, 2)).fit(texts)
    for layer in ("simple_rnn", "gru", "qrnn", "lstm"):
        fitted = encoder(texts, layer)
        sides = {
            "skrnn": lambda f=fitted: f.transform(texts),
            "TfidfVectorizer": lambda: tfidf.transform(texts),
            "TfidfVectorizer, 1-2-grams": lambda: pairs.transform(texts),
        }
        seconds = compare(f"transform {layer}-{UNITS}", sides, rounds)
        tokens = sum(map(len, fitted.transform_sequences(texts)))
        print(f"    {tokens / seconds['skrnn']:,.0f} tokens/s ({tokens:,} tokens after truncation)")
    model, ids = fitted.model_, fitted.padded_ids(texts)
    sides = {
        "skrnn, from texts": lambda: fitted.transform(texts),
        "keras predict, batch 32": lambda: model.predict(ids, batch_size=32, verbose=0),
        "keras predict, batch 256": lambda: model.predict(ids, batch_size=256, verbose=0),
    }
    compare("transform lstm-128", sides, min(rounds, 2))
    if peers:
        torch_transform(fitted, texts, rounds)


def torch_transform(fitted, texts, rounds):
    """Compare with torch.nn.LSTM on ids sorted by length and padded per batch."""
    import torch

    ids = fitted._ids(texts)
    rows = [torch.from_numpy(row.astype(np.int64)) for row in np.split(ids.ids, ids.offsets[1:-1])]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    embedding = torch.nn.Embedding(len(fitted.vocabulary_) + 3, 128)
    lstm = torch.nn.LSTM(128, UNITS, batch_first=True)

    def run():
        with torch.inference_mode():
            for i in range(0, len(order), 256):
                batch = [rows[j] for j in order[i : i + 256]]
                padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
                h, _ = lstm(embedding(padded))
                h[torch.arange(len(batch)), torch.tensor([len(row) - 1 for row in batch])]

    forward, n_jobs = fitted._forward, 2
    sides = {"skrnn": lambda: forward.encode(ids, n_jobs), "PyTorch": run}
    compare("transform lstm-128, from ids", sides, rounds)


def fit(texts, rounds, peers):
    """Compare the time of one training epoch on the same rows, without compilation."""
    import keras

    y = np.arange(len(texts)) % 2
    for layer in ("lstm", "gru", "simple_rnn"):
        for batch_size in (32, 64):
            ours = epoch_seconds(texts, y, layer, batch_size, rounds)
            line = {}
            if layer == "lstm":
                fitted = encoder(texts, layer)
                ids = fitted.padded_ids(texts)[: 32 * 12]
                model = keras.Sequential(
                    [keras.layers.Embedding(len(fitted.vocabulary_) + 3, 128, mask_zero=True),
                     keras.layers.LSTM(UNITS), keras.layers.Dense(1, activation="sigmoid")]
                )  # fmt: skip
                model.compile(optimizer="adam", loss="binary_crossentropy")
                model.fit(ids, y[: len(ids)], batch_size=32, epochs=1, verbose=0)
                start = time.perf_counter()
                model.fit(ids, y[: len(ids)], batch_size=32, epochs=1, verbose=0)
                line["keras.fit padded, batch 32"] = (time.perf_counter() - start) / len(ids)
            if peers:
                line["PyTorch bucketed"] = torch_epoch(texts, y, layer, batch_size)
            for other, seconds in line.items():
                ratios = np.array([seconds / own for own in ours])
                note(f"fit {layer}-{UNITS} batch {batch_size} / {other}", ratios)


def epoch_seconds(texts, y, layer, batch_size, rounds, **parameters):
    """Return the seconds per row of each epoch after the first."""
    import keras

    stamps = []

    class Stamp(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            stamps.append(time.perf_counter() - self.start)

    RNNTextClassifier(
        layer=layer, rnn_units=UNITS, embedding_dim=128, bidirectional=False, pooling="last", dropout=0.0,
        sequence_length=CAP, epochs=max(2, min(rounds, 3)), early_stopping=False, callbacks=[Stamp()],
        batch_size=batch_size, schedule="constant", r_drop=0.0, random_state=0, **parameters,
    ).fit(texts, y)  # fmt: skip
    return [seconds / len(texts) for seconds in stamps[1:]]


def torch_epoch(texts, y, layer, batch_size):
    """Return the seconds per row of one PyTorch epoch with Adam, on batches of similar length."""
    import torch

    tokens, ids = Tokens.fit(texts)
    ids = ids.truncate(CAP, "end")
    rows = [torch.from_numpy(row.astype(np.int64)) for row in np.split(ids.ids, ids.offsets[1:-1])]
    order = np.array(sorted(range(len(rows)), key=lambda i: len(rows[i])))
    cell = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[layer]
    embedding, rnn = torch.nn.Embedding(tokens.n_ids, 128), cell(128, UNITS, batch_first=True)
    head = torch.nn.Linear(UNITS, 1)
    parameters = [*embedding.parameters(), *rnn.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.002)
    target = torch.from_numpy(y.astype(np.float32))
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    batches = [batches[i] for i in np.random.default_rng(0).permutation(len(batches))]

    def run():
        for batch in batches:
            padded = torch.nn.utils.rnn.pad_sequence([rows[i] for i in batch], batch_first=True)
            counts = torch.tensor([len(rows[i]) for i in batch])
            states, _ = rnn(embedding(padded))
            logits = head(states[torch.arange(len(batch)), counts - 1])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target[batch])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    run()
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / len(texts)


def tokenise(texts, rounds, peers):
    tfidf = TfidfVectorizer(max_features=20_000).fit(texts)
    words, subwords = (Tokens.fit(texts, analyzer=analyzer)[0] for analyzer in ("word", "subword"))
    sides = {"skrnn": lambda: words.encode(texts), "TfidfVectorizer": lambda: tfidf.transform(texts)}
    compare("words to ids", sides, rounds)
    start = time.perf_counter()
    n = len(subwords.encode(texts).ids)
    print(f"    sub-words: {n / (time.perf_counter() - start):,.0f} tokens/s")


def one_text(texts, rounds, peers):
    y = np.arange(len(texts)) % 2
    text = [" ".join(texts[0].split()[:50])]
    fitted = RNNTextClassifier(epochs=1, early_stopping=False, random_state=0).fit(texts[:300], y[:300])
    baseline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    model = fitted.model_
    fast = {"skrnn": lambda: [fitted.predict(text) for _ in range(100)],
            "TF-IDF + LR": lambda: [baseline.predict(text) for _ in range(100)]}  # fmt: skip
    seconds = compare("one 50-word text, predict", fast, rounds)
    print(f"    {seconds['skrnn'] * 10:.2f} ms")
    slow = {
        "skrnn": lambda: [fitted.predict(text) for _ in range(5)],
        "model_.predict": lambda: [model.predict(fitted.padded_ids(text), verbose=0) for _ in range(5)],
    }
    compare("one 50-word text, predict", slow, min(rounds, 3))


def cold_start(texts, rounds, peers):
    y = np.arange(len(texts)) % 2
    fitted = RNNTextClassifier(epochs=1, early_stopping=False, random_state=0).fit(texts[:300], y[:300])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fitted.pickle"
        path.write_bytes(pickle.dumps(fitted))
        print(f"    pickle: {path.stat().st_size / 1e6:.2f} MB")
        ours = f"import pickle; pickle.load(open({str(path)!r}, 'rb')).predict(['a good film'])"
        codes = {"skrnn load + predict": ours, "import tensorflow": "import tensorflow"}
        codes["import sklearn.linear_model"] = "import sklearn.linear_model"
        codes["import skrnn"] = "import skrnn"
        sides = {name: lambda code=code: run_code(code) for name, code in codes.items()}
        seconds = compare("new process", sides, min(rounds, 3))
        print("    " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))


def run_code(code):
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def sizes(texts, rounds, peers):
    """Print the sizes of a pickle and of a saved file, for networks of 128 units."""
    for layer in ("simple_rnn", "gru", "lstm"):
        fitted = encoder(texts, layer)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fitted.skrnn"
            save(fitted, path)
            found = {"pickle": len(pickle.dumps(fitted)), "file": path.stat().st_size}
        numbers = sum(array.nbytes for array in fitted._weights.values())
        RESULTS[f"bytes of {layer}-{UNITS}"] = found | {"weights": numbers}
        print(f"{layer}-{UNITS}: " + ", ".join(f"{k} {v / 1e6:.2f} MB" for k, v in found.items()), end="")
        print(f", weights {numbers / 1e6:.2f} MB", flush=True)


def growth(texts, rounds, peers):
    """Estimate the exponent of time against tokens, for more rows and for longer rows."""
    fitted = encoder(texts, "lstm")
    words = list(fitted.vocabulary_)
    for what, shapes in {
        "rows": [(n, 100) for n in (1000, 2000, 4000, 8000)],
        "length": [(1000, n) for n in (50, 100, 200, 400)],
    }.items():
        seconds = {"transform": [], "fit": []}
        for n, length in shapes:
            made = made_up(words, n, length)
            seconds["transform"].append(
                min(timed(lambda made=made: fitted.transform(made)) for _ in range(3))
            )
            y = np.arange(n) % 2
            seconds["fit"].append(n * min(epoch_seconds(made, y, "lstm", 32, rounds)))
        tokens = [n * length for n, length in shapes]
        for work, values in seconds.items():
            exponent = float(np.polyfit(np.log(tokens), np.log(values), 1)[0])
            RESULTS[f"exponent of {work} against {what}"] = exponent
            print(f"time of {work} against {what}: exponent {exponent:.3f}", flush=True)


def made_up(words, n, length):
    draws = np.random.default_rng(n + length).integers(0, len(words), (n, length)).tolist()
    return [" ".join(words[j] for j in row) for row in draws]


def vocabulary(texts, rounds, peers):
    """Compare epochs on texts of 2,000 words with a vocabulary of 2,000 and of 200,000 words."""
    words = [f"word{i}" for i in range(200_000)]
    made, y = made_up(words[:2000], 2000, 50), np.arange(2000) % 2
    seconds = {n: epoch_seconds(made, y, "lstm", 32, rounds, vocabulary=words[:n]) for n in (2000, 200_000)}
    note("fit, vocabulary of 200,000 / of 2,000", np.array(seconds[200_000]) / np.median(seconds[2000]))


def memory(texts, rounds, peers):
    """Print the peak memory of fit and transform, without the memory used before the call."""
    for work in ("fit", "transform"):
        for n in (1000, 4000, 16_000):
            done = subprocess.run(
                [sys.executable, "-c", PEAK, work, str(n)], check=True, capture_output=True, text=True,
                cwd=Path(__file__).parent,
            )  # fmt: skip
            RESULTS[f"peak of {work}, {n} rows, MB"] = float(done.stdout.split()[-1])
            print(f"{work} of {n:,} rows of 50 words: {done.stdout.split()[-1]} MB", flush=True)


# ru_maxrss would include the peak of the parent process
PEAK = """
import re, resource, sys
from speed import made_up
from skrnn import RNNTextClassifier
words = [f"word{i}" for i in range(20_000)]
classifier = RNNTextClassifier(epochs=1, random_state=0, vocabulary=words)
classifier.fit(made_up(words, 64, 5), [0, 1] * 32)
X = made_up(words, int(sys.argv[2]), 50)
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
classifier.fit(X, [0, 1] * (len(X) // 2)) if sys.argv[1] == "fit" else classifier.transform(X)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(round(peak * 1024 / 1e6 - before / 1e6, 1))
"""


def search(texts, rounds, peers):
    """Compare a grid search (four candidates, three folds) in one process and in two processes."""
    X, y = [" ".join(text.split()[:20]) for text in texts], np.arange(len(texts)) % 2
    grid = {"rnn_units": [32, 64], "learning_rate": [0.001, 0.003]}
    seconds, scores = {}, {}
    for n_jobs in (1, 2):
        model = RNNTextClassifier(epochs=5, random_state=0)
        result = GridSearchCV(model, grid, cv=3, n_jobs=n_jobs, refit=False)
        seconds[n_jobs] = timed(lambda result=result: result.fit(X, y))
        scores[n_jobs] = result.cv_results_["mean_test_score"]
    note("GridSearchCV of RNNTextClassifier, n_jobs=1 / n_jobs=2", [seconds[1] / seconds[2]])
    print(f"    {seconds[1]:.1f} s, {seconds[2]:.1f} s; scores differ by at most "
          f"{np.abs(scores[1] - scores[2]).max():.4f}")  # fmt: skip


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


WORKS = {
    work.__name__: work
    for work in (
        tokenise, transform, fit, one_text, cold_start, sizes, growth, vocabulary, memory, search,
    )
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    texts = texts_of(arguments.data)
    for name in arguments.only:
        WORKS[name](texts, arguments.rounds, arguments.peers)
    if arguments.out:
        arguments.out.write_text(json.dumps(RESULTS, indent=1))


if __name__ == "__main__":
    main()
