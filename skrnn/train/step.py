"""Training in compiled code: a step that Keras computes as some two hundred operations.

The rows of a batch are divided into parts, threads compute the gradients of the parts
(:mod:`skrnn.train.gradients`), and :class:`skrnn.train.adam.Adam` changes the weights. The result is that of
`keras.Model.fit` up to rounding, except for the random numbers of dropout. It does not depend on the number
of threads. :func:`skrnn.train.tensorflow.can_step` says which networks are trained here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from skrnn.spec import Weights
from skrnn.threads import in_threads, n_parts
from skrnn.train.adam import EMBEDDING, Adam
from skrnn.train.dataset import Batches
from skrnn.train.gradients import Gradients, Memory, Result


def fit(
    model: keras.Model,
    step: Step,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    initial_epoch: int,
    epochs: int,
    each_epoch: bool,
    each_batch: bool,
) -> None:
    """Train a network and call the callbacks as `keras.Model.fit` does.

    Parameters
    ----------
    model : keras.Model
        The network.
    step : Step
        Its steps.
    callbacks : sequence of keras.callbacks.Callback
        What Keras calls them with is what it calls them with in its own training.
    initial_epoch, epochs : int
        The first epoch and the one after the last.
    each_epoch, each_batch : bool
        When the model gets the weights and the state of the optimizer, for callbacks that look at it.
    """
    n_batches = len(step.batches)
    every = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=n_batches, verbose=0)
    model.stop_training, logs = False, {}
    every.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        every.on_epoch_begin(epoch)
        total, n_rows = 0.0, 0
        for batch in range(n_batches):
            every.on_train_batch_begin(batch)
            loss, n = step(batch)
            total, n_rows = total + loss * n, n_rows + n
            logs = {"loss": total / n_rows}
            if each_batch:
                step.hand_over()
            every.on_train_batch_end(batch, logs)
        if each_epoch:
            step.hand_over()
        every.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    every.on_train_end(logs)


class Step:
    """The steps of a training. They work on copies of the weights and of the state of the optimizer.

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
    rate : callable
        Returns the learning rate of the next step.
    embedding_rate : float
        Factor of the learning rate of the embedding.
    """

    def __init__(
        self,
        model: keras.Model,
        variables: dict[str, Any],
        moments: dict[str, tuple[Any, Any]],
        batches: Batches,
        rate: Callable[[], float],
        embedding_rate: float,
    ) -> None:
        self.model, self.variables, self.moments, self.batches = model, variables, moments, batches
        self.rate, self.embedding_rate = rate, embedding_rate
        self.adam: Adam | None = None
        self.is_current = False  # False while the model has the weights
        self.memory = Memory()

    def __call__(self, index: int) -> tuple[float, int]:
        """Make the step of a batch and return its loss and its number of rows."""
        adam = self._take_over()
        recipe = self.batches.recipe
        sequences, targets, weights = self.batches.examples
        rows, _ = self.batches.batches[index]
        rows = rows[np.argsort(-sequences.lengths[rows], kind="stable")]
        adam.read(np.flatnonzero(np.bincount(sequences.take(rows).ids)))
        self.network.merge()
        n_runs = 2 if recipe.r_drop else 1
        n_rows = len(rows) * n_runs
        n = n_parts(n_rows)

        def run(k: int) -> Result:
            own = np.repeat(rows[k::n], n_runs)
            rng = np.random.default_rng([recipe.seed, self.batches.epoch, index, k])
            return self.network(sequences.take(own), np.asarray(targets)[own], weights[own], n_rows, rng)

        results = in_threads(run, range(n))
        names = results[0].gradients
        gradients = {name: sum(result.gradients[name] for result in results) for name in names}
        of_ids = [(result.ids, result.of_ids) for result in results if result.of_ids is not None]
        adam.step(gradients, of_ids, self.rate())
        return sum(result.loss for result in results), n_rows

    def read(self) -> Weights:
        """Return the weights after the last step; the next step changes them in place."""
        if self.adam is None:
            return self._of_model()
        self.adam.read_all()
        return dict(self.weights)

    def _of_model(self) -> Weights:
        return {name: np.array(variable) for name, variable in self.variables.items()}

    def _take_over(self) -> Adam:
        """Copy the weights from the model, and the state of the optimizer if it has made other steps."""
        if self.adam is not None and self.is_current:
            return self.adam
        n_steps = int(self.model.optimizer.iterations)
        if self.adam is None or self.adam.n_steps != n_steps:
            self.weights = self._of_model()
            first, second = ({name: np.array(pair[i]) for name, pair in self.moments.items()} for i in (0, 1))
            self.network = Gradients(self.batches.spec, self.batches.recipe, self.weights, self.memory)
            self.adam = Adam(self.weights, first, second, n_steps, self.embedding_rate)
        else:  # a callback may have set weights
            for name, variable in self.variables.items():
                _copy_rows(variable, self.weights[name])
        self.is_current = True
        return self.adam

    def hand_over(self) -> None:
        """Copy the weights and the state of the optimizer to the model; the next step reads them there."""
        if self.adam is None or not self.is_current:
            return
        rows = self.adam.read_all()
        for name, pair in self.moments.items():
            arrays = self.weights[name], *self.adam.moments(name)
            for variable, array in zip((self.variables[name], *pair), arrays, strict=True):
                if name == EMBEDDING:
                    variable.value.scatter_nd_update(rows[:, None], array[rows])
                else:
                    variable.assign(array)
        self.model.optimizer.iterations.assign(self.adam.n_steps)
        self.is_current = False


def _copy_rows(variable: keras.Variable, out: np.ndarray) -> None:
    """Copy a matrix or an array of another rank, a matrix in parts, as new memory takes time."""
    if out.ndim != 2:
        out[...] = np.array(variable)
        return
    for start in range(0, len(out), 4096):
        rows = np.arange(start, min(start + 4096, len(out)))
        out[rows[0] : rows[-1] + 1] = variable.value.sparse_read(rows)
