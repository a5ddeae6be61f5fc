"""Stage 3 in NumPy without recurrence: self-attention, where each token attends to the others.

A block adds two terms to each state: ``softmax(q k' / sqrt(size of a head)) v`` of its heads (Vaswani et al.
2017), and the output of a feed-forward network. Both read the normalised state (pre-norm, Xiong et al. 2020).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from skrnn.serve.batches import Packed
from skrnn.serve.cell import ACTIVATE, HiddenStates, Shapes
from skrnn.spec import Spec, States, Step, Weights

EPSILON = 1e-5  # added to variances
MAX_STATES = 4096  # tokens of rows that are read together
MAX_SCORES = 2**19  # attention scores of a block: 2 MB, which stay in the cache
MAX_KEYS = 512  # tokens that a block of queries attends to at a time


class SelfAttention:
    """The self-attention layers of a network.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        The weights of the network.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec = spec
        self.kernel, self.bias = weights["positions/kernel"], weights["positions/bias"]
        self.gain = weights["positions/gain"]
        prefixes = [f"block_{level}/" for level in range(spec.n_layers)]
        self.blocks = [
            {name.removeprefix(prefix): a for name, a in weights.items() if name.startswith(prefix)}
            for prefix in prefixes
        ]
        self.norm = weights["norm/gamma"], weights["norm/beta"]

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights of all layers, from the bottom to the top."""
        w = spec.rnn_units
        shapes: Shapes = {
            "positions/kernel": (spec.embedding_dim, w),
            "positions/bias": (w,),
            "positions/gain": (w,),
        }
        for level in range(spec.n_layers):
            linear = {"heads": (w, 3 * w), "mix": (w, w), "in": (w, 4 * w), "out": (4 * w, w)}
            for part, shape in linear.items():
                shapes |= {f"block_{level}/{part}_kernel": shape, f"block_{level}/{part}_bias": shape[1:]}
            for part in ("attend", "feed"):
                shapes |= {f"block_{level}/{part}_gamma": (w,), f"block_{level}/{part}_beta": (w,)}
        return shapes | {"norm/gamma": (w,), "norm/beta": (w,)}

    def is_compiled(self, n_tokens: int) -> bool:
        """Return False: self-attention has no compiled loops."""
        return False

    def inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return embeddings in the width of the states, (n, d) -> (n, w)."""
        return [x @ self.kernel + self.bias]

    def run(
        self, tables: list[np.ndarray], packed: Packed, needs: Collection[str], *, compiled: bool = False
    ) -> HiddenStates:
        """Run over a packed batch, see `Layer.run`."""
        h = self.states(packed.to_row_major(tables[0][packed.ids]), packed.offsets)  # (n_tokens, w)
        starts, nothing = packed.offsets[:-1], h[:0]
        return HiddenStates(
            h[packed.offsets[1:] - 1],
            h[packed.row_major] if "sequence" in needs else nothing,
            np.add.reduceat(h, starts) if "total" in needs else nothing,
            np.maximum.reduceat(h, starts) if "peak" in needs else nothing,
        )

    def states(self, x: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return the states of the top layer.

        Parameters
        ----------
        x : ndarray of float32 of shape (n_tokens, w)
            What :meth:`inputs` returns, row by row.
        offsets : ndarray of int of shape (b + 1,)
            Where each row begins. The longest row comes first.

        Returns
        -------
        h : ndarray of float32 of shape (n_tokens, w)
        """
        out = np.empty_like(x)
        lengths = np.diff(offsets)
        start = 0
        while start < len(lengths):
            stop = start + max(1, MAX_STATES // int(lengths[start]))
            tokens = slice(offsets[start], offsets[min(stop, len(lengths))])
            real = np.arange(lengths[start]) < lengths[start:stop, None]  # (b, t)
            padded = np.zeros((*real.shape, x.shape[1]), np.float32)
            padded[real] = x[tokens]
            out[tokens] = self._read(padded, real)[real]
            start = stop
        return out

    def _read(self, x: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return the states of padded inputs (b, t, w) with their mask (b, t), (b, t, w)."""
        x += self.gain * sinusoids(np.arange(x.shape[1]), x.shape[2])
        for block in self.blocks:
            attended = self._attend(self._heads(x, block), real)
            x = self._feed(x + attended @ block["mix_kernel"] + block["mix_bias"], block)
        return normalised(x, *self.norm)

    def _heads(self, x: np.ndarray, block: Weights) -> np.ndarray:
        """Return queries, keys and values, (b, t, w) -> (3, b, heads, t, w / heads)."""
        x = normalised(x, block["attend_gamma"], block["attend_beta"])
        qkv = x @ block["heads_kernel"] + block["heads_bias"]  # (b, t, 3 w)
        b, t, width = qkv.shape
        heads = qkv.reshape(b, t, 3, self.spec.n_heads, width // 3 // self.spec.n_heads)
        return heads.transpose(2, 0, 3, 1, 4)

    def _attend(self, heads: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return the values under the attention weights, (b, t, w), for a block of queries at a time."""
        q, k, v = heads
        b, n_heads, t, size = q.shape
        out = np.empty((b, t, n_heads, size), np.float32)
        step = max(1, MAX_SCORES // (b * n_heads * min(t, MAX_KEYS)))
        q = q * np.float32(size**-0.5)
        padding = None if real.all() else ~real[:, None, None, :]
        for i in range(0, t, step):
            out[:, i : i + step] = self._attend_block(q[:, :, i : i + step], k, v, padding, i).swapaxes(1, 2)
        return out.reshape(b, t, n_heads * size)

    def _attend_block(
        self, q: np.ndarray, k: np.ndarray, v: np.ndarray, padding: np.ndarray | None, first: int
    ) -> np.ndarray:
        """Return the values that queries from position `first` on attend to, (b, heads, n, w / heads).

        The softmax runs over one block of keys after the other (Milakov & Gimelshein 2018), so memory does
        not depend on the number of keys.
        """
        last = first + q.shape[2]
        highest = np.full((*q.shape[:3], 1), -np.inf, np.float32)
        total, attended = np.zeros_like(highest), np.zeros(q.shape, np.float32)
        for i in range(0, k.shape[2] if self.spec.bidirectional else last, MAX_KEYS):
            keys = slice(i, i + MAX_KEYS)
            scores = q @ k[:, :, keys].swapaxes(2, 3)  # (b, heads, n, keys)
            if padding is not None:
                np.copyto(scores, -np.inf, where=padding[..., keys])
            if not self.spec.bidirectional and i + scores.shape[3] > first + 1:
                later = np.arange(i, i + scores.shape[3]) > np.arange(first, last)[:, None]
                np.copyto(scores, -np.inf, where=later)
            before, highest = highest, np.maximum(highest, scores.max(axis=-1, keepdims=True))
            scores -= highest
            np.exp(scores, out=scores)
            decay = np.exp(before - highest)
            total = total * decay + scores.sum(axis=-1, keepdims=True)
            attended = attended * decay + scores @ v[:, :, keys]
        return attended / total

    def _feed(self, x: np.ndarray, block: Weights) -> np.ndarray:
        """Add the output of the feed-forward network, (..., w) -> (..., w)."""
        inner = normalised(x, block["feed_gamma"], block["feed_beta"]) @ block["in_kernel"]
        inner += block["in_bias"]
        inner = ACTIVATE[self.spec.rnn_activation](inner, out=inner)
        return x + inner @ block["out_kernel"] + block["out_bias"]

    def start(self, n_rows: int) -> States:
        """Return keys and values of no tokens, (n_rows, heads, 0, w / heads) each, for each layer."""
        n_heads = self.spec.n_heads
        shape = (n_rows, n_heads, 0, self.spec.rnn_units // n_heads)
        return [np.empty(shape, np.float32) for _ in range(2 * len(self.blocks))]

    def stepper(self, embeddings: np.ndarray) -> Step:
        """Return a function that reads one more token of each row, see `Layer.stepper`.

        The states are the keys and values of the tokens read so far.
        """
        return lambda ids, states: self._step(self.inputs(embeddings[ids])[0], states)

    def _step(self, x: np.ndarray, states: States) -> tuple[np.ndarray, States]:
        """Return the state of one more token, (b, w), and keys and values that include it."""
        x = x[:, None] + self.gain * sinusoids(np.array([states[0].shape[2]]), x.shape[1])
        new = []
        for block, keys, values in zip(self.blocks, states[::2], states[1::2], strict=True):
            q, k, v = self._heads(x, block)
            keys, values = np.concatenate([keys, k], axis=2), np.concatenate([values, v], axis=2)
            scores = q @ keys.swapaxes(2, 3) * np.float32(q.shape[3] ** -0.5)  # (b, heads, 1, t)
            attended = (_softmax(scores) @ values).reshape(x.shape)
            x = self._feed(x + attended @ block["mix_kernel"] + block["mix_bias"], block)
            new += [keys, values]
        return normalised(x, *self.norm)[:, 0], new


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def normalised(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return states after layer normalisation (Ba et al. 2016), (..., w) -> (..., w)."""
    x = x - x.mean(axis=-1, keepdims=True)
    x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(EPSILON))
    return x * gamma + beta


def sinusoids(positions: np.ndarray, width: int) -> np.ndarray:
    """Return the encodings of positions: sines and cosines (Vaswani et al. 2017), (t,) -> (t, w)."""
    angles = positions[:, None].astype(np.float32) * frequencies(width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width]


def frequencies(width: int) -> np.ndarray:
    """Return the frequencies of the sines and cosines, float32 (ceil(w / 2),)."""
    half = (width + 1) // 2
    return (10000.0 ** (-np.arange(half) / half)).astype(np.float32)
