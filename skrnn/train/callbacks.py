"""scikit-learn's callbacks (from version 1.9): a fit is a task, and each of its epochs is a subtask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skrnn.compat import start_callbacks
from skrnn.spec import Weights
from skrnn.train.job import AfterEpoch


@contextmanager
def reported(
    after_epoch: AfterEpoch,
    estimator: Any,
    max_epochs: int,
    data: tuple[Any, Any, Any],
    attributes: Callable[[], dict[str, Any]],
) -> Iterator[AfterEpoch]:
    """Give the function to call after each epoch: it also informs the callbacks of an estimator.

    Parameters
    ----------
    after_epoch : callable
        The function to call after each epoch if there are no callbacks.
    estimator : estimator
        The estimator that is fitted.
    max_epochs : int
        Maximum number of epochs.
    data : tuple (X, y, sample_weight)
        The arguments of `fit`.
    attributes : callable
        Returns the fitted attributes of an estimator whose fit would stop now.
    """
    context = start_callbacks(estimator, max_epochs)
    if context is None:
        yield after_epoch
        return
    X, y, weights = data
    metadata = None if weights is None else {"sample_weight": weights}
    arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    report = _Report(context, after_epoch, max_epochs, arguments, attributes)
    yield report
    context.call_on_fit_task_end(**arguments, reconstruction_attributes=attributes)


class _Report:
    """Calls `after_epoch` and the callbacks, which may stop the training."""

    def __init__(
        self,
        context: Any,
        after_epoch: AfterEpoch,
        max_epochs: int,
        arguments: dict[str, Any],
        attributes: Callable[[], dict[str, Any]],
    ) -> None:
        self.context, self.after_epoch, self.max_epochs = context, after_epoch, max_epochs
        self.arguments, self.attributes = arguments, attributes
        context.call_on_fit_task_begin(**arguments)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        context = self.context.subcontext(task_name="epoch")
        self.epoch = context.call_on_fit_task_begin(**self.arguments)

    def __call__(self, epoch: int, loss: float, read: Callable[[], Weights]) -> bool:
        """Return whether to continue, which `after_epoch` and every callback must want."""
        going = self.after_epoch(epoch, loss, read)
        stop = self.epoch.call_on_fit_task_end(**self.arguments, reconstruction_attributes=self.attributes)
        going = going and not stop
        if going and epoch + 1 < self.max_epochs:
            self._begin_epoch()
        return going
