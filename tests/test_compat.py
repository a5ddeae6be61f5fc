"""The private names of scikit-learn that the package uses.

A failure here means that a version of scikit-learn has moved one of them: adapt skrnn/compat.py.
"""

from importlib import import_module
from numbers import Integral, Real

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.fixes import parse_version

from skrnn import RNNTextClassifier, RNNTextEncoder, compat

HAS_CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")

PRIVATE = {
    "sklearn.base": ["_clone_parametrized", "_fit_context"],
    "sklearn.utils._param_validation": ["HasMethods", "Interval", "StrOptions", "make_constraint"],
    "sklearn.utils.validation": ["_check_feature_names"],
    **({"sklearn.callback": ["CallbackSupportMixin", "with_callbacks"]} if HAS_CALLBACKS else {}),
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in PRIVATE.items() for name in names]
)
def test_the_private_name_exists(module, name):
    assert hasattr(import_module(module), name), (
        f"scikit-learn {sklearn.__version__} has no {module}.{name}. Adapt skrnn/compat.py."
    )


class Minimal(BaseEstimator):
    """An estimator with one parameter, whose fit checks it."""

    _parameter_constraints = {"size": [compat.Interval(Integral, 1, None, closed="left")]}

    def __init__(self, size=1):
        self.size = size

    @compat.fit_context(prefer_skip_nested_validation=True)
    def fit(self, X):
        return self


def test_fit_context_checks_the_parameters():
    assert isinstance(Minimal(size=3).fit(None), Minimal)
    message = r"The 'size' parameter of Minimal must be an int in the range \[1, inf\). Got 0 instead"
    with pytest.raises(ValueError, match=message):
        Minimal(size=0).fit(None)


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        (compat.Interval(Real, 0, 1, closed="left"), [0, 0.5], [1, -0.1, "a"]),
        (compat.Interval(Integral, 1, None, closed="left"), [1, 10**9], [0, 1.5]),
        (compat.StrOptions({"a", "b"}), ["a", "b"], ["c", 1]),
        (compat.HasMethods(["fit", "predict"]), [LogisticRegression()], [Minimal(), 3]),
        ("boolean", [True, np.False_], [2, "yes"]),
        ("random_state", [None, 0, np.random.RandomState(0)], [-1, "a"]),
        ("verbose", [True, 2], [-1]),
        ("array-like", [[1], np.zeros(2)], [3]),
        (None, [None], [0]),
    ],
    ids=str,
)
def test_constraints_accept_and_refuse_values(constraint, allowed, refused):
    check = compat.make_constraint(constraint)
    assert [check.is_satisfied_by(value) for value in allowed] == [True] * len(allowed)
    assert [check.is_satisfied_by(value) for value in refused] == [False] * len(refused)


def test_check_feature_names_records_and_compares_column_names():
    estimator = Minimal()
    frame = pd.DataFrame({"review": ["a"]})
    compat.check_feature_names(estimator, frame, reset=True)
    assert estimator.feature_names_in_.tolist() == ["review"]
    compat.check_feature_names(estimator, frame, reset=False)
    with pytest.raises(ValueError, match="feature names"):
        compat.check_feature_names(estimator, frame.rename(columns={"review": "other"}), reset=False)
    compat.check_feature_names(estimator, ["a"], reset=True)
    assert not hasattr(estimator, "feature_names_in_")


def test_clone_parametrized_copies_parameters_but_not_fitted_attributes():
    estimator = Minimal(size=4)
    estimator.fitted_ = True
    copy = compat.clone_parametrized(estimator)
    assert copy is not estimator and copy.size == 4 and not hasattr(copy, "fitted_")


def test_clone_keeps_the_encoder_of_a_classifier_fitted():
    """`__sklearn_clone__` calls clone_parametrized, which must not call it again."""
    encoder = RNNTextEncoder(objective="random", rnn_units=2, embedding_dim=2).fit(["a b", "b"])
    copy = sklearn.clone(RNNTextClassifier(encoder=encoder, rnn_units=5))
    assert copy.encoder is encoder and copy.rnn_units == 5
    with pytest.raises(NotFittedError):
        copy.predict(["a"])


class WithCallbacks(compat.CallbackSupportMixin, Minimal):
    """An estimator whose fit reports its start to callbacks."""

    @compat.with_callbacks
    def fit(self, X):
        self.context = compat.start_callbacks(self, 3)
        return self


class Callback:
    """Records nothing: it only has the methods that scikit-learn asks for."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, **arguments):
        pass


def test_without_callbacks_there_is_no_context():
    assert WithCallbacks().fit(None).context is None


@pytest.mark.skipif(not HAS_CALLBACKS, reason="needs scikit-learn 1.9")
def test_with_callbacks_there_is_a_context_with_the_methods_that_training_calls():
    fitted = WithCallbacks().set_callbacks(Callback())
    where = f"scikit-learn {sklearn.__version__}"
    assert hasattr(fitted, compat.CALLBACKS), f"{where}: set_callbacks does not set {compat.CALLBACKS}."
    context = fitted.fit(None).context
    for name in ("subcontext", "call_on_fit_task_begin", "call_on_fit_task_end"):
        assert hasattr(context, name), f"{where}: the callback context has no {name}."
    assert context.subcontext(task_name="epoch").task_name == "epoch"
