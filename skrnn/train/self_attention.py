"""Self-attention as Keras layers; :mod:`skrnn.serve.self_attention` computes the same in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from skrnn.serve import EPSILON, frequencies
from skrnn.spec import Spec
from skrnn.train.layers import FLOAT, saveable
from skrnn.train.recipe import Recipe


@saveable
class Positions(keras.layers.Layer):
    """Projects embeddings to the width of the states and adds the position of each token.

    Parameters
    ----------
    width : int
        Width of the states.
    **kwargs
        Arguments of keras.layers.Layer.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.supports_masking = width, True

    def build(self, shape: tuple) -> None:
        """Create the weights."""
        self.kernel = self.add_weight(shape=(shape[-1], self.width), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")
        self.gain = self.add_weight(shape=(self.width,), initializer="zeros", name="gain")

    def call(self, x: Any, mask: Any) -> Any:
        """Return (b, t, w) of embeddings (b, t, d) and their mask (b, t)."""
        angles = ops.cast(positions(mask), x.dtype)[:, :, None] * frequencies(self.width)
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :, : self.width]
        return ops.matmul(x, self.kernel) + self.bias + self.gain * waves

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "width": self.width}


@saveable
class Block(keras.layers.Layer):
    """One layer of self-attention: attention heads, then a feed-forward network.

    Both have a residual connection, and layer normalisation before them (Xiong et al. 2020).

    Parameters
    ----------
    n_heads : int
        Number of heads; each has an equal share of the width.
    causal : bool
        Whether a token attends only to itself and to earlier tokens.
    activation : str
        Activation of the feed-forward network.
    dropout : float
        Dropout rate of what is added to a state.
    seed : int
        Seed of the dropout masks.
    **kwargs
        Arguments of keras.layers.Layer.
    """

    def __init__(
        self, n_heads: int, causal: bool, activation: str, dropout: float, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads, self.causal, self.supports_masking = n_heads, causal, True
        self.seed = seed
        self.activation = keras.activations.get(activation)
        self.dropout = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def build(self, shape: tuple) -> None:
        """Create the weights."""
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

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "n_heads": self.n_heads,
            "causal": self.causal,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout.rate,
            "seed": self.seed,
        }

    def linear(self, x: Any, name: str) -> Any:
        """Return a linear layer of x."""
        return ops.matmul(x, self.kernels[name]) + self.biases[name]

    def normalize(self, x: Any, name: str) -> Any:
        """Return x after layer normalisation."""
        x = x - ops.mean(x, axis=-1, keepdims=True)
        gamma, beta = self.norms[name]
        return x * ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + EPSILON) * gamma + beta

    def call(self, x: Any, mask: Any, training: bool = False) -> Any:
        """Return states (b, t, w) of states (b, t, w) and their mask (b, t)."""
        x = x + self.dropout(self.linear(self.gather(x, mask), "mix"), training=training)
        inner = self.activation(self.linear(self.normalize(x, "feed"), "in"))
        return x + self.dropout(self.linear(inner, "out"), training=training)

    def gather(self, x: Any, mask: Any) -> Any:
        """Return the values that each token attends to, (b, t, w)."""
        size = x.shape[-1] // self.n_heads
        qkv = self.linear(self.normalize(x, "attend"), "heads")
        q, k, v = (self.split(part, size) for part in ops.split(qkv, 3, axis=-1))
        scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) * size**-0.5  # (b, heads, t, t)
        seen = mask[:, None, None, :]
        if self.causal:
            position = positions(mask)
            seen = ops.logical_and(seen, (position[:, None, :] <= position[:, :, None])[:, None])
        share = ops.softmax(ops.where(seen, scores, -1e30), axis=-1)
        return ops.reshape(ops.swapaxes(ops.matmul(share, v), 1, 2), ops.shape(x))

    def split(self, x: Any, size: int) -> Any:
        """Return the heads of (b, t, w), (b, heads, t, size)."""
        b, t, _ = ops.shape(x)
        return ops.swapaxes(ops.reshape(x, (b, t, self.n_heads, size)), 1, 2)


def positions(mask: Any) -> Any:
    """Return the position of each token, from 0, int32 (b, t), for a mask with padding on the right."""
    return ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1


@saveable
class Last(keras.layers.Layer):
    """The state of the last token."""

    def call(self, x: Any, mask: Any) -> Any:
        """Return (b, w) of states (b, t, w) and their mask (b, t)."""
        position = positions(mask)
        last = ops.logical_and(mask, position == ops.max(position, axis=1, keepdims=True))
        return ops.sum(x * ops.cast(last, x.dtype)[:, :, None], axis=1)

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: the output has no steps."""


def read_by_self_attention(
    spec: Spec, recipe: Recipe, x: Any, mask: Any, next_seed: Callable[[], int], *, trainable: bool
) -> tuple[Any, Any]:
    """Return the states of the top layer, (b, t, w), and those of the last tokens, (b, w).

    Parameters
    ----------
    spec, recipe : Spec, Recipe
        The architecture and the dropout.
    x : tensor of shape (b, t, d)
        Embeddings.
    mask : tensor of shape (b, t)
        Which steps are real.
    next_seed : callable
        Returns a seed that no other layer has.
    trainable : bool
        Whether training changes the layers.
    """
    options = {"trainable": trainable, "dtype": FLOAT}
    x = Positions(spec.rnn_units, name="positions", **options)(x, mask=mask)
    for level in range(spec.n_layers):
        block = Block(
            spec.n_heads,
            not spec.bidirectional,
            spec.rnn_activation,
            recipe.recurrent_dropout,
            next_seed() if recipe.recurrent_dropout else 0,
            name=f"block_{level}",
            **options,
        )
        x = block(x, mask=mask)
    x = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm", **options)(x)
    return x, Last(dtype=FLOAT, name="last")(x, mask=mask)
