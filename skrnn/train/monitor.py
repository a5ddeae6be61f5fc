"""What watches a training from the data half: history, validation in NumPy, early stopping, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from multiprocessing import parent_process
from typing import Literal

import numpy as np

from skrnn.ragged import Ragged
from skrnn.serve.forward import Forward
from skrnn.serve.heads import row_losses, score
from skrnn.spec import TOKEN_HEADS, Spec, Weights


def is_heard(verbose: int) -> bool:
    """Return whether to write progress here: in worker processes, lines of several fits would mix."""
    return verbose > 1 or (verbose == 1 and parent_process() is None)


class Validation:
    """Held-out examples, scored by the NumPy twin.

    Parameters
    ----------
    sequences : Ragged
        Ragged ids.
    targets : ndarray or None
        As in training; None where the text is the target.
    weights : ndarray of shape (n_samples,)
        Sample weights.
    n_jobs : int
        Threads.
    """

    def __init__(
        self, sequences: Ragged, targets: np.ndarray | None, weights: np.ndarray, n_jobs: int
    ) -> None:
        self.sequences, self.targets, self.weights = sequences, targets, weights
        self.n_jobs = n_jobs

    def __call__(self, spec: Spec, weights: Weights) -> tuple[float, float]:
        """Return loss and score: the mean of the losses, and accuracy, R2 or minus the loss."""
        forward = Forward(spec, weights)
        if spec.head in TOKEN_HEADS or self.targets is None:
            value = forward.log_likelihood(self.sequences, self.n_jobs)
            ends = np.diff(self.sequences.offsets) + 1
            mean = float(self.weights @ value / (self.weights @ ends))
            return -mean, mean
        outputs = forward.outputs(forward.encode(self.sequences, self.n_jobs))
        losses = row_losses(spec.head, outputs, self.targets)
        mean = float(np.average(losses, weights=self.weights))
        return mean, score(spec.head, outputs, self.targets, self.weights)


class Monitor:
    """Called after each epoch: keeps the history and the best weights, says when to stop.

    Parameters
    ----------
    spec : Spec
        The network.
    validation : callable or None
        Returns loss and score of weights on held-out examples, as :class:`Validation`; without them the
        last weights are the best.
    patience : int
        Epochs without a gain of more than `tol` before the training stops.
    tol : float
        The least fall of the validation loss, or rise of its score, that counts as a gain.
    epochs : int
        The most epochs, for the progress line.
    n_tokens : int
        Tokens of an epoch, for the progress line.
    learning_rate : float
        For the message when the loss is not finite.
    verbose : int
        0 for no progress lines, 1 for none in a worker process, 2 for progress lines everywhere.
    owner : str
        Class name of the estimator.
    by : {"loss", "score"}, default="loss"
        What of the validation says which weights are the best.
    """

    def __init__(
        self,
        spec: Spec,
        validation: Callable[[Spec, Weights], tuple[float, float]] | None,
        *,
        patience: int,
        tol: float,
        epochs: int,
        n_tokens: int,
        learning_rate: float,
        verbose: int,
        owner: str,
        by: Literal["loss", "score"] = "loss",
    ) -> None:
        self.spec, self.validation = spec, validation
        self.patience, self.tol = patience, tol
        self.epochs, self.n_tokens, self.learning_rate = epochs, n_tokens, learning_rate
        self.verbose, self.owner, self.by = verbose, owner, by
        self.history: dict[str, list[float]] = {"loss": []}
        if validation is not None:
            self.history |= {"val_loss": [], "val_score": []}
        self.weights: Weights = {}
        self.best_epoch = -1
        self._best, self._waited = -np.inf, 0
        self._begun = time.perf_counter()

    def __call__(self, epoch: int, loss: float, read: Callable[[], Weights]) -> bool:
        """Take in one epoch and return whether to go on.

        Raises
        ------
        FloatingPointError
            If the loss, or a weight after the last step of the epoch, is not a finite number.
        """
        weights = read()
        if not np.isfinite(loss) or not all(np.isfinite(array).all() for array in weights.values()):
            raise FloatingPointError(
                f"{self.owner}: the loss became {loss if not np.isfinite(loss) else np.nan} in epoch "
                f"{epoch + 1} at learning_rate={self.learning_rate}. Lower learning_rate; nothing was fitted."
            )
        self.history["loss"].append(loss)
        more = True
        if self.validation is None:
            self._keep(epoch, weights)  # each time: a callback of the user's may end it any time
        else:
            more = self._validate(epoch, weights)
        if is_heard(self.verbose):
            self._report(epoch)
        return more

    def _validate(self, epoch: int, weights: Weights) -> bool:
        if self.validation is None:
            return True
        val_loss, val_score = self.validation(self.spec, weights)
        self.history["val_loss"].append(val_loss)
        self.history["val_score"].append(val_score)
        value = -val_loss if self.by == "loss" else val_score
        gain = value - self._best
        if gain > 0 or not self.weights:
            self._keep(epoch, weights)
            self._best = max(self._best, value)  # NaN is not more
        self._waited = 0 if gain > self.tol else self._waited + 1
        return self._waited < self.patience

    def _keep(self, epoch: int, weights: Weights) -> None:
        self.best_epoch, self.weights = epoch, weights

    def _report(self, epoch: int) -> None:
        """Write one line: it reads the same in a terminal, a notebook and a log file."""
        seconds = time.perf_counter() - self._begun
        values = [f"{name} {values[-1]:.4f}" for name, values in self.history.items()]
        speed = self.n_tokens * (epoch + 1) / seconds
        left = seconds / (epoch + 1) * (self.epochs - epoch - 1)
        sys.stdout.write(
            f"[{self.owner}] epoch {epoch + 1}/{self.epochs}, {', '.join(values)}, "
            f"{speed:,.0f} tokens/s, at most {left:.0f} s left\n"
        )
        sys.stdout.flush()
