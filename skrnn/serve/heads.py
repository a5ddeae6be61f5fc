"""Stage 5 in NumPy: what the head's outputs mean, how wrong they are, and how good."""

from __future__ import annotations

import numpy as np

from skrnn.spec import Head


def log_softmax(outputs: np.ndarray) -> np.ndarray:
    """Return the log of softmax over the last axis."""
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def sigmoid(outputs: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), without overflow and exact where it is small."""
    return np.exp(-np.logaddexp(0, -outputs))


def row_losses(head: Head, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the loss of each row, as Keras computes it in training.

    Parameters
    ----------
    head : {"softmax", "sigmoid", "linear"}
        Cross-entropy in nats, the mean binary cross-entropy of the columns, the mean squared error.
    outputs : ndarray of shape (n_samples, n_outputs)
        Values before the head's activation.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class numbers for "softmax", else one value an output.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
    """
    if head == "softmax":
        return -np.take_along_axis(log_softmax(outputs), targets[:, None], axis=1)[:, 0]
    if head == "sigmoid":  # log(1 + exp(x)) - x y
        return (np.logaddexp(0, outputs) - outputs * targets).mean(axis=1)
    return ((outputs - targets) ** 2).mean(axis=1)


def score(head: Head, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    """Return how good outputs are, higher is better: accuracy, or R2 for "linear".

    For several "sigmoid" columns a row counts as right where all of them are.
    """
    if head == "softmax":
        return float(np.average(outputs.argmax(axis=1) == targets, weights=weights))
    if head == "sigmoid":
        return float(np.average(((outputs > 0) == (targets > 0.5)).all(axis=1), weights=weights))
    error = np.average((outputs - targets) ** 2, axis=0, weights=weights)
    spread = np.average(
        (targets - np.average(targets, axis=0, weights=weights)) ** 2, axis=0, weights=weights
    )
    return float(np.mean(1 - error / np.maximum(spread, np.finfo(np.float32).tiny)))
