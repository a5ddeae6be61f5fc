"""scikit-learn's callbacks, which it has from 1.9 on: a fit is a task, and so is each of its epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skrnn.spec import Weights
from skrnn.train.monitor import Monitor

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What an estimator without callbacks inherits."""

    def with_callbacks(method: Callable) -> Callable:
        """Return a method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "tasks", "with_callbacks"]


@contextmanager
def tasks(
    monitor: Monitor, estimator: Any, data: tuple, attributes: Callable[[], dict[str, Any]]
) -> Iterator[Callable]:
    """Give what is to be called after each epoch of a fit: the monitor, or more where there are callbacks.

    Parameters
    ----------
    monitor, estimator, data, attributes
        As of :class:`Tasks`.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        yield monitor
        return
    told = Tasks(monitor, estimator, data, attributes)
    yield told
    told.end()


class Tasks:
    """A monitor that tells scikit-learn's callbacks what it is told, and lets them end the training.

    Parameters
    ----------
    monitor : Monitor
        What is called after each epoch.
    estimator : estimator
        Whose `set_callbacks` was called.
    data : tuple (X, y, sample_weight)
        As `fit` got them.
    attributes : callable
        Returns the fitted attributes of an estimator whose fit stops now.
    """

    def __init__(
        self, monitor: Monitor, estimator: Any, data: tuple, attributes: Callable[[], dict[str, Any]]
    ) -> None:
        X, y, weights = data
        metadata = None if weights is None else {"sample_weight": weights}
        self.monitor, self.epochs, self.attributes = monitor, estimator.epochs, attributes
        self.told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
        self.fit.call_on_fit_task_begin(**self.told)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch = self.fit.subcontext(task_name="epoch").call_on_fit_task_begin(**self.told)

    def __call__(self, epoch: int, loss: float, read: Callable[[], Weights]) -> bool:
        """Return whether the training is to go on, as the monitor and every callback say."""
        going = self.monitor(epoch, loss, read)
        stop = self.epoch.call_on_fit_task_end(**self.told, reconstruction_attributes=self.attributes)
        going = going and not stop
        if going and epoch + 1 < self.epochs:
            self._begin_epoch()
        return going

    def end(self) -> None:
        """Tell the callbacks that the fit has ended."""
        self.fit.call_on_fit_task_end(**self.told, reconstruction_attributes=self.attributes)
