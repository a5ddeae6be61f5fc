"""Training losses, by head; some of them are not in Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from skrnn.spec import Spec
from skrnn.targets import HEADS
from skrnn.train.recipe import TEMPERATURE, TINY, Recipe

_FAR = 1e9  # subtracted from the similarity of a row with itself


def training_loss(spec: Spec, recipe: Recipe) -> Any:
    """Return the loss that trains a network, as `keras.Model.compile` takes it.

    The token weights of a batch sum to one, so the losses of heads that predict ids are sums.
    """
    head = HEADS[spec.head]
    if spec.head == "seq2seq":
        return SmoothedCrossentropy(recipe.label_smoothing)
    if head.predicts_ids:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    if spec.head == "contrastive":
        return Contrast()
    if recipe.r_drop:
        return RDrop(head.loss, recipe.r_drop, one_distribution=head.activation == "softmax")
    return head.loss


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits with label smoothing, summed over a batch.

    Parameters
    ----------
    smoothing : float, default=0.0
        Share of the probability that is spread evenly over all ids (Szegedy et al. 2016).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__(reduction="sum", dtype="float32", name="smoothed_crossentropy")
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
    """R-Drop: a loss plus the divergence between the outputs under two dropout masks (Liang et al. 2021).

    Rows 2 i and 2 i + 1 of a batch are the same text. To the loss of each row, the divergence of its output p
    from the output q of the other row is added, ``sum p log(p / q)``, times a weight.

    Parameters
    ----------
    loss : str
        Name of the Keras loss.
    weight : float
        Weight of the divergence.
    one_distribution : bool
        Whether the outputs of a row are one distribution; otherwise each is the probability of a label, and
        the divergences are averaged.
    """

    def __init__(self, loss: str | None, weight: float, *, one_distribution: bool) -> None:
        super().__init__(dtype="float32", name="r_drop")
        self.loss, self.weight, self.one_distribution = keras.losses.get(loss), weight, one_distribution

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses (b,) of labels, (b,) or (b, n_outputs), and probabilities (b, n_outputs)."""
        n_outputs = y_pred.shape[-1]
        other = ops.reshape(ops.flip(ops.reshape(y_pred, (-1, 2, n_outputs)), axis=1), (-1, n_outputs))
        loss = self.loss(y_true, y_pred)
        if self.one_distribution:
            return loss + self.weight * ops.sum(_divergence(y_pred, other), axis=-1)
        both = _divergence(y_pred, other) + _divergence(1 - y_pred, 1 - other)
        return loss + self.weight * ops.mean(both, axis=-1)


class Contrast(keras.losses.Loss):
    """The loss of telling the halves of a text from those of other texts (Chen et al. 2020).

    Rows 2 i and 2 i + 1 of a batch are the halves of a text. The loss of a row is the cross-entropy of
    choosing its other half among all other rows, by the cosine of their vectors.
    """

    def __init__(self) -> None:
        super().__init__(dtype="float32", name="contrast")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses (b,) of vectors (b, d); `y_true` is not used."""
        vectors = y_pred / ops.sqrt(ops.sum(ops.square(y_pred), axis=-1, keepdims=True) + TINY)
        other = ops.reshape(
            ops.flip(ops.reshape(vectors, (-1, 2, y_pred.shape[-1])), axis=1), ops.shape(vectors)
        )
        similar = ops.matmul(vectors, ops.transpose(vectors)) / TEMPERATURE  # (b, b)
        itself = ops.eye(ops.shape(vectors)[0], dtype="float32")
        right = ops.sum(vectors * other, axis=-1) / TEMPERATURE
        return ops.logsumexp(similar - _FAR * itself, axis=-1) - right


def _divergence(p: Any, q: Any) -> Any:
    return p * (ops.log(p + TINY) - ops.log(q + TINY))
