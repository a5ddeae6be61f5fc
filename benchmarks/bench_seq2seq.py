"""Text to text: BLEU of translations, ROUGE-1 of subject lines, and the speed of both.

    python benchmarks/bench_seq2seq.py DATA --task en-de [--rows 2900] [--splits dev] [--set epochs=9 ...]

DATA is a folder with ``multi30k_tok/{train,dev,test2016}.tsv.gz`` (columns ``en``, ``de``, lower-case tokens
parted by spaces) and ``aeslc/{train,dev,test}.tsv.gz`` (columns ``text``, ``subject``). Tasks are two
languages, as ``en-de``, and ``aeslc``. BLEU is sacrebleu's on tokens (``tokenize="none"``), ROUGE-1 is F1 of
lower-case words, beside that of the first eight words. Choices are made on ``dev``; the test split is looked
at once, at the end. ``--speed`` times what the model writes, and what Keras needs for the same greedy search
with one call a step, one after the other. That side is the loop that a user of ``model_`` would write: each
call reads the source and the whole beginning again.

Measured on 2 cores shared with other work (load 2 to 5); choices were made on dev, with seed 0:

en-de, all 29,000 pairs, ``--splits dev test2016 --set epochs=9 vocab_size=5000 dropout=0.3
learning_rate=0.003 validation_fraction=0.03 label_smoothing=0.1 --speed``: BLEU on test2016 35.8 greedy, 36.7
with 5 beams (dev 35.5 and 37.1); held-out loss 1.850; 1,813 s to fit. 1,000 sentences: greedy 1.17 s, 5 beams
3.40 s, Keras 262 s, every greedy text the same.

de-en, the same without ``--speed``: BLEU on test2016 40.6 greedy, 41.8 with 5 beams (dev 40.8 and 41.6);
held-out loss 1.752; 1,208 s to fit.

aeslc, all 14,436 mails, ``--splits dev test --widths 1 3 --set epochs=9 vocab_size=8000 dropout=0.3
learning_rate=0.003 validation_fraction=0.03 label_smoothing=0.1 sequence_length=160 embeddings=auto
length_penalty=0.6``: ROUGE-1 on test 16.6 greedy, 17.3 with 3 beams, that of the first eight words 11.3 (dev
16.7, 17.6 and 12.0); held-out loss 4.72; 1,843 s to fit. On dev, 1, 3 and 5 beams, penalties of 0.6, 1.0 and
1.5, and no_repeat of 0, 1 and 2 were tried: 15.6 to 17.6. From random embeddings, 120 tokens, 8 epochs:
greedy dev 15.0, test 15.1.

en-de without attention, as the first but ``attention=None``: BLEU on test2016 25.7 greedy, 26.9 with 5 beams
(dev 23.8 and 25.6), so 10 less; held-out loss 2.257; 1,708 s to fit.

en-de, 2,900 pairs, ``rnn_units=128 embedding_dim=128 vocab_size=2000 dropout=0.2``, held-out loss after 6
epochs: embeddings drawn from +-0.05 5.56, from +-0.3 4.00 (learning_rate=0.002); 5.80 and 3.47 (0.005). At
0.005 and +-0.3: attention "additive" 3.62, None 3.89; label_smoothing=0.0 3.50.
"""

import argparse
import ast
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from sacrebleu.metrics import BLEU

from skrnn import RNNTextSeq2Seq


def rouge_1(written, goals):
    """Return the mean F1 of words."""
    scores = []
    for text, goal in zip(written, goals, strict=True):
        own, other = (Counter(re.findall(r"\w+", words.lower())) for words in (text, goal))
        scores.append(2 * sum((own & other).values()) / max(1, sum(own.values()) + sum(other.values())))
    return 100 * float(np.mean(scores))


def bleu(written, goals):
    """Return BLEU of tokens."""
    return BLEU(tokenize="none", force=True).corpus_score(written, [goals]).score


