"""Compare the accuracy of the default classifier with TF-IDF + LogisticRegression on labelled data sets.

    python benchmarks/accuracy.py DATA [--sets sst2 trec] [--seeds 3] [--inner] [--set rnn_units=32]

DATA is a folder with one folder per data set. Each data set has tab-separated files: ``train`` and
``test``, or ``all``, of which a tenth is held out. ``--inner`` does not read the test split. It scores
on ``dev``, or on a tenth of the training rows. Use it to choose parameters. ``--set`` replaces default
parameters.
"""

import argparse
import ast
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier

CHARACTERS = {"names", "waimai_10k"}
SETS = ["sst2", "trec", "rt_polarity", "subj", "ag_news", "sms_spam", "imdb", "names", "waimai_10k"]


def read(folder, stem):
    """Return the texts and labels of one file of a data set, or None if there is no such file."""
    for path in sorted(folder.glob(f"{stem}.tsv*")) or sorted(folder.glob(f"{stem}_subset.tsv*")):
        frame = pd.read_csv(path, sep="\t", keep_default_na=False)
        return frame["text"].to_numpy(object), frame["label"].to_numpy()
    return None


def split(folder, inner):
    """Return the training texts and labels, and the texts and labels to score on."""
    whole, train, test = (read(folder, stem) for stem in ("all", "train", "test"))
    if whole is not None:
        train, test = halves(whole, 0)
    if inner:
        dev = read(folder, "dev")
        train, test = (train, dev) if dev is not None else halves(train, 1)
    return train, test


def halves(rows, seed):
    X, y = rows
    a, b, c, d = train_test_split(X, y, test_size=0.1, random_state=seed, stratify=y)
    return (a, c), (b, d)


def baselines(name):
    """Return TF-IDF + LR with two n-gram ranges for words, or with one for characters."""
    if name in CHARACTERS:
        ranges = [{"analyzer": "char", "ngram_range": (1, 3)}]
    else:
        pattern = r"(?u)\w+|[^\w\s]"
        ranges = [{"token_pattern": pattern, "ngram_range": (1, n)} for n in (1, 2)]
    return [
        make_pipeline(TfidfVectorizer(sublinear_tf=True, **options), LogisticRegression(C=10, max_iter=1000))
        for options in ranges
    ]


def baseline(name, train, test):
    """Return the accuracy and calibration error of the better of the baselines."""
    fitted = [model.fit(*train) for model in baselines(name)]
    return max((model.score(*test), calibration_error(model, *test)) for model in fitted)


def calibration_error(classifier, X, y, bins=10):
    """Return the expected calibration error of the most probable class (Guo et al. 2017)."""
    probabilities = classifier.predict_proba(X)
    sure = probabilities.max(axis=1)
    right = classifier.classes_[probabilities.argmax(axis=1)] == y
    which = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(right[which == b].mean() - sure[which == b].mean()) * (which == b).mean() for b in set(which)]
    return float(sum(gaps))


def parse_parameters(items):
    """Return the parameters of NAME=VALUE items."""
    parameters = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value
    return parameters


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--inner", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    parameters = parse_parameters(arguments.set)
    results = {}
    for name in arguments.sets:
        train, test = split(arguments.data / name, arguments.inner)
        scores, seconds, epochs, errors = [], [], [], []
        for seed in range(arguments.seeds):
            options = {"analyzer": "char"} if name in CHARACTERS else {}
            classifier = RNNTextClassifier(**options, **parameters, random_state=seed)
            start = time.perf_counter()
            classifier.fit(*train)
            seconds.append(time.perf_counter() - start)
            scores.append(classifier.score(*test))
            errors.append(calibration_error(classifier, *test))
            epochs.append(classifier.n_iter_)
        base, base_error = (float("nan"),) * 2 if arguments.no_baseline else baseline(name, train, test)
        results[name] = {
            "accuracy": scores, "seconds": seconds, "epochs": epochs, "ece": errors, "tfidf_lr": base,
            "tfidf_lr_ece": base_error,
        }  # fmt: skip
        print(
            f"{name:<12} rnn {np.mean(scores):.4f} (sd {np.std(scores):.4f})  tf-idf+lr {base:.4f}  "
            f"{np.mean(seconds):6.1f} s  epochs {epochs}  ece {np.mean(errors):.3f} ({base_error:.3f})",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
