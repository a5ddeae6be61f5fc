"""Private names of scikit-learn, imported here and nowhere else.

scikit-learn offers no public counterpart of these names. A test for each of them fails with a clear message
when a new version moves one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import _clone_parametrized, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, make_constraint
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
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
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
CALLBACKS = "_skl_callbacks"  # the attribute that set_callbacks sets


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