def load(data, task, split):
    """Return the texts and targets of a split."""
    folder, columns = ("aeslc", ("text", "subject")) if task == "aeslc" else ("multi30k_tok", task.split("-"))
    table = pd.read_csv(data / folder / f"{split}.tsv.gz", sep="\t", keep_default_na=False, quoting=3)
    return [table[column].tolist() for column in columns]


def keras_greedy(model, texts, batch_size=64):
    """Return the ids that one call of Keras a step writes: the whole beginning is read again each time."""
    network, written = model.model_, []
    sources = model._ids(texts).pad()
    longest = model.target_sequence_length_
    for i in range(0, len(texts), batch_size):
        source = sources[i : i + batch_size]
        ids = np.full((len(source), 1), 2, np.int32)
        ended = np.zeros(len(source), bool)
        while not ended.all() and ids.shape[1] <= longest:
            following = np.array(network([source, ids])[:, -1]).copy()
            following[:, 0] = 0  # padding is never written
            chosen = np.where(ended, 0, following.argmax(axis=1))
            ended |= chosen == 2
            ids = np.hstack([ids, chosen[:, None].astype(np.int32)])
        written += [[i for i in row[1:].tolist() if i > 2] for row in ids]
    return written


def speed(model, texts):
    """Return seconds of greedy and beam search and of Keras, and how many texts are the same."""
    texts = list(dict.fromkeys(texts))[:1000]
    model.predict(texts[:8])
    seconds = {}
    for name, width in (("greedy", 1), ("beam 5", 5)):
        model.set_params(beam_width=width)
        begun = time.perf_counter()
        written = model.predict(texts)
        seconds[name] = time.perf_counter() - begun
        if width == 1:
            greedy = written
    begun = time.perf_counter()
    rows = keras_greedy(model, texts)
    seconds["keras"] = time.perf_counter() - begun
    found = model._search(model._ids(texts), 1, 1).sequences
    own = [part.tolist() for part in np.split(found.ids, found.offsets[1:-1])]
    same = float(np.mean([a == b for a, b in zip(own, rows, strict=True)]))
    return {"n_texts": len(texts), "seconds": seconds, "same_as_keras": same, "example": greedy[0]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--task", default="en-de")
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--splits", nargs="*", default=["dev"])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--widths", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out", type=Path, default=None, help="append a line of JSON to this file")
    arguments = parser.parse_args()
    parameters = {"random_state": 0, "verbose": 1}
    for pair in arguments.set:
        name, value = pair.split("=", 1)
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value
    X, y = load(arguments.data, arguments.task, "train")
    if arguments.rows:
        rows = pd.Series(X).sample(arguments.rows, random_state=0).index
        X, y = [X[i] for i in rows], [y[i] for i in rows]
    measure = rouge_1 if arguments.task == "aeslc" else bleu
    model = RNNTextSeq2Seq(**parameters)
    begun = time.perf_counter()
    model.fit(X, y)
    result = {
        "task": arguments.task, "rows": len(X), "set": arguments.set,
        "seconds_to_fit": round(time.perf_counter() - begun), "epochs": model.n_iter_,
        "val_loss": round(-model.best_validation_score_, 4),
    }  # fmt: skip
    for split in arguments.splits:
        texts, goals = load(arguments.data, arguments.task, split)
        if arguments.task == "aeslc":
            lead = [" ".join(text.split()[:8]) for text in texts]
            result[f"{split}_first_8_words"] = round(measure(lead, goals), 2)
        for width in arguments.widths:
            begun = time.perf_counter()
            written = model.set_params(beam_width=width).predict(texts).tolist()
            result[f"{split}_beam_{width}"] = round(measure(written, goals), 2)
            result[f"{split}_beam_{width}_seconds"] = round(time.perf_counter() - begun, 2)
    if arguments.speed:
        result["speed"] = speed(model, texts)
    print(json.dumps(result))
    for text, found, goal in list(zip(texts, written, goals, strict=True))[:5]:
        print(f"  {text[:100]}\n    wrote {found}\n    goal  {goal}", file=sys.stderr)
    if arguments.out:
        with arguments.out.open("a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
