"""Measure what docs/promises.md promises: seeds, long texts, threads, and memory of many fits and rows.

    python benchmarks/bench_promises.py seeds
    python benchmarks/bench_promises.py lengths
    python benchmarks/bench_promises.py resident
    python benchmarks/bench_promises.py threads
    python benchmarks/bench_promises.py fits --fits 50
    python benchmarks/bench_promises.py rows --rows 1000 10000 100000 1000000

docs/how_it_is_built.md lists the results.
"""

import argparse
import gc
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

import skrnn

WORDS = [f"w{i}" for i in range(2000)]


def texts(n, seed=0, n_words=12):
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[i] for i in row) for row in rng.integers(0, len(WORDS), (n, n_words))]


def resident():
    """Return the resident memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


SEEDED = """
import hashlib, sys
from bench_promises import texts
from skrnn import RNNTextClassifier
classifier = RNNTextClassifier(rnn_units=8, embedding_dim=8, epochs=2, random_state=7)
classifier.set_params(n_jobs=int(sys.argv[1]))
classifier.fit(texts(300), ["a", "b", "c"] * 100)
arrays = [array for _, array in sorted(classifier._weights.items())]
arrays.append(classifier.predict_proba(texts(50, 1)))
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


def seeds(n_processes=20):
    """Compare the weights and predictions of one seed in new processes with one and two threads."""
    found = [
        subprocess.run(
            [sys.executable, "-c", SEEDED, str(1 + i % 2)], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent, env=os.environ | {"PYTHONHASHSEED": str(i)},
        ).stdout
        for i in range(n_processes)
    ]  # fmt: skip
    print(f"{found.count(found[0])} of {n_processes} processes have equal bits")


ANALYZERS = {
    "word": {},
    "char": {"analyzer": "char"},
    "subword": {"analyzer": "subword", "vocab_size": 2000},
    "pattern": {"token_pattern": r"(?u)\b\w\w+\b"},
    "tokenizer": {"tokenizer": lambda text: (match[0] for match in re.finditer(r"\S+", text))},
    "analyzer": {"analyzer": lambda text: (match[0] for match in re.finditer(r"\S+", text))},
}
KINDS = {  # what a long text consists of
    "words": "a good film, and it's a bad plot. ",
    "marks": "\u0301\u0327",
    "one token": "x",
    "emoji": "\U0001f600",
    "joined emoji": "\U0001f469\u200d",
    "blanks": " ",
    "Chinese": "\u597d\u7535\u5f71",
    "Chinese sentences": "\u8fd9\u662f\u4e00\u90e8\u597d\u7535\u5f71\u3002",
}


def encoder(analyzer, sequence_length=400):
    model = skrnn.RNNTextEncoder(
        objective="random", rnn_units=8, embedding_dim=8, sequence_length=sequence_length,
        random_state=0, **ANALYZERS[analyzer],
    )  # fmt: skip
    return model.fit([*texts(200), *(("a" + kind) * 3 for kind in KINDS.values())])


def long_text(kind, n_bytes):
    return "a" + KINDS[kind] * (n_bytes // len(KINDS[kind].encode()))


def lengths():
    """Print the time per character of texts of 10 kB to 10 MB, cut at 400 tokens and read whole."""
    for analyzer in ANALYZERS:
        tokens = encoder(analyzer)._tokens
        for kind in KINDS:
            for cap in (400, None):
                times = []
                for n_bytes in (10**4, 10**5, 10**6, 10**7):
                    text = long_text(kind, n_bytes)
                    n_runs, rounds = max(1, 10**6 // n_bytes), []
                    for _ in range(3):  # the first round also asks the system for memory
                        begun = time.process_time()
                        for _ in range(n_runs):
                            tokens.encode([text], cap)
                        rounds.append((time.process_time() - begun) / n_runs / len(text) * 1e9)
                    times.append(min(rounds))
                nanoseconds = ", ".join(f"{t:.1f}" for t in times)
                print(
                    f"{analyzer:>9}, {kind}, {cap or 'all'} tokens: {nanoseconds} ns per character",
                    flush=True,
                )


RESIDENT = """
import resource, sys
from bench_promises import encoder, long_text, resident
model = encoder(sys.argv[1])
model.set_params(n_jobs=1).transform(["a good film"])
text = long_text(sys.argv[2], int(sys.argv[3]))
before = resident() * 2**20
vector = model.transform([text, "a"])
assert len(vector) == 2 and abs(vector).max() < 99
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print((peak - before) / len(text.encode()))
"""


def resident_bytes(analyzer, kind, n_bytes):
    """Return the growth of the peak of resident memory per byte of a text, cut at 400 tokens."""
    command = [sys.executable, "-c", RESIDENT, analyzer, kind, str(n_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    return float(done.stdout)


def resident_memory():
    """Print the resident memory that transform needs for one text of 9 MB and of 20 MB, in a new process."""
    for analyzer in ANALYZERS:
        for kind in KINDS:
            sizes = [resident_bytes(analyzer, kind, n * 10**6) for n in (9, 20)]
            print(f"{analyzer:>9}, {kind}: {sizes[0]:.1f} and {sizes[1]:.1f} bytes per byte", flush=True)


def threads(n_threads=32, n_calls=200):
    """Compare the results of many threads with those of one thread; each thread has its own texts.

    The first `transform` builds the table of input products for the whole vocabulary. Without this table,
    BLAS computes the rows of a few words alone, and their last bits may differ.
    """
    model = skrnn.RNNTextEncoder(objective="random", rnn_units=16, random_state=0).fit(texts(500))
    model.transform(texts(500))
    inputs = [texts(8, seed) for seed in range(n_threads)]
    expected, wrong = [model.transform(rows) for rows in inputs], []

    def work(i):
        for _ in range(n_calls):
            if not np.array_equal(model.transform(inputs[i]), expected[i]):
                wrong.append(i)

    begun = time.perf_counter()
    workers = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begun
    print(f"{n_threads} threads x {n_calls} calls: {len(wrong)} wrong results, {seconds:.1f} s")


def fits(n_fits):
    """Fit many times and print the growth of the resident memory after the tenth fit."""
    X, y, memory = texts(64), ["a", "b"] * 32, []
    for i in range(n_fits):
        skrnn.RNNTextClassifier(rnn_units=8, embedding_dim=8, epochs=1, random_state=i).fit(X, y)
        gc.collect()
        memory.append(resident())
    slope = np.polyfit(np.arange(10, n_fits), memory[10:], 1)[0]
    print(
        f"{n_fits} fits: {memory[0]:.0f} MB after one, {memory[-1]:.0f} MB after all, {slope:.2f} MB per fit"
    )


def rows(counts):
    """Print the peak memory of transform, without its output and the memory used before the call."""
    model = skrnn.RNNTextEncoder(objective="random", rnn_units=8, embedding_dim=8, random_state=0)
    model.fit(texts(1000))
    for n in counts:
        X = texts(n, 1)
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current memory
        before = resident()
        vectors = model.transform(X)
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 2**10
        output = vectors.nbytes / 2**20
        print(f"{n:>9,} rows: {peak - before - output:7.1f} MB, output {output:.1f} MB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["seeds", "lengths", "resident", "threads", "fits", "rows"])
    parser.add_argument("--fits", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    {
        "seeds": seeds,
        "lengths": lengths,
        "resident": resident_memory,
        "threads": threads,
        "fits": lambda: fits(given.fits),
        "rows": lambda: rows(given.rows),
    }[given.what]()
