"""Private names of scikit-learn, imported here and nowhere else.

scikit-learn offers no public counterpart of these names. A test for each of them fails with a clear message
when a new version moves one.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from sklearn.base import _clone_parametrized, _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    make_constraint,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_feature_names

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for the mixin of scikit-learn 1.9; it has no methods."""

    def with_callbacks(method: Callable) -> Callable:
        """Return the method unchanged."""
        return method


__all__ = [
    "CALLBACKS",
    "COUNT",
    "NON_NEGATIVE",
    "POSITIVE_INT",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_arguments",
    "check_feature_names",
    "clone_parametrized",
    "fit_context",
    "make_constraint",
    "start_callbacks",
    "with_callbacks",
]

check_feature_names = _check_feature_names
clone_parametrized = _clone_parametrized
fit_context = _fit_context
POSITIVE_INT = Interval(Integral, 1, None, closed="left")
COUNT = Interval(Integral, 0, None, closed="left")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
CALLBACKS = "_skl_callbacks"  # the attribute that set_callbacks sets


def check_arguments(owner: str, **arguments: tuple[Any, list[Any]]) -> None:
    """Raise an error if an argument of a function is invalid, as for parameters of a constructor.

    Parameters
    ----------
    owner : str
        Name of the function, for the message.
    **arguments : tuple of (value, list)
        The value of each argument, and its constraint.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        A ValueError and TypeError that names the argument, the valid values and the value.
    """
    values = {name: value for name, (value, _) in arguments.items()}
    constraints = {name: constraint for name, (_, constraint) in arguments.items()}
    validate_parameter_constraints(constraints, values, owner)


def start_callbacks(estimator: Any, max_subtasks: int) -> Any:
    """Return the callback context of a fit, or None where no callbacks are set.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    max_subtasks : int
        Maximum number of epochs.

    Returns
    -------
    context : object or None
    """
    if not hasattr(estimator, CALLBACKS):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)
