"""Fit every estimator and objective in two checkouts and compare their predictions.

    python benchmarks/compare_checkouts.py OTHER [--only NAME ...]

OTHER is the root of another checkout, for example ``git worktree add ../before 7c62e3f``. Each case is fitted
in this checkout and in the other one, one after the other, in new processes with the same seed. The table
shows the largest difference between the two; 0 means that the predictions are equal to the bit. Run it
after a change that should not change results.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

WORDS = [
    "good",
    "bad",
    "film",
    "very",
    "plot",
    "music",
    "dull",
    "fun",
    "a",
    "the",
    "not",
    "so",
    "long",
    "end",
]
N_TEXTS = 240


def make_texts():
    """Return texts of 1 to 20 words and whether they hold "good"."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 20))) for _ in range(N_TEXTS)]
    return texts, np.array(["good" in text for text in texts])


def cases():
    """Return {name: (class name, parameters, target)}."""
    small = {"rnn_units": 16, "embedding_dim": 16, "epochs": 2}
    found = {}
    for layer in ("simple_rnn", "gru", "lstm", "self_attention"):
        found[f"binary {layer}"] = "RNNTextClassifier", {**small, "layer": layer}, "labels"
        found[f"autoencoder {layer}"] = "RNNTextEncoder", {**small, "layer": layer, "noise": 0.1}, None
        found[f"seq2seq {layer}"] = (
            "RNNTextSeq2Seq",
            {**small, "layer": layer, "analyzer": "word", "n_layers": 2},
            "texts",
        )
    for pooling in ("last", "mean", "max", "attention"):
        found[f"pooling {pooling}"] = (
            "RNNTextClassifier",
            {**small, "pooling": pooling, "n_layers": 2, "n_components": 5},
            "classes",
        )
    model = {"objective": "language_model"}
    return found | {
        "default classifier": ("RNNTextClassifier", {"epochs": 2}, "labels"),
        "multilabel": ("RNNTextClassifier", small, "indicator"),
        "multiclass, score": ("RNNTextClassifier", {**small, "early_stopping": "score"}, "classes"),
        "recurrent dropout": ("RNNTextClassifier", {**small, "recurrent_dropout": 0.2}, "labels"),
        "relu": ("RNNTextClassifier", {**small, "rnn_activation": "relu"}, "labels"),
        "regressor": ("RNNTextRegressor", {**small, "early_stopping": True}, "numbers"),
        "supervised encoder": ("RNNTextEncoder", {**small, "n_components": 3}, "classes"),
        "random encoder": ("RNNTextEncoder", {**small, "objective": "random"}, None),
        "language model": ("RNNTextEncoder", {**small, **model}, None),
        "language model, untied": (
            "RNNTextEncoder",
            {**small, **model, "bidirectional": False, "tied_embeddings": False, "n_layers": 2},
            None,
        ),
        "subword autoencoder": ("RNNTextEncoder", {**small, "analyzer": "subword", "vocab_size": 280}, None),
        "seq2seq additive": (
            "RNNTextSeq2Seq",
            {**small, "analyzer": "char", "attention": "additive", "beam_width": 3},
            "texts",
        ),
        "seq2seq without attention": (
            "RNNTextSeq2Seq",
            {**small, "analyzer": "word", "attention": None, "early_stopping": "score"},
            "texts",
        ),
        "seq2seq shared": (
            "RNNTextSeq2Seq",
            {**small, "analyzer": "word", "shared_vocabulary": True},
            "texts",
        ),
        "stream": ("RNNTextClassifier", small, "chunks"),
        "adagrad": ("RNNTextClassifier", {**small, "optimizer": "adagrad"}, "labels"),
    }


def targets(name, texts, labels):
    """Return the targets of a case."""
    numbers = np.array([text.count("o") for text in texts])
    return {
        None: None,
        "labels": labels,
        "chunks": labels,
        "classes": np.array(["few", "some", "many"])[np.minimum(numbers // 4, 2)],
        "indicator": np.stack([labels, numbers > 5, numbers % 2], axis=1).astype(int),
        "numbers": np.stack([numbers, 2.0 * labels], axis=1),
        "texts": [" ".join(text.split()[::-1][:6]) for text in texts],
    }[name]


def answers(only):
    """Return {case: {method: values}} of the package that is imported."""
    import skrnn

    texts, labels = make_texts()
    found = {}
    for name, (cls, parameters, target) in cases().items():
        if only and not any(part in name for part in only):
            continue
        y = targets(target, texts, labels)
        estimator = getattr(skrnn, cls)(**parameters, random_state=0)
        if target == "chunks":
            for start in range(0, len(texts), 80):
                rows = slice(start, start + 80)
                estimator.partial_fit(texts[rows], y[rows], classes=[False, True])
        else:
            estimator.fit(texts, y)
        new = [*texts[:50], "good", "", "unseen words"]
        found[name] = {}
        for method in ("transform", "predict", "predict_proba", "decision_function"):
            if hasattr(estimator, method):
                found[name][method] = np.asarray(getattr(estimator, method)(new))
        if target != "texts" and hasattr(estimator, "score_samples"):
            found[name]["score_samples"] = np.asarray(estimator.score_samples(new))
            if estimator.objective_ == "autoencoder":
                decoded = estimator.inverse_transform(found[name]["transform"][:5], beam_width=2)
                found[name]["inverse_transform"] = np.asarray(decoded)
            else:
                found[name]["generate"] = np.asarray(estimator.generate("good", 3, random_state=0))
        if target == "texts":
            found[name]["score_samples"] = estimator.score_samples(texts[:50], y[:50])
        if hasattr(estimator, "validation_scores_"):
            found[name]["validation_scores_"] = np.asarray(estimator.validation_scores_)
    return found


def in_checkout(root, only):
    """Return the answers of a checkout, from a new process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.pickle"
        command = [sys.executable, str(Path(__file__).resolve()), "--write", str(path)]
        command += ["--only", *only] if only else []
        environment = os.environ | {"PYTHONPATH": str(Path(root).resolve())}
        subprocess.run(command, check=True, cwd=folder, env=environment)
        return pickle.loads(path.read_bytes())


def difference(a, b):
    """Return the largest absolute difference, or the share of texts that differ."""
    if a.shape != b.shape:
        return float("nan")
    if a.dtype.kind in "fc":
        return float(np.abs(a - b).max(initial=0))
    return float(np.mean(a != b))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", nargs="?", help="root of another checkout")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of cases")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        Path(arguments.write).write_bytes(pickle.dumps(answers(arguments.only)))
        return
    here = in_checkout(Path(__file__).parents[1], arguments.only)
    other = in_checkout(arguments.other, arguments.only)
    worst = 0.0
    for name, own in here.items():
        values = {method: difference(own[method], other[name][method]) for method in own}
        worst = max([worst, *values.values()], key=lambda value: (value != value, value))
        print(f"{name:<28}", ", ".join(f"{method} {value:.2g}" for method, value in values.items()))
    print(f"largest difference: {worst:.2g}")


if __name__ == "__main__":
    main()
