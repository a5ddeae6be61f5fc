"""Compare vectors that are learned without labels with TF-IDF, on clusters, few labels and near-duplicates.

    python benchmarks/bench_encoders.py DATA [--sets ag_news trec] [--objectives auto random] [--rows 3000]
    python benchmarks/bench_encoders.py DATA --duplicates [--sets sst2] [--objectives auto random]

DATA is a folder with one folder per data set. Each data set has tab-separated files: ``train`` and
``test``, or ``all``. Two sets are made here: ``docstrings`` are sentences of installed packages, and
``ag_titles`` are the first nine words of ag_news.

An encoder is fitted on ``--rows`` texts without labels. All vectors are scaled to length 1.

* ARI: adjusted Rand index of KMeans on these texts, with as many clusters as there are classes; mean of
  five seeds of KMeans. The baseline is the better of TF-IDF + SVD with and without stop words.
* accuracy: LogisticRegression on the vectors of 200 labelled texts, scored on other texts; mean of five
  draws. Cross-validation on the 200 texts chooses C, on both sides. The baseline is TF-IDF + LR, whose
  TF-IDF is fitted on all rows.
* recall@1 (``--duplicates``): two words of a text are dropped, swapped with their neighbours, or
  misspelt. It is the share of 1,000 such queries whose nearest text among 5,000 is the original.

Index, accuracy and time are those of ``--seeds`` fits, each with another seed: mean, standard deviation in
brackets, and median time. ``--duplicates`` fits once.

``--set`` replaces default parameters of the encoders.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from accuracy import parse_parameters, read
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

SETS = ["ag_news", "trec", "sms_spam", "docstrings", "ag_titles", "sst2", "imdb"]
PATTERN = r"(?u)\w+|[^\w\s]"


def load(data, name, n_train, n_test):
    """Return texts and labels to fit on, and others to score on, in random order."""
    if name == "docstrings":
        X, y = load_docstrings(return_X_y=True)
        parts = [(np.array(X, object), np.array(y))]
    else:
        folder = data / ("ag_news" if name == "ag_titles" else name)
        parts = (
            [read(folder, "all")]
            if list(folder.glob("all*"))
            else [read(folder, "train"), read(folder, "test")]
        )
    if name == "ag_titles":
        parts = [(np.array([" ".join(text.split()[:9]) for text in X], object), y) for X, y in parts]
    rows = [np.random.default_rng(0).permutation(len(y)) for _, y in parts]
    if len(parts) == 1:
        rows = [rows[0][: min(n_train, len(rows[0]) // 2)], rows[0][len(rows[0]) // 2 :]]
        parts *= 2
    (X, y), (Z, z) = parts
    a, b = rows[0][:n_train], rows[1][:n_test]
    return (X[a].tolist(), y[a]), (Z[b].tolist(), z[b])


def tfidf(**options):
    return TfidfVectorizer(sublinear_tf=True, token_pattern=PATTERN, **options)


def transformers(options, parameters, seed=0):
    """Yield the name of each side, and its transformers."""
    for stop_words in (None, "english"):
        svd = TruncatedSVD(100, random_state=seed)
        yield (
            f"TF-IDF + SVD, stop_words={stop_words}",
            make_pipeline(tfidf(stop_words=stop_words, min_df=2), svd),
        )
    for objective in options.objectives:
        encoder = RNNTextEncoder(objective=objective, random_state=seed, **parameters)
        yield f"encoder, objective={objective}", encoder


def rand_index(vectors, y, seeds=5):
    """Return the adjusted Rand index of KMeans, mean of some seeds."""
    k = len(np.unique(y))
    found = (KMeans(k, n_init=3, random_state=seed).fit_predict(vectors) for seed in range(seeds))
    return np.mean([adjusted_rand_score(y, labels) for labels in found])


def few_labels(vectors, y, others, z, n=200, draws=5):
    """Return the accuracy of LogisticRegression on n labelled texts, mean of some draws."""
    scores = []
    for draw in range(draws):
        rows = np.random.default_rng(draw).permutation(len(y))[:n]
        model = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1, 10, 100]}, cv=3)
        scores.append(model.fit(vectors[rows], y[rows]).score(others, z))
    return np.mean(scores)


def compare(options, parameters, name):
    """Print the figures of one data set."""
    (X, y), (Z, z) = load(options.data, name, options.rows, options.test_rows)
    words = tfidf().fit(X)
    accuracy = few_labels(words.transform(X), y, words.transform(Z), z)
    print(f"{name:<11} {len(X)} texts  {'TF-IDF + LR':<36} ARI    -   accuracy {accuracy:.3f}", flush=True)
    sides = [dict(transformers(options, parameters, seed)) for seed in range(options.seeds)]
    for side in sides[0]:
        index, accuracy, seconds = [], [], []
        for transformer in (of_seed[side] for of_seed in sides):
            start = time.perf_counter()
            transformer.fit(X)
            seconds.append(time.perf_counter() - start)
            V, W = normalize(transformer.transform(X)), normalize(transformer.transform(Z))
            index.append(rand_index(V, y))
            accuracy.append(few_labels(V, y, W, z))
        print(
            f"{name:<11} {len(X)} texts  {side:<36} ARI {np.mean(index):6.3f} ({np.std(index):.3f}) "
            f"accuracy {np.mean(accuracy):.3f} ({np.std(accuracy):.3f})  fit {np.median(seconds):.1f} s",
            flush=True,
        )


def edited(text, rng):
    """Return a text of which two words are dropped, swapped with their neighbours, or misspelt."""
    words, kind = text.split(), rng.integers(3)
    for _ in range(2):
        i = rng.integers(max(1, len(words) - 1))
        if kind == 0 and len(words) > 2:
            del words[i]
        elif kind == 1 and len(words) > 1:
            words[i], words[i + 1] = words[i + 1], words[i]
        elif len(words[i]) > 1:
            j = rng.integers(len(words[i]) - 1)
            words[i] = words[i][:j] + words[i][j + 1] + words[i][j] + words[i][j + 2 :]
    return " ".join(words)


def duplicates(options, parameters, name):
    """Print the share of edited texts whose nearest neighbour is the original."""
    (X, _), (Z, _) = load(options.data, name, 5000, 5000)
    X = list(dict.fromkeys(X + Z))[:5000]
    rng = np.random.default_rng(0)
    goals = rng.permutation(len(X))[:1000]
    queries = [edited(X[i], rng) for i in goals]
    sides = [
        ("TF-IDF of words", tfidf()),
        ("TF-IDF of characters", TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4))),
        *transformers(options, parameters),
    ]
    for side, transformer in sides:
        start = time.perf_counter()
        V = normalize(transformer.fit(X).transform(X))
        seconds = time.perf_counter() - start
        similar = normalize(transformer.transform(queries)) @ V.T
        found = np.asarray(similar.argmax(axis=1)).ravel()
        print(
            f"{name:<11} {len(X)} texts  {side:<36} recall@1 {np.mean(found == goals):.3f}  {seconds:.1f} s",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--objectives", nargs="*", default=["auto"])
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds of SVD and of encoders")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--test-rows", type=int, default=2000)
    parser.add_argument("--duplicates", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    parameters = parse_parameters(options.set)
    for name in options.sets:
        (duplicates if options.duplicates else compare)(options, parameters, name)


if __name__ == "__main__":
    main()
