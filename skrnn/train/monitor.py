"""What happens after each epoch: history, validation in NumPy, early stopping, progress. No Keras here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from multiprocessing import parent_process
from typing import cast

import numpy as np
from scipy.special import logsumexp

from skrnn.ragged import Ragged
from skrnn.serve import Forward
from skrnn.spec import Spec, Weights
from skrnn.targets import HEADS, Supervised
from skrnn.train.batches import Examples, halves
from skrnn.train.recipe import CONTRAST_SIZE, TEMPERATURE, TINY

STEP_SECONDS = 10.0  # between two lines of one epoch


def writes_progress(verbose: int) -> bool:
    """Return whether to write progress here. In worker processes, the lines of several fits would mix."""
    return verbose > 1 or (verbose == 1 and parent_process() is None)


class Validation:
    """Held-out examples, scored in NumPy.

    Parameters
    ----------
    examples : Examples
        The held-out data.
    n_jobs : int
        Number of threads.
    score : callable, default=None
        Returns the score of a network from its Spec and weights; None for that of the head, or for the mean
        log-probability of an id where the head predicts ids.
    """

    def __init__(
        self, examples: Examples, n_jobs: int, score: Callable[[Spec, Weights], float] | None = None
    ) -> None:
        self.examples, self.n_jobs, self.score = examples, n_jobs, score

    def __call__(self, spec: Spec, weights: Weights) -> tuple[float, float]:
        """Return the loss and the score of a network."""
        sequences, targets, sample_weight = self.examples
        if HEADS[spec.head].predicts_ids:
            loss = -self._mean_log_probability(spec, weights)
            score = -loss
        elif not HEADS[spec.head].has_outputs:
            parts = halves(sequences, np.random.default_rng(0))
            losses, right = contrast(Forward(spec, weights).encode(parts, self.n_jobs))
            loss, score = (float(np.average(x, weights=np.repeat(sample_weight, 2))) for x in (losses, right))
        else:
            forward = Forward(spec, weights)
            outputs = forward.outputs(sequences, self.n_jobs)
            head, codes = cast(type[Supervised], HEADS[spec.head]), cast(np.ndarray, targets)
            loss = float(np.average(head.losses(outputs, codes), weights=sample_weight))
            score = head.score(outputs, codes, sample_weight)
        return loss, score if self.score is None else self.score(spec, weights)

    def _mean_log_probability(self, spec: Spec, weights: Weights) -> float:
        """Return the mean log-probability of an id of the targets, text ends included."""
        sequences, targets, sample_weight = self.examples
        written = targets if isinstance(targets, Ragged) else sequences
        values = Forward(spec, weights).decoder.log_likelihood(sequences, written, n_jobs=self.n_jobs)
        return float(sample_weight @ values / (sample_weight @ (written.lengths + 1)))


def contrast(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each half of a text, and whether its other half is the most similar one.

    It compares the halves of up to 256 texts with each other.

    Parameters
    ----------
    vectors : ndarray of float32 of shape (2 * n_texts, d)
        Rows 2 i and 2 i + 1 are the halves of a text.

    Returns
    -------
    losses : ndarray of shape (2 * n_texts,)
        The losses of :class:`skrnn.train.losses.Contrast`.
    right : ndarray of bool of shape (2 * n_texts,)
    """
    unit = vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True) + TINY)
    losses, right = np.empty(len(unit)), np.empty(len(unit), bool)
    for start in range(0, len(unit), 2 * CONTRAST_SIZE):
        part = unit[start : start + 2 * CONTRAST_SIZE]
        similar = (part @ part.T).astype(np.float64) / TEMPERATURE
        np.fill_diagonal(similar, -np.inf)
        rows = np.arange(len(part))
        losses[start + rows] = logsumexp(similar, axis=1) - similar[rows, rows ^ 1]
        right[start + rows] = similar.argmax(axis=1) == rows ^ 1
    return losses, right


