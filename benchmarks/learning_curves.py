"""Compare the default classifier with TF-IDF + LogisticRegression on few training texts.

    python benchmarks/learning_curves.py DATA [--sets sst2 trec] [--sizes 100 500] [--draws 5]
        [--inner] [--set ngram_range=None] [--picture FILE]

DATA is a folder with one folder per data set, as for ``accuracy.py``. Each draw takes a random part of the
training rows and scores both sides on the same test rows: accuracy, expected calibration error and log-loss.
A size beyond the number of rows takes all of them. ``--inner`` scores on rows that do not belong to the test
split. ``--picture`` draws the accuracies.
"""

import argparse
from pathlib import Path

import numpy as np
from accuracy import SETS, baselines, calibration_error, parse_parameters, split
from sklearn.metrics import log_loss

from skrnn import RNNTextClassifier

SIZES = (100, 200, 500, 1000, 2000)
MEASURES = ("accuracy", "ECE", "log-loss")


def measures(classifier, X, y):
    """Return the accuracy, the calibration error and the log-loss on texts."""
    known = np.isin(y, classifier.classes_)
    loss = log_loss(y[known], classifier.predict_proba(X[known]), labels=classifier.classes_)
    return classifier.score(X, y), calibration_error(classifier, X, y), loss


def draw(rows, size, seed):
    """Return random training rows that have two classes or more."""
    X, y = rows
    rng = np.random.default_rng([seed, size])
    picked = rng.permutation(len(X))[:size]
    while len(np.unique(y[picked])) < 2:
        picked = rng.permutation(len(X))[:size]
    return X[picked], y[picked]


def curve(folder, arguments, parameters):
    """Return the measures of both sides, (n_sizes, n_draws, 2, 3)."""
    train, test = split(folder, arguments.inner)
    results = []
    for size in arguments.sizes:
        results.append([])
        for seed in range(arguments.draws):
            rows = draw(train, size, seed)
            own = RNNTextClassifier(**parameters, random_state=seed).fit(*rows)
            fitted = [model.fit(*rows) for model in baselines(folder.name)]
            best = max(fitted, key=lambda model: model.score(*test))
            results[-1].append([measures(model, *test) for model in (own, best)])
        report(folder.name, size, np.array(results[-1]))
    return np.array(results)


def report(name, size, runs):
    """Print the mean of each measure, and how often the difference exceeds its standard error."""
    mean, n = runs.mean(axis=0), len(runs)
    difference = runs[:, 0, 0] - runs[:, 1, 0]
    error = difference.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    values = "  ".join(f"{m} {a:.3f} ({b:.3f})" for m, a, b in zip(MEASURES, *mean, strict=True))
    print(f"{name:<12} {size:>6} texts  {values}  gain {difference.mean():+.3f} +- {error:.3f}", flush=True)


def picture(curves, sizes, path):
    """Draw the accuracy of both sides by the number of texts, one panel for each data set."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, -(-len(curves) // 2), figsize=(10, 6), squeeze=False, sharex=True)
    for panel, (name, runs) in zip(panels.flat, curves.items(), strict=False):
        for side, label in enumerate(("RNNTextClassifier", "TF-IDF + LogisticRegression")):
            values = runs[:, :, side, 0]
            panel.errorbar(sizes, values.mean(axis=1), values.std(axis=1), label=label, capsize=3)
        panel.set(title=name, xscale="log", xlabel="training texts", ylabel="accuracy")
    panels.flat[0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS[:6])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--inner", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    parameters = parse_parameters(arguments.set)
    print("skrnn (TF-IDF + LR with 1-grams or 1-2-grams, whichever is better on the scored rows)")
    curves = {name: curve(arguments.data / name, arguments, parameters) for name in arguments.sets}
    if arguments.picture:
        picture(curves, arguments.sizes, arguments.picture)


if __name__ == "__main__":
    main()
