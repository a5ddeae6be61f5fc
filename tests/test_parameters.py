"""Absurd parameters: each is refused before anything is trained, by an error that names it."""

import importlib
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import make_constraint

import skrnn

TEXTS = ["good film", "bad film", "very good", "very bad"]
LABELS, NUMBERS = ["b", "a", "b", "a"], [1.0, 2.0, 3.0, 4.0]
TINY = {"layer": "simple_rnn", "rnn_units": 2, "embedding_dim": 2, "random_state": 0}
ESTIMATORS = {
    "classifier": (skrnn.RNNTextClassifier(**TINY), LABELS),
    "encoder": (skrnn.RNNTextEncoder(**TINY), None),
    "regressor": (skrnn.RNNTextRegressor(**TINY), NUMBERS),
    "seq2seq": (skrnn.RNNTextSeq2Seq(**TINY, analyzer="word"), LABELS),
}
ABSURD = [
    None, object(), "no such", "", b"word", 0, -1, 1.5, -0.5, 1e400, float("nan"), -(2**70), 1j, (), [3], {},
    {1: 2}, set(), np.array(1.0), np.zeros((2, 2)), np.nan, len, type,
]  # fmt: skip


class Trained(Exception):
    pass


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Let nothing be trained: getting that far is the failure."""

    def train(job):
        raise Trained(f"{job.wanted_by} would have trained")

    monkeypatch.setattr("skrnn.train.door.train", train)


def allowed(constraints, value):
    if constraints == "no_validation":
        return True  # see WRONG
    return any(make_constraint(constraint).is_satisfied_by(value) for constraint in constraints)


def cases():
    for name, (estimator, _) in ESTIMATORS.items():
        for parameter, constraints in estimator._parameter_constraints.items():
            if constraints != "no_validation":
                yield pytest.param(name, parameter, id=f"{name}-{parameter}")


@pytest.mark.parametrize(("name", "parameter"), list(cases()))
def test_wrong_types_and_edges_are_named(name, parameter):
    estimator, y = ESTIMATORS[name]
    refused = [value for value in ABSURD if not allowed(estimator._parameter_constraints[parameter], value)]
    assert len(refused) > 5
    for value in refused:
        absurd = clone(estimator)
        setattr(absurd, parameter, value)  # set_params would compare arrays
        with pytest.raises(ValueError, match=f"'{parameter}' parameter of {type(estimator).__name__} must"):
            absurd.fit(TEXTS, y)


def raises(_):
    raise RuntimeError("the tokenizer's own error")


WRONG = [
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
    *[("tokenizer", lambda _: None), ("tokenizer", lambda _: [1]), ("tokenizer", raises)],
    *[("analyzer", lambda _: 7), ("analyzer", lambda text: text), ("validation_fraction", 0.999)],
    *[("embeddings", 3), ("embeddings", None), ("embeddings", "no such file"), ("embeddings", {})],
    *[("encoder", skrnn.RNNTextEncoder()), ("min_df", 5)],
]


@pytest.mark.parametrize(("parameter", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_values_of_the_right_type_that_cannot_be_are_named(parameter, value):
    classifier = clone(ESTIMATORS["classifier"][0]).set_params(
        early_stopping=parameter == "validation_fraction"
    )
    setattr(classifier, parameter, value)
    with pytest.raises((ValueError, TypeError, OSError, RuntimeError), match=parameter):
        classifier.fit(TEXTS, LABELS)


def test_a_reasonable_estimator_gets_as_far_as_training():
    """The tests above could not fail if every fit were refused."""
    for estimator, y in ESTIMATORS.values():
        with pytest.raises(Trained):
            clone(estimator).fit(TEXTS, y)


@pytest.mark.parametrize("module", ["keras", "tensorflow"])
def test_a_missing_backend_is_named_with_what_to_install(module, monkeypatch):
    from skrnn.train.door import _importing_keras

    with (
        pytest.raises(
            ImportError, match=rf"RNNTextClassifier\.fit needs Keras .* {module} .*skrnn\[tensorflow\]"
        ),
        _importing_keras("RNNTextClassifier.fit"),
    ):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
        importlib.import_module(module)


def test_an_error_in_the_package_is_not_taken_for_a_missing_backend():
    from skrnn.train.door import _importing_keras

    with pytest.raises(ImportError, match="no_such_name"), _importing_keras("RNNTextClassifier.fit"):
        from skrnn.ragged import no_such_name  # noqa: F401
