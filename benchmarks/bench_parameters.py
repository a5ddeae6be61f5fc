"""Measure what a change of one parameter costs, and how time and memory grow with rows and length.

    python benchmarks/bench_parameters.py settings [FIRST LAST]
    python benchmarks/bench_parameters.py sizes [ROWS ...]

settings  3,000 training and 3,000 test sentences of :func:`skrnn.datasets.load_docstrings`, four labels:
          seconds of `fit` and of `predict`, size of the pickle, and accuracy. A first fit, which is not
          measured, loads the compiled loops. FIRST and LAST select some of the settings.
sizes     texts of random words, 20,000 different ones: seconds of one epoch, and memory of `fit` besides the
          texts (the growth of the peak of resident memory), each in a new process
"""

import argparse
import pickle
import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

SETTINGS = [
    {},
    {"r_drop": 0},
    {"epochs": 5},
    {"epochs": 20},
    {"rnn_units": 32},
    {"rnn_units": 128},
    {"layer": "simple_rnn"},
    {"layer": "lstm"},
    {"bidirectional": False},
    {"ngram_range": None},
    {"analyzer": "subword"},
    {"analyzer": "char"},
    {"sequence_length": 10},
    {"r_drop": 0, "rnn_units": 32, "epochs": 5},
]
ROWS, LENGTHS = (1_000, 3_000, 10_000), (10, 50, 200)


def measured(name, model, X_train, X_test, y_train, y_test):
    """Print one row of the table."""
    start = time.perf_counter()
    model.fit(X_train, y_train)
    fitted = time.perf_counter()
    accuracy = np.mean(model.predict(X_test) == y_test)
    predicted = time.perf_counter()
    size = len(pickle.dumps(model)) / 1e6
    seconds = f"{fitted - start:.1f} | {predicted - fitted:.2f}"
    print(f"| {name} | {seconds} | {size:.1f} | {accuracy:.3f} |", flush=True)


def settings(first=0, last=99):
    texts, labels = load_docstrings(return_X_y=True)
    split = train_test_split(texts, labels, train_size=3000, test_size=3000, stratify=labels, random_state=0)
    RNNTextClassifier(epochs=1, random_state=0).fit(split[0][:500], split[2][:500])
    tfidf = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]")
    regression = LogisticRegression(C=10, max_iter=1000)
    measured("TF-IDF + LR", make_pipeline(tfidf, regression), *split)
    for changed in SETTINGS[first : last + 1]:
        name = ", ".join(f"`{key}={value!r}`" for key, value in changed.items()) or "defaults"
        measured(name, RNNTextClassifier(random_state=0, **changed), *split)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # MB; Linux counts kB


def one_size(n_rows, length):
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(20_000)])
    texts = [" ".join(words[row]) for row in (20_000 * rng.random((n_rows, length)) ** 3).astype(int)]
    labels = [text[4] for text in texts]
    RNNTextClassifier(epochs=1, random_state=0).fit(texts[:64], labels[:64])
    before, start = peak(), time.perf_counter()
    RNNTextClassifier(epochs=1, random_state=0).fit(texts, labels)
    print(f"{time.perf_counter() - start:.1f} s, {peak() - before:.0f} MB", flush=True)


def sizes(*rows):
    for n_rows in rows or ROWS:
        cells = []
        for length in LENGTHS:
            command = [sys.executable, __file__, "size", str(n_rows), str(length)]
            cells.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        print(f"| {n_rows:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["settings", "sizes", "size"])
    parser.add_argument("numbers", nargs="*", type=int, help="of settings; or rows and words of one size")
    options = parser.parse_args()
    {"settings": settings, "sizes": sizes, "size": one_size}[options.what](*options.numbers)
