"""Compare regression and multilabel classification with TF-IDF.

    python benchmarks/bench_family.py DATA rating [--set epochs=10 ...]
    python benchmarks/bench_family.py DATA emotions [--rows 10000]

DATA is a folder with ``druglib_rating/all.tsv.gz`` (columns ``text`` and ``rating``) and ``goemotions``
(files ``train``, ``dev`` and ``test``; columns ``text`` and ``labels``, which commas separate).

``rating`` measures R2 on a held-out tenth and over five folds, for RNNTextRegressor and for TF-IDF +
Ridge. ``emotions`` measures the macro-F1 of 28 labels on the test split, at a threshold of 0.3 and at
the threshold that is best on dev.
"""

import argparse
import ast
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer

from skrnn import RNNTextClassifier, RNNTextRegressor

TOKENS = r"(?u)\w+|[^\w\s]"


def read(folder, stem):
    return pd.read_csv(folder / f"{stem}.tsv.gz", sep="\t", keep_default_na=False)


def tfidf():
    return TfidfVectorizer(sublinear_tf=True, token_pattern=TOKENS, ngram_range=(1, 2))


def rating(data, options, parameters):
    frame = read(data / "druglib_rating", "all")
    X, y = frame["text"].tolist(), frame["rating"].to_numpy(float)
    tenth = ShuffleSplit(1, test_size=0.1, random_state=0)
    for part, splits in {"a tenth": tenth, "five folds": KFold(5, shuffle=True, random_state=0)}.items():
        models = {
            f"RNNTextRegressor, seed {i}": RNNTextRegressor(random_state=i, **parameters) for i in range(3)
        }
        models |= {f"TF-IDF + Ridge({a})": make_pipeline(tfidf(), Ridge(a)) for a in (0.1, 0.5, 1.0)}
        for name, model in models.items():
            begun = time.perf_counter()
            scores = cross_val_score(model, X, y, cv=splits, scoring="r2")
            seconds = (time.perf_counter() - begun) / len(scores)
            print(f"{part}, {name:<24} R2 {scores.mean():.3f}, {seconds:.1f} s per fit", flush=True)


def emotions(data, options, parameters):
    parts = {name: read(data / "goemotions", name) for name in ("train", "dev", "test")}
    if options.rows:
        parts["train"] = parts["train"].sample(options.rows, random_state=0)
    binarizer = MultiLabelBinarizer().fit(parts["train"]["labels"].str.split(","))
    X = {name: part["text"].tolist() for name, part in parts.items()}
    y = {name: binarizer.transform(part["labels"].str.split(",")) for name, part in parts.items()}
    models = {
        "RNNTextClassifier": RNNTextClassifier(random_state=0, **parameters),
        "TF-IDF, one LR per label": make_pipeline(
            tfidf(), OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000), n_jobs=2)
        ),
    }
    thresholds = np.arange(0.05, 0.6, 0.05)
    for name, model in models.items():
        begun = time.perf_counter()
        model.fit(X["train"], y["train"])
        seconds = time.perf_counter() - begun
        dev, test = (model.predict_proba(X[part]) for part in ("dev", "test"))

        def f1(p, part, threshold):
            return f1_score(y[part], p > threshold, average="macro", zero_division=0)

        best = max(thresholds, key=lambda threshold: f1(dev, "dev", threshold))
        print(
            f"{name:<22} macro-F1 {f1(test, 'test', 0.3):.3f} at 0.30, {f1(test, 'test', best):.3f} at "
            f"{best:.2f}, {seconds:.0f} s to fit",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("what", choices=["rating", "emotions"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    parameters = {}
    for pair in options.set:
        name, value = pair.split("=", 1)
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value
    {"rating": rating, "emotions": emotions}[options.what](options.data, options, parameters)


if __name__ == "__main__":
    main()
