"""Text to text: BLEU of translations, ROUGE-1 of subject lines, and the speed of both.

    python benchmarks/bench_seq2seq.py DATA --task en-de [--rows 2900] [--split dev] [--set rnn_units=256 ...]

DATA is a folder with ``multi30k_tok/{train,dev,test2016}.tsv.gz`` (columns ``en``, ``de``, lower-case tokens
parted by spaces) and ``aeslc/{train,dev,test}.tsv.gz`` (columns ``text``, ``subject``, ``annotations``).
Tasks are two languages, as ``en-de``, and ``aeslc``. BLEU is sacrebleu's on tokens (``tokenize="none"``),
ROUGE-1 is F1 of lower-case words, the best over the reference subjects. Choices are made on ``dev``; the test
split is looked at once, at the end. ``--speed`` times what the model writes, and what Keras needs for the
same greedy search with one call a step, in one process, one after the other.
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
from skrnn.batches import pad


def read(path):
    return pd.read_csv(path, sep="\t", keep_default_na=False, quoting=3)


def rouge_1(written, references):
    """Return the mean over texts of the best F1 of words."""
    scores = []
    for text, goals in zip(written, references, strict=True):
        own = Counter(re.findall(r"\w+", text.lower()))
        best = 0.0
        for goal in goals:
            other = Counter(re.findall(r"\w+", goal.lower()))
            common = sum((own & other).values())
            best = max(best, 2 * common / max(1, sum(own.values()) + sum(other.values())))
        scores.append(best)
    return 100 * float(np.mean(scores))


def load(data, task, split, rows):
    """Return training texts and targets, texts to write from, references, and the measure."""
    if task == "aeslc":
        train, test = (read(data / "aeslc" / f"{name}.tsv.gz") for name in ("train", split))
        columns = ("text", "subject")
        references = [
            [subject, *filter(None, notes.split(" || "))]
            for subject, notes in zip(test["subject"], test["annotations"], strict=True)
        ]
        measure = rouge_1
    else:
        columns = task.split("-")
        train, test = (read(data / "multi30k_tok" / f"{name}.tsv.gz") for name in ("train", split))
        references = [[goal] for goal in test[columns[1]]]

        def measure(written, references):
            bleu = BLEU(tokenize="none", force=True)
            return bleu.corpus_score(written, [[goals[0] for goals in references]]).score

    if rows:
        train = train.sample(rows, random_state=0)
    return (
        train[columns[0]].tolist(),
        train[columns[1]].tolist(),
        test[columns[0]].tolist(),
        references,
        measure,
    )


def keras_greedy(model, texts, batch_size=64):
    """Return the ids that one call of Keras a step writes: the whole beginning is read again each time."""
    network, written = model.model_, []
    sources = pad(model._ids(texts))
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
    parser.add_argument("--split", default="dev")
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
    X, y, texts, references, measure = load(arguments.data, arguments.task, arguments.split, arguments.rows)
    model = RNNTextSeq2Seq(**parameters)
    begun = time.perf_counter()
    model.fit(X, y)
    result = {
        "task": arguments.task, "split": arguments.split, "rows": len(X), "set": arguments.set,
        "seconds_to_fit": round(time.perf_counter() - begun), "epochs": model.n_iter_,
        "val_loss": round(-model.best_validation_score_, 4),
    }  # fmt: skip
    if arguments.task == "aeslc":
        result["lead_8_words"] = round(rouge_1([" ".join(t.split()[:8]) for t in texts], references), 2)
    for width in arguments.widths:
        begun = time.perf_counter()
        written = model.set_params(beam_width=width).predict(texts).tolist()
        result[f"score_beam_{width}"] = round(measure(written, references), 2)
        result[f"seconds_beam_{width}"] = round(time.perf_counter() - begun, 2)
    if arguments.speed:
        result["speed"] = speed(model, texts)
    print(json.dumps(result))
    for text, found, goals in list(zip(texts, written, references, strict=True))[:5]:
        print(f"  {text[:100]}\n    wrote {found}\n    goal  {goals[0]}", file=sys.stderr)
    if arguments.out:
        with arguments.out.open("a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