class Monitor:
    """Called after each epoch: records the history, keeps the best weights and decides when to stop.

    Parameters
    ----------
    spec : Spec
        The architecture.
    validation : Validation or None
        Returns the loss and the score of weights on held-out examples. Without it, the last weights are the
        best.
    patience : int
        Number of epochs without improvement after which training stops.
    tol : float
        Smallest fall of the validation loss, or rise of the score, that counts as an improvement.
    epochs : int
        Maximum number of epochs, for the progress line.
    n_tokens : int
        Number of tokens in an epoch, for the progress line.
    learning_rate : float
        For the error message if the loss is not finite.
    verbose : int
        0 writes no progress, 1 writes a line for each epoch except in worker processes, 2 always writes it.
    owner : str
        Class name of the estimator.
    by_score : bool, default=False
        Whether the best weights have the highest score instead of the lowest loss.
    """

    def __init__(
        self,
        spec: Spec,
        validation: Validation | None,
        *,
        patience: int,
        tol: float,
        epochs: int,
        n_tokens: int,
        learning_rate: float,
        verbose: int,
        owner: str,
        by_score: bool = False,
    ) -> None:
        self.spec, self.validation = spec, validation
        self.patience, self.tol, self.by_score = patience, tol, by_score
        self.epochs, self.n_tokens, self.learning_rate = epochs, n_tokens, learning_rate
        self.verbose, self.owner = verbose, owner
        self.history: dict[str, list[float]] = {"loss": []}
        if validation is not None:
            self.history |= {"val_loss": [], "val_score": []}
        self.weights: Weights = {}
        self.best_epoch = -1
        self._best, self._waited = -np.inf, 0
        self._begun, self._done_before = time.perf_counter(), 0.0  # the clock, and the epochs before it
        self._written = self._begun

    @property
    def state(self) -> dict[str, object]:
        """What a checkpoint needs to continue."""
        return {
            "history": self.history,
            "weights": self.weights,
            "best_epoch": self.best_epoch,
            "best": float(self._best),
            "waited": self._waited,
        }

    @state.setter
    def state(self, state: dict) -> None:
        self.history.update(state["history"])
        self.weights, self.best_epoch = state["weights"], state["best_epoch"]
        self._best, self._waited = state["best"], state["waited"]

    def __call__(self, epoch: int, loss: float, read: Callable[[], Weights]) -> bool:
        """Record one epoch and return whether to continue.

        Raises
        ------
        FloatingPointError
            If the loss, or a weight after the last step of the epoch, is not a finite number.
        """
        weights = read()
        if not np.isfinite(loss) or not all(np.isfinite(array).all() for array in weights.values()):
            raise FloatingPointError(
                f"{self.owner}: the loss became {loss if not np.isfinite(loss) else np.nan} in epoch "
                f"{epoch + 1} at learning_rate={self.learning_rate}. Lower learning_rate. The estimator is "
                "unchanged."
            )
        self.history["loss"].append(loss)
        going = True
        if self.validation is None:
            self._keep(epoch, weights)  # after each epoch: a callback may stop the training at any time
        else:
            going = self._validate(self.validation, epoch, weights)
        values = [f"{name} {values[-1]:.4f}" for name, values in self.history.items()]
        self._report(epoch, epoch + 1, ", ".join(values))
        return going

    def after_step(self, epoch: int, share: float) -> None:
        """Write a line now and then during an epoch of which a share is done.

        The clock starts after the first step, because TensorFlow compiles the network in it.
        """
        now = time.perf_counter()
        if not self._done_before and share < 1:
            self._begun, self._done_before, self._written = now, epoch + share, now
        elif share < 1 and now - self._written > STEP_SECONDS:
            self._report(epoch, epoch + share, f"{share:.0%} done")

    def finish(self, read: Callable[[], Weights]) -> None:
        """Keep the weights at the end of the training; with held-out examples, the best stay."""
        if self.validation is None:
            self.weights = read()

    def _validate(self, validation: Validation, epoch: int, weights: Weights) -> bool:
        val_loss, val_score = validation(self.spec, weights)
        self.history["val_loss"].append(val_loss)
        self.history["val_score"].append(val_score)
        value = val_score if self.by_score else -val_loss
        gain = value - self._best
        if gain > 0 or not self.weights:
            self._keep(epoch, {name: array.copy() for name, array in weights.items()})
            self._best = max(self._best, value)  # NaN is no improvement
        self._waited = 0 if gain > self.tol else self._waited + 1
        return self._waited < self.patience

    def _keep(self, epoch: int, weights: Weights) -> None:
        self.best_epoch, self.weights = epoch, weights

    def _report(self, epoch: int, done: float, what: str) -> None:
        """Write one line, which reads the same in a terminal, a notebook and a log file."""
        self._written = time.perf_counter()
        if not writes_progress(self.verbose):
            return
        seconds = max(self._written - self._begun, 1e-9)
        speed = (done - self._done_before) / seconds  # epochs per second
        left = f"{self.n_tokens * speed:,.0f} tokens/s, at most {(self.epochs - done) / speed:.0f} s left"
        sys.stdout.write(f"[{self.owner}] epoch {epoch + 1}/{self.epochs}, {what}, {left}\n")
        sys.stdout.flush()
