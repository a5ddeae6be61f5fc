"""Compiled steps on a Keras model: callbacks see the model as in the training of Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from skrnn.spec import EMBEDDING
from skrnn.train.step import Step


def fit(
    step: ModelStep,
    rate: Callable[[], float],
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    initial_epoch: int,
    epochs: int,
    each_batch: bool,
) -> None:
    """Train a network and call the callbacks as `keras.Model.fit` does.

    Parameters
    ----------
    step : ModelStep
        The steps of the network.
    rate : callable
        Returns the learning rate of the next step.
    callbacks : sequence of keras.callbacks.Callback
        What Keras calls them with is what it calls them with in its own training.
    initial_epoch, epochs : int
        The first epoch and the one after the last.
    each_batch : bool
        Whether the model gets the weights and the state of the optimizer after each batch, for callbacks that
        look at it, or only after each epoch.
    """
    model, n_batches = step.model, len(step.batches)
    every = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=n_batches, verbose=0)
    model.stop_training, logs = False, {}
    every.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        every.on_epoch_begin(epoch)
        total, n_rows = 0.0, 0
        for batch in range(n_batches):
            every.on_train_batch_begin(batch)
            loss, n = step(batch, rate())
            total, n_rows = total + loss * n, n_rows + n
            logs = {"loss": total / n_rows}
            if each_batch:
                step.hand_over()
            every.on_train_batch_end(batch, logs)
        step.hand_over()
        every.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    every.on_train_end(logs)


class ModelStep(Step):
    """The steps of a Keras model. They work on copies of its weights and of the state of its optimizer.

    Parameters
    ----------
    model : keras.Model
        The network.
    variables : dict of str to keras.Variable
        Its weights by name.
    moments : dict of str to (keras.Variable, keras.Variable)
        The moments of Adam of those that are trained.
    batches : Batches
        The training data.
    """

    def __init__(
        self,
        model: keras.Model,
        variables: dict[str, Any],
        moments: dict[str, tuple[Any, Any]],
        batches: Any,
    ) -> None:
        super().__init__(batches)
        self.model, self.variables, self.moments = model, variables, moments
        self.is_current = False  # False while the model has the weights
        self.n_steps = -1  # how many steps the optimizer of the model has made, as far as is known here

    def __call__(self, index: int, rate: float) -> tuple[float, int]:
        """Make the step of a batch, as Step does, from the weights of the model if that has them."""
        if not self.is_current:
            self._take_over()
        return super().__call__(index, rate)

    def _take_over(self) -> None:
        """Copy the weights from the model, and the state of the optimizer if it has made other steps."""
        n_steps = int(self.model.optimizer.iterations)
        if self.n_steps != n_steps:
            weights = {name: np.array(variable) for name, variable in self.variables.items()}
            first, second = ({name: np.array(pair[i]) for name, pair in self.moments.items()} for i in (0, 1))
            self.start(weights, first, second, n_steps)
        else:  # a callback may have set weights
            for name, variable in self.variables.items():
                _copy(variable, self.weights[name])
        self.is_current = True

    def hand_over(self) -> None:
        """Copy the weights and the state of the optimizer to the model; the next step reads them there."""
        if not self.is_current:
            return
        rows = self.adam.read_all()
        for name, pair in self.moments.items():
            arrays = self.weights[name], *self.adam.moments(name)
            for variable, array in zip((self.variables[name], *pair), arrays, strict=True):
                if name == EMBEDDING:
                    variable.value.scatter_nd_update(rows[:, None], array[rows])
                else:
                    variable.assign(array)
        self.n_steps = self.adam.n_steps
        self.model.optimizer.iterations.assign(self.n_steps)
        self.is_current = False


def _copy(variable: Any, out: np.ndarray) -> None:
    """Copy a variable to an array; a matrix in parts, because memory for all of it at once takes time."""
    if out.ndim != 2:
        out[...] = np.array(variable)
        return
    for start in range(0, len(out), 4096):
        rows = np.arange(start, min(start + 4096, len(out)))
        out[rows[0] : rows[-1] + 1] = variable.value.sparse_read(rows)
