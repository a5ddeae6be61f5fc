"""Measure word vectors: memory and time to read them, time to train them, and accuracy with them.

    python benchmarks/bench_vectors.py load [--rows 2000000] [--dim 300] [--terms 20000]
    python benchmarks/bench_vectors.py train DATA [--set imdb]
    python benchmarks/bench_vectors.py mean DATA [--sets sst2 rt_polarity] [--set imdb]
    python benchmarks/bench_vectors.py rnn DATA [--sets sst2 rt_polarity] [--seeds 5] [--kinds auto made]

DATA is a folder with one folder per data set. Each data set has tab-separated files: ``train`` and
``test``, or ``all``, of which a tenth is held out.

``load`` generates a file of each format in a temporary folder. It reads the vectors of a vocabulary
from it in a new process. The goal is a peak below 500 MB for 2,000,000 x 300 values and 20,000 terms.

``train`` trains vectors on the texts of ``DATA/imdb/unsup``. The goal is 30 s on two cores.

``mean`` scores a LogisticRegression on the mean vector of each text.

``rnn`` scores an RNNTextClassifier that starts from the vectors. The goal on sst2 is 1.5 points more
than with random vectors, as the mean of five seeds. The kind "made" stands for vectors trained by
``train``.

``load`` on 2 cores shared with other work (load 9): 4.5 GB of text take 65 s, and 2.4 GB of binary 34
s. The peak is 247 MB each, of which 199 MB were used before.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNTextClassifier, WordVectors, train_vectors
from skrnn.text.tokens import Tokens
from skrnn.text.vectors import vectors_of_terms

READ = """
import resource, sys, time
from skrnn import WordVectors
terms = [f"word{i}" for i in range(0, int(sys.argv[2]), int(sys.argv[2]) // int(sys.argv[3]))]
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, time.perf_counter()
vectors = WordVectors.load(sys.argv[1], vocabulary=terms, verbose=1)
seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(f"{vectors}: {seconds:.1f} s, peak {peak:.0f} MB ({before:.0f} MB before)", flush=True)
"""


def texts_of(folder, stem):
    """Return the texts of one file of a data set, and its labels, or None if it has none."""
    (path,) = folder.glob(f"{stem}.tsv*")
    frame = pd.read_csv(path, sep="\t", keep_default_na=False)
    labels = frame["label"].to_numpy() if "label" in frame else None
    return frame["text"].to_numpy(object), labels


def split(folder):
    """Return the training texts and labels, and the test texts and labels."""
    if list(folder.glob("all.tsv*")):
        X, y = texts_of(folder, "all")
        a, b, c, d = train_test_split(X, y, test_size=0.1, random_state=0, stratify=y)
        return (a, c), (b, d)
    return texts_of(folder, "train"), texts_of(folder, "test")


def write_file(path, n, dim, binary):
    """Write a file of random vectors, with 997 distinct ones."""
    rows = np.random.default_rng(0).normal(size=(997, dim)).astype("<f4")
    if binary:
        bodies = [row.tobytes() + b"\n" for row in rows]
    else:
        bodies = [" ".join(f"{x:.4f}" for x in row).encode() + b"\n" for row in rows]
    with open(path, "wb", buffering=2**20) as file:
        file.write(b"%d %d\n" % (n, dim))
        for i in range(n):
            file.write(b"word%d " % i + bodies[i % 997])


def load(arguments):
    for binary in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "vectors.bin" if binary else "vectors.txt")
            write_file(path, arguments.rows, arguments.dim, binary)
            print(f"{path.name}: {path.stat().st_size / 1e9:.2f} GB", flush=True)
            command = [sys.executable, "-c", READ, path, str(arguments.rows), str(arguments.terms)]
            subprocess.run(command, check=True)


def made(arguments):
    """Return vectors trained on the unlabelled texts, and print the training time."""
    texts, _ = texts_of(arguments.data / arguments.set, "unsup")
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = train_vectors(texts, random_state=0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{vectors} from {len(texts):,} texts: {wall:.1f} s, {cpu:.1f} s of CPU time", flush=True)
    return vectors


def train(arguments):
    vectors = made(arguments)
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True).clip(1e-9)
    for word in ("good", "boring", "actor", "1980"):
        if word in vectors:
            near = np.argsort(-unit @ unit[vectors.words.index(word)])[1:7]
            print(f"{word}: {', '.join(vectors.words[i] for i in near)}")


def kinds_of(arguments):
    """Return initial embeddings by name: vectors trained here, and files of the data folder."""
    kinds = {path.name: WordVectors.load(path) for path in sorted(arguments.data.glob("vectors/*.txt"))}
    return {"made": made(arguments), **kinds}


def mean_of_vectors(texts, tokens, matrix):
    rows = tokens.encode(list(texts))
    ids, offsets = rows.ids, rows.offsets
    vectors = np.concatenate([np.zeros((3, matrix.shape[1]), np.float32), matrix])[ids]
    return np.add.reduceat(vectors, offsets[:-1]) / np.diff(offsets)[:, None]


def mean(arguments):
    kinds = kinds_of(arguments)
    for name in arguments.sets:
        (X, y), (X_test, y_test) = split(arguments.data / name)
        tokens, _ = Tokens.fit(list(X))
        terms = list(tokens.vocabulary)
        own = train_vectors(X, random_state=0)
        for kind, vectors in {"of the training texts": own, **kinds}.items():
            matrix, found = vectors_of_terms(vectors, terms, owner="benchmark")
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
            model.fit(mean_of_vectors(X, tokens, matrix), y)
            score = model.score(mean_of_vectors(X_test, tokens, matrix), y_test)
            print(
                f"{name:<12} {kind:<32} {score:.4f}  vectors for {found.mean():.1%} of the terms", flush=True
            )


def rnn(arguments):
    vectors = made(arguments) if {"made", "made, frozen"} & set(arguments.kinds) else None
    options = {
        "random": {"embeddings": "random"},
        "auto": {"embeddings": "auto"},
        "made": {"embeddings": vectors},
        "made, frozen": {"embeddings": vectors, "trainable_embeddings": False},
    }
    for name in arguments.sets:
        (X, y), (X_test, y_test) = split(arguments.data / name)
        for kind in arguments.kinds:
            scores, seconds = [], time.perf_counter()
            for seed in range(arguments.seeds):
                classifier = RNNTextClassifier(**options[kind], random_state=seed).fit(X, y)
                scores.append(classifier.score(X_test, y_test))
            seconds = (time.perf_counter() - seconds) / arguments.seeds
            each = " ".join(f"{score:.4f}" for score in scores)
            print(
                f"{name:<12} {kind:<14} {np.mean(scores):.4f}  ({each})  {seconds:.0f} s per fit", flush=True
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for part in (load, train, mean, rnn):
        sub = parts.add_parser(part.__name__)
        sub.set_defaults(part=part)
        if part is load:
            for name, value in (("rows", 2_000_000), ("dim", 300), ("terms", 20_000)):
                sub.add_argument(f"--{name}", type=int, default=value)
            continue
        sub.add_argument("data", type=Path)
        sub.add_argument("--set", default="imdb", help="data set with a file `unsup` of unlabelled texts")
        sub.add_argument("--sets", nargs="*", default=["sst2", "rt_polarity"])
        sub.add_argument("--seeds", type=int, default=5)
        sub.add_argument("--kinds", nargs="*", default=["random", "auto", "made", "made, frozen"])
    arguments = parser.parse_args()
    arguments.part(arguments)


if __name__ == "__main__":
    main()
