"""Files and pickles of every version still load and predict the same.

``python tests/test_released.py`` writes those of this version to ``tests/released/VERSION``. Run it before
the release, and never after it.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skrnn
from skrnn import load, save

FOLDER = Path(__file__).parent / "released"
TEXTS = ["good film", "bad film", "a very good film indeed", "very bad", "good film", "so so", "12 men"]
NEW = ["a good one", "", "very very bad, so bad", "zebra"]
TINY = {"layer": "gru", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "random_state": 0}
LABELS = ["b", "a", "b", "a", "b", "a", "c"]
ESTIMATORS = {
    "classifier": (skrnn.RNNTextClassifier(**TINY, early_stopping=True, pooling="attention"), LABELS),
    "labels": (skrnn.RNNTextClassifier(**TINY | {"layer": "self_attention", "n_heads": 1}), np.eye(7, 3)),
    "regressor": (
        skrnn.RNNTextRegressor(**TINY | {"layer": "lstm"}, n_layers=2),
        np.arange(14).reshape(7, 2),
    ),
    "autoencoder": (skrnn.RNNTextEncoder(**TINY, objective="autoencoder", n_components=2), None),
    "language_model": (
        skrnn.RNNTextEncoder(
            **TINY | {"layer": "simple_rnn"}, objective="language_model", analyzer="subword", vocab_size=270
        ),
        None,
    ),
    "seq2seq": (skrnn.RNNTextSeq2Seq(**TINY, analyzer="char"), LABELS),
}


def predictions(estimator):
    """Return the predictions for new texts, as lists that JSON can hold."""
    methods = ("predict", "predict_proba", "transform", "inverse_transform")
    found = {}
    for method in (name for name in methods if hasattr(estimator, name)):
        argument = found["transform"] if method == "inverse_transform" else NEW
        found[method] = np.asarray(getattr(estimator, method)(argument)).tolist()
    return found


CASES = [path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*") if path.suffix != ".json"]


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_released_file_loads_and_predicts_the_same(case):
    path = FOLDER / case
    estimator = load(path) if path.suffix == ".skrnn" else pickle.loads(path.read_bytes())
    expected = json.loads((path.parent / "answers.json").read_text())[path.stem]
    found = predictions(estimator)
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        if np.asarray(values).dtype.kind == "U":
            assert found[method] == values
        else:
            np.testing.assert_allclose(found[method], values, rtol=1e-4, atol=1e-5)


def test_there_are_files_of_this_version():
    assert {f"{skrnn.__version__}/{name}.{kind}" for name in ESTIMATORS for kind in ("skrnn", "pkl")} <= set(
        CASES
    )


def main():
    folder = FOLDER / skrnn.__version__
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (estimator, y) in ESTIMATORS.items():
        fitted = clone(estimator).fit(TEXTS, y)
        save(fitted, folder / f"{name}.skrnn")
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(fitted, protocol=5))
        expected[name] = predictions(fitted)
    (folder / "answers.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
