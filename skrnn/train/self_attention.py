"""Self-attention as Keras layers: what :mod:`skrnn.serve.self_attention` computes, trained. Keras half."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from skrnn.spec import EPSILON, frequencies


class Positions(keras.layers.Layer):
    """Embeddings in the width of the states, and where each token stands.

    Parameters
    ----------
    width : int
        Of the states.
    **kwargs
        Of keras.layers.Layer.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.supports_masking = width, True

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        self.kernel = self.add_weight(shape=(shape[-1], self.width), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")
        self.gain = self.add_weight(shape=(self.width,), initializer="zeros", name="gain")

    def call(self, x: Any, mask: Any) -> Any:
        """Return (b, t, w) of embeddings (b, t, d) and their mask (b, t)."""
        angles = ops.cast(places(mask), x.dtype)[:, :, None] * frequencies(self.width)
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :, : self.width]
        return ops.matmul(x, self.kernel) + self.bias + self.gain * waves

    def get_config(self) -> dict:
        """Return what builds the layer again."""
        return {**super().get_config(), "width": self.width}


class Block(keras.layers.Layer):
    """One layer of self-attention: heads and a feed-forward network, each beside the state.

    Parameters
    ----------
    n_heads : int
        Heads, each of a like share of the width.
    causal : bool
        Whether a token sees only itself and those before it.
    activation : str
        Of the feed-forward network.
    dropout : float
        Share of the values that are added to a state zeroed in training.
    seed : int
        Of the dropout masks.
    **kwargs
        Of keras.layers.Layer.
    """

    def __init__(
        self, n_heads: int, causal: bool, activation: str, dropout: float, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads, self.causal, self.supports_masking = n_heads, causal, True
        self.activation = keras.activations.get(activation)
        self.dropout = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        w = shape[-1]
        shapes = {"heads": (w, 3 * w), "mix": (w, w), "in": (w, 4 * w), "out": (4 * w, w)}
        self.kernels = {
            name: self.add_weight(shape=two, initializer="zeros", name=f"{name}_kernel")
            for name, two in shapes.items()
        }
        self.biases = {
            name: self.add_weight(shape=two[1:], initializer="zeros", name=f"{name}_bias")
            for name, two in shapes.items()
        }
        self.norms = {
            name: [self.add_weight(shape=(w,), initializer="zeros", name=f"{name}_{part}") for part in parts]
            for name, parts in {"attend": ("gamma", "beta"), "feed": ("gamma", "beta")}.items()
        }

    def linear(self, x: Any, name: str) -> Any:
        """Return one linear layer of x."""
        return ops.matmul(x, self.kernels[name]) + self.biases[name]

    def normalised(self, x: Any, name: str) -> Any:
        """Return states of mean 0 and variance 1, scaled and moved."""
        x = x - ops.mean(x, axis=-1, keepdims=True)
        gamma, beta = self.norms[name]
        return x * ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + EPSILON) * gamma + beta

    def call(self, x: Any, mask: Any, training: bool = False) -> Any:
        """Return states (b, t, w) of states (b, t, w) and their mask (b, t)."""
        x = x + self.dropout(self.linear(self.gathered(x, mask), "mix"), training=training)
        inner = self.activation(self.linear(self.normalised(x, "feed"), "in"))
        return x + self.dropout(self.linear(inner, "out"), training=training)

    def gathered(self, x: Any, mask: Any) -> Any:
        """Return what the heads of each token gather, (b, t, w)."""
        size = x.shape[-1] // self.n_heads
        qkv = self.linear(self.normalised(x, "attend"), "heads")
        q, k, v = (self.split(part, size) for part in ops.split(qkv, 3, axis=-1))
        scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) * size**-0.5  # (b, heads, t, t)
        seen = mask[:, None, None, :]
        if self.causal:
            place = places(mask)
            seen = ops.logical_and(seen, (place[:, None, :] <= place[:, :, None])[:, None])
        share = ops.softmax(ops.where(seen, scores, -1e30), axis=-1)
        return ops.reshape(ops.swapaxes(ops.matmul(share, v), 1, 2), ops.shape(x))

    def split(self, x: Any, size: int) -> Any:
        """Return the heads of (b, t, w), (b, heads, t, size)."""
        b, t, _ = ops.shape(x)
        return ops.swapaxes(ops.reshape(x, (b, t, self.n_heads, size)), 1, 2)


def places(mask: Any) -> Any:
    """Return where each token stands, from 0, int32 (b, t), of a mask with its padding on the right."""
    return ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1


class Last(keras.layers.Layer):
    """The state of the last token."""

    def call(self, x: Any, mask: Any) -> Any:
        """Return (b, w) of states (b, t, w) and their mask (b, t)."""
        place = places(mask)
        last = ops.logical_and(mask, place == ops.max(place, axis=1, keepdims=True))
        return ops.sum(x * ops.cast(last, x.dtype)[:, :, None], axis=1)

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: the steps are gone."""
