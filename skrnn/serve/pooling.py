"""Stage 4 in NumPy: the poolings, one class each.

A pooling turns the hidden states of a text into one vector. To add a pooling, write its class here and its
Keras function in :mod:`skrnn.train.layers`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from skrnn.ragged import Ragged
from skrnn.serve.batches import Packed
from skrnn.serve.cell import HiddenStates, Shapes
from skrnn.spec import EMBEDDING, IMPORTANCE, Spec, Weights


class Pooling:
    """What turns the hidden states of a text into one vector.

    Parameters
    ----------
    weights : dict of str to ndarray of float32
        The weights of the network.
    """

    name: ClassVar[str]
    factor: ClassVar[int] = 1  # width of the vector, in widths of a hidden state
    needs: ClassVar[tuple[str, ...]] = ()  # fields of HiddenStates that the formula reads

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    @staticmethod
    def weight_shapes(width: int) -> Shapes:
        """Return the shapes of the weights for hidden states of a width."""
        return {}

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return one vector for each row.

        Parameters
        ----------
        hidden : HiddenStates
            The states of the top layer, with what `needs` names.
        packed : Packed
            The batch.

        Returns
        -------
        vectors : ndarray of float32 of shape (b, factor * w)
        """
        raise NotImplementedError


class Last(Pooling):
    """The state after the last token, or after the first for the backward direction."""

    name, needs = "last", ("last",)

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return the last states, (b, w)."""
        return hidden.last


class Mean(Pooling):
    """The mean of the states."""

    name, needs = "mean", ("total",)

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return the sum of the states divided by the number of tokens, (b, w)."""
        return hidden.total / np.diff(packed.offsets).astype(np.float32)[:, None]


class Max(Pooling):
    """The maximum of the states in each column."""

    name, needs = "max", ("peak",)

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return the maxima, (b, w)."""
        return hidden.peak


class Attention(Pooling):
    """The mean of the states under learned weights (Yang et al. 2016)."""

    name, needs = "attention", ("sequence",)

    @staticmethod
    def weight_shapes(width: int) -> Shapes:
        """Return the shapes of a layer and of the context vector."""
        return {"pooling/kernel": (width, width), "pooling/bias": (width,), "pooling/context": (width,)}

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return the sum of a_t h_t with a = softmax(tanh(h W + b) c) over the tokens of a row, (b, w)."""
        h = packed.to_row_major(hidden.sequence)  # (n_tokens, w)
        _, share = self.shares(h, packed.offsets)
        return np.add.reduceat(h * share[:, None], packed.offsets[:-1], axis=0)

    def shares(self, h: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return tanh(h W + b) and a_t for row-major states, (n_tokens, w) and (n_tokens,)."""
        W, b, c = (self.weights[f"pooling/{part}"] for part in ("kernel", "bias", "context"))
        hidden = np.tanh(h @ W + b)
        score, starts, lengths = hidden @ c, offsets[:-1], np.diff(offsets)
        score = np.exp(score - np.repeat(np.maximum.reduceat(score, starts), lengths))
        score /= np.repeat(np.add.reduceat(score, starts), lengths)
        return hidden, score


class Concat(Pooling):
    """The last state, the mean and the maximum side by side."""

    name = "concat"
    parts = (Last, Mean, Max)
    factor = sum(part.factor for part in parts)
    needs = tuple(need for part in parts for need in part.needs)

    def __call__(self, hidden: HiddenStates, packed: Packed) -> np.ndarray:
        """Return the three vectors side by side, (b, 3 w)."""
        return np.concatenate([part(self.weights)(hidden, packed) for part in self.parts], axis=1)


POOLINGS: dict[str, type[Pooling]] = {
    pooling.name: pooling for pooling in (Last, Mean, Max, Attention, Concat)
}


def weighted_mean(sequences: Ragged, weights: Weights) -> np.ndarray:
    """Return the sum of the weighted embeddings of each text, divided by its number of ids, (b, d)."""
    embeddings, importance = weights[EMBEDDING], weights[IMPORTANCE]
    x = embeddings[sequences.ids] * importance[sequences.ids]  # (n_tokens, d)
    return np.add.reduceat(x, sequences.offsets[:-1]) / sequences.lengths.astype(np.float32)[:, None]


def pooled_width(spec: Spec) -> int:
    """Return the width of the pooled states, and of the mean of embeddings beside them."""
    return POOLINGS[spec.pooling].factor * spec.state_width + spec.weighted_mean * spec.embedding_dim


def vector_width(spec: Spec) -> int:
    """Return the width of the encoding of a text."""
    return spec.n_components or pooled_width(spec)
