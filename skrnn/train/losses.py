"""What training makes small, beside the losses that Keras has."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

FLOAT = "float32"
_TINY = 1e-7


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits against the id with 1 - smoothing and all ids with the rest, summed.

    Parameters
    ----------
    smoothing : float, default=0.0
        Share of the probability that is spread evenly (Szegedy et al. 2016).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__(reduction="sum", dtype=FLOAT, name="smoothed_crossentropy")
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses (b, s) of ids (b, s) and logits (b, s, n_ids)."""
        losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if not self.smoothing:
            return losses
        # (1 - s) loss + s (logsumexp - mean), where logsumexp is the loss + the logit of the id
        own = ops.take_along_axis(y_pred, ops.expand_dims(ops.cast(y_true, "int32"), -1), axis=-1)[..., 0]
        return losses + self.smoothing * (own - ops.mean(y_pred, axis=-1))


class RDrop(keras.losses.Loss):
    """Cross-entropy, and how far apart two dropout masks put the answers to one text (Liang et al. 2021).

    Rows 2 i and 2 i + 1 of a batch are the same text; to the loss of each the divergence of its answer p from
    the other one q, ``sum p log(p / q)``, is added, times a weight.

    Parameters
    ----------
    head : {"softmax", "sigmoid"}
        Whether labels exclude each other.
    weight : float
        Of the divergence.
    """

    def __init__(self, head: str, weight: float) -> None:
        super().__init__(dtype=FLOAT, name="r_drop")
        self.head, self.weight = head, weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses (b,) of labels, (b,) or (b, n_outputs), and probabilities (b, n_outputs)."""
        n_outputs = y_pred.shape[-1]
        other = ops.reshape(ops.flip(ops.reshape(y_pred, (-1, 2, n_outputs)), axis=1), (-1, n_outputs))
        if self.head == "softmax":
            loss = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
            return loss + self.weight * ops.sum(_divergence(y_pred, other), axis=-1)
        loss = keras.losses.binary_crossentropy(y_true, y_pred)
        both = _divergence(y_pred, other) + _divergence(1 - y_pred, 1 - other)
        return loss + self.weight * ops.mean(both, axis=-1)


def _divergence(p: Any, q: Any) -> Any:
    return p * (ops.log(p + _TINY) - ops.log(q + _TINY))
