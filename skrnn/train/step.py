"""Training in compiled code, without Keras: a step that Keras computes as some two hundred operations.

The rows of a batch are divided into parts, threads compute the gradients of the parts
(:mod:`skrnn.train.gradients`), and :class:`skrnn.train.adam.Adam` changes the weights. The result is that of
`keras.Model.fit` up to rounding, except for the random numbers of dropout. It does not depend on the number
of threads. :func:`skrnn.train.choice.can_step` says which networks are trained here.
"""

from __future__ import annotations

import numpy as np

from skrnn.spec import Weights
from skrnn.threads import in_threads, n_parts, one_blas_thread
from skrnn.train.adam import Adam
from skrnn.train.dataset import Batches
from skrnn.train.gradients import Gradients, Memory, Result
from skrnn.train.job import Job
from skrnn.train.recipe import EMBEDDING_RATE


def run(job: Job) -> dict:
    """Train all epochs of a job that has no callbacks of Keras, no checkpoint and no state of an optimizer.

    Parameters
    ----------
    job : Job
        The training.

    Returns
    -------
    optimizer_state : dict
        Empty.
    """
    batches = Batches(job.spec, job.recipe, job.examples)
    step, n_batches = Step(batches), len(batches)
    weights = {name: np.array(array, np.float32) for name, array in job.weights.items()}
    first, second = ({name: np.zeros_like(array) for name, array in weights.items()} for _ in range(2))
    step.start(weights, first, second, n_steps=0)
    with one_blas_thread():  # the steps have threads of their own
        for epoch in range(job.recipe.epochs):
            batches.go_to(epoch)
            total, n_rows = 0.0, 0
            for batch in range(n_batches):
                rate = job.recipe.rate(epoch * n_batches + batch, job.recipe.epochs * n_batches)
                loss, n = step(batch, rate)
                total, n_rows = total + loss * n, n_rows + n
                if job.after_step is not None:
                    job.after_step(epoch, (batch + 1) / n_batches)
            if not job.after_epoch(epoch, total / n_rows, step.read):
                break
    return {}


class Step:
    """The steps of a training. Call :meth:`start` before the first one.

    Parameters
    ----------
    batches : Batches
        The training data.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches, self.memory = batches, Memory()

    def start(self, weights: Weights, first: Weights, second: Weights, n_steps: int) -> None:
        """Start from weights and the state of Adam, which the steps change in place.

        Parameters
        ----------
        weights : dict of str to ndarray of float32
            The weights of the network; it ignores others.
        first, second : dict of str to ndarray of float32
            The moments of Adam, at least of the weights that are trained.
        n_steps : int
            How many steps Adam has made before.
        """
        self.weights = weights
        self.network = Gradients(self.batches.spec, self.batches.recipe, weights, self.memory)
        names = self.network.trained
        first, second = ({name: moments[name] for name in names} for moments in (first, second))
        self.adam = Adam(weights, first, second, n_steps, EMBEDDING_RATE)

    def __call__(self, index: int, rate: float) -> tuple[float, int]:
        """Make the step of a batch, with a learning rate, and return its loss and its number of rows."""
        recipe = self.batches.recipe
        sequences, targets, weights = self.batches.examples
        rows, _ = self.batches.batches[index]
        rows = rows[np.argsort(-sequences.lengths[rows], kind="stable")]
        self.adam.read(np.flatnonzero(np.bincount(sequences.take(rows).ids)))
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
        self.adam.step(gradients, of_ids, rate)
        return sum(result.loss for result in results), n_rows

    def read(self) -> Weights:
        """Return the weights after the last step; the next step changes them in place."""
        self.adam.read_all()
        return dict(self.weights)
