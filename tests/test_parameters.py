"""Invalid parameters: each is refused before training, by an error that names the parameter."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

import skrnn
from skrnn.compat import make_constraint

TEXTS = ["good film", "bad film", "very good", "very bad"]
LABELS, NUMBERS = ["b", "a", "b", "a"], [1.0, 2.0, 3.0, 4.0]
TINY = {"layer": "simple_rnn", "rnn_units": 2, "embedding_dim": 2, "random_state": 0}
ESTIMATORS = {
    "classifier": (skrnn.RNNTextClassifier(**TINY), LABELS),
    "encoder": (skrnn.RNNTextEncoder(objective="autoencoder", **TINY), None),
    "regressor": (skrnn.RNNTextRegressor(**TINY), NUMBERS),
    "seq2seq": (skrnn.RNNTextSeq2Seq(**TINY, analyzer="word"), LABELS),
}
VALUES = [
    None, object(), "no such", "", b"word", 0, -1, 1.5, -0.5, 1e400, float("nan"), -(2**70), 1j, (), [3], {},
    {1: 2}, set(), np.array(1.0), np.zeros((2, 2)), np.nan, len, type,
]  # fmt: skip


class TrainingStarted(Exception):
    pass


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Raise an error instead of training: a test for an invalid parameter must not get that far."""

    def train(job):
        raise TrainingStarted(job.wanted_by)

    monkeypatch.setattr("skrnn.fitting.fit.train_network", train)


def is_allowed(constraints, value):
    return any(make_constraint(constraint).is_satisfied_by(value) for constraint in constraints)


def checked_parameters():
    """Return each parameter that scikit-learn's validation checks; INVALID has values for the others."""
    for name, (estimator, _) in ESTIMATORS.items():
        for parameter, constraints in estimator._parameter_constraints.items():
            if constraints != "no_validation":
                yield pytest.param(name, parameter, id=f"{name}-{parameter}")


@pytest.mark.parametrize(("name", "parameter"), list(checked_parameters()))
def test_values_of_a_wrong_type_or_out_of_range_are_refused(name, parameter):
    estimator, y = ESTIMATORS[name]
    constraints = estimator._parameter_constraints[parameter]
    refused = [value for value in VALUES if not is_allowed(constraints, value)]
    assert len(refused) > 5
    for value in refused:
        invalid = clone(estimator)
        setattr(invalid, parameter, value)  # set_params compares values, which arrays do not support
        with pytest.raises(ValueError, match=f"'{parameter}' parameter of {type(estimator).__name__} must"):
            invalid.fit(TEXTS, y)


def raise_error(_):
    raise RuntimeError("the tokenizer's own error")


INVALID = [
    *[("n_jobs", 0), ("callbacks", ["x"]), ("callbacks", [object()]), ("random_state", -1)],
    *[("token_pattern", "("), ("token_pattern", "(a)(b)"), ("token_pattern", "zzz")],
    *[
        ("vocabulary", [1]),
        ("vocabulary", {"a": "b"}),
        ("vocabulary", {1: 2}),
        ("vocabulary", np.zeros((2, 2))),
    ],
    *[("vocabulary", []), ("vocabulary", ["a", "a"]), ("vocabulary", {"a": 1, "b": 1})],
    *[("class_weight", {"z": 1.0}), ("class_weight", {"a": -1.0}), ("class_weight", {"a": "x"})],
    *[("class_weight", {"a": float("nan")}), ("class_weight", {"a": 0.0, "b": 0.0})],
    *[("strip_accents", lambda _: None), ("preprocessor", lambda _: 3), ("tokenizer", lambda text: text)],
    *[("tokenizer", lambda _: None), ("tokenizer", lambda _: [1]), ("tokenizer", raise_error)],
    *[("analyzer", lambda _: 7), ("analyzer", lambda text: text), ("validation_fraction", 0.999)],
    *[("embeddings", 3), ("embeddings", None), ("embeddings", "no such file"), ("embeddings", {})],
    *[("encoder", skrnn.RNNTextEncoder()), ("min_df", 5)],
]


@pytest.mark.parametrize(("parameter", "value"), INVALID, ids=lambda value: str(value)[:20])
def test_values_of_the_right_type_that_cannot_be_used_are_refused(parameter, value):
    classifier = clone(ESTIMATORS["classifier"][0])
    classifier.set_params(early_stopping=parameter == "validation_fraction")
    setattr(classifier, parameter, value)
    with pytest.raises((ValueError, TypeError, OSError, RuntimeError), match=parameter):
        classifier.fit(TEXTS, LABELS)


def test_valid_parameters_reach_training():
    """Without this test, the others would pass if `fit` refused every parameter."""
    for estimator, y in ESTIMATORS.values():
        with pytest.raises(TrainingStarted, match=rf"{type(estimator).__name__}\.fit"):
            clone(estimator).fit(TEXTS, y)


FIT_WITHOUT_A_MODULE = """
from importlib.machinery import PathFinder

def find_spec(cls, name, path=None, target=None, own=PathFinder.find_spec):
    return None if name in ({module!r}, "jax", "torch") else own(name, path, target)

PathFinder.find_spec = classmethod(find_spec)  # as if the module were not installed
import skrnn
texts, labels = ["good film", "bad film"] * 4, [1, 0] * 4
try:
    skrnn.RNNTextEncoder(objective="autoencoder").fit(texts)
except ImportError as error:
    print(error)
print(skrnn.RNNTextClassifier(epochs=1).fit(texts, labels).n_iter_)
print(skrnn.RNNTextRegressor(epochs=1).fit(texts, labels).n_iter_)
"""


@pytest.mark.parametrize("module", ["keras", "tensorflow"])
def test_fit_without_keras_or_its_backend_trains_or_says_what_to_install(module, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", FIT_WITHOUT_A_MODULE.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    )
    message, *n_epochs = done.stdout.splitlines()
    assert message.startswith("RNNTextEncoder.fit needs Keras and a backend for training, but ")
    assert f" {module} cannot be imported. " in message
    assert "pip install keras tensorflow numba" in message
    assert "With numba alone, classifiers and regressors with recurrent layers can be trained" in message
    assert n_epochs == ["1", "1"]


def test_an_import_error_of_the_package_is_not_reported_as_a_missing_backend():
    from skrnn.train.backend import importing_keras

    with pytest.raises(ImportError, match="no_such_name"), importing_keras("RNNTextClassifier.fit"):
        from skrnn.ragged import no_such_name  # noqa: F401
