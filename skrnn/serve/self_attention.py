"""Stage 3 in NumPy without recurrence: every token looks at the others (Vaswani et al. 2017).

A layer adds to each state what its heads have gathered, ``softmax(q k' / sqrt(size of a head)) v``, and then
what a small network makes of it, each time of the normalised state (pre-norm, Xiong et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from skrnn.serve.cells import ACTIVATE, HiddenStates, Shapes
from skrnn.serve.packing import Packed
from skrnn.spec import Spec, Weights

EPSILON = 1e-5  # added to variances
MAX_STATES = 4096  # tokens of a group of rows that are read together
MAX_SCORES = 2**22  # scores in memory at a time: 16 MB


class SelfAttention:
    """The layers of a self-attentive network.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec = spec
        self.kernel, self.bias = weights["positions/kernel"], weights["positions/bias"]
        self.gain = weights["positions/gain"]
        names = [f"block_{level}/" for level in range(spec.n_layers)]
        self.blocks = [
            {name.removeprefix(prefix): a for name, a in weights.items() if name.startswith(prefix)}
            for prefix in names
        ]
        self.norm = weights["norm/gamma"], weights["norm/beta"]

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights."""
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
        """Run over a packed batch, see :meth:`skrnn.serve.recurrent.Recurrent.run`."""
        h = self.states(packed.to_row_major(tables[0][packed.ids]), packed.offsets)  # (n_tokens, w)
        starts, nothing = packed.offsets[:-1], h[:0]
        return HiddenStates(
            h[packed.offsets[1:] - 1],
            h[packed.row_major] if "sequence" in needs else nothing,
            np.add.reduceat(h, starts) if "total" in needs else nothing,
            np.maximum.reduceat(h, starts) if "peak" in needs else nothing,
        )

    def states(self, x: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return the state of each token, (n_tokens, w), of the inputs of rows, row by row.

        Parameters
        ----------
        x : ndarray of float32 of shape (n_tokens, w)
            What :meth:`inputs` gives.
        offsets : ndarray of int of shape (b + 1,)
            Where each row begins; rows are sorted by falling length.
        """
        out = np.empty_like(x)
        counts = np.diff(offsets)
        start = 0
        while start < len(counts):
            stop = start + max(1, MAX_STATES // int(counts[start]))
            tokens = slice(offsets[start], offsets[min(stop, len(counts))])
            real = np.arange(counts[start]) < counts[start:stop, None]  # (b, t)
            padded = np.zeros((*real.shape, x.shape[1]), np.float32)
            padded[real] = x[tokens]
            out[tokens] = self._read(padded, real)[real]
            start = stop
        return out

    def _read(self, x: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return the states (b, t, w) of inputs (b, t, w) and their mask (b, t)."""
        x += self.gain * sinusoids(np.arange(x.shape[1]), x.shape[2])
        for block in self.blocks:
            gathered = self._gather(self._heads(x, block), real)
            x = self._feed(x + gathered @ block["mix_kernel"] + block["mix_bias"], block)
        return normalised(x, *self.norm)

    def _heads(self, x: np.ndarray, block: Weights) -> np.ndarray:
        """Return queries, keys and values, (b, t, w) -> (3, b, heads, t, w / heads)."""
        x = normalised(x, block["attend_gamma"], block["attend_beta"])
        qkv = x @ block["heads_kernel"] + block["heads_bias"]  # (b, t, 3 w)
        b, t, width = qkv.shape
        heads = qkv.reshape(b, t, 3, self.spec.n_heads, width // 3 // self.spec.n_heads)
        return heads.transpose(2, 0, 3, 1, 4)

    def _gather(self, heads: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return what each token gathers, (b, t, w), some queries at a time."""
        q, k, v = heads
        b, n_heads, t, size = q.shape
        out = np.empty((b, t, n_heads, size), np.float32)
        step = max(1, MAX_SCORES // (b * n_heads * t))
        keys, hidden = k.swapaxes(2, 3), ~real[:, None, None, :]
        for i in range(0, t, step):
            scores = q[:, :, i : i + step] @ keys  # (b, heads, step, t)
            scores *= np.float32(size**-0.5)
            unseen = hidden
            if not self.spec.bidirectional:
                unseen = hidden | (np.arange(t) > np.arange(i, min(i + step, t))[:, None])
            scores[np.broadcast_to(unseen, scores.shape)] = -np.inf
            out[:, i : i + step] = (_softmax(scores) @ v).swapaxes(1, 2)
        return out.reshape(b, t, n_heads * size)

    def _feed(self, x: np.ndarray, block: Weights) -> np.ndarray:
        """Return states with what the feed-forward network makes of each added."""
        inner = normalised(x, block["feed_gamma"], block["feed_beta"]) @ block["in_kernel"]
        inner += block["in_bias"]
        inner = ACTIVATE[self.spec.rnn_activation](inner, out=inner)
        return x + inner @ block["out_kernel"] + block["out_bias"]

    def start(self, n_rows: int) -> list[np.ndarray]:
        """Return the keys and values of no tokens, two arrays (n_rows, heads, 0, w / heads) a layer."""
        n_heads = self.spec.n_heads
        shape = (n_rows, n_heads, 0, self.spec.rnn_units // n_heads)
        return [np.empty(shape, np.float32) for _ in range(2 * len(self.blocks))]

    def stepper(
        self, embeddings: np.ndarray
    ) -> Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]:
        """Return a function that reads one more token of each row.

        Parameters
        ----------
        embeddings : ndarray of float32 of shape (n_ids, d)
            The embedding.

        Returns
        -------
        step : callable
            Takes ids (b,) and states, see :meth:`start`; returns the hidden states (b, w) and the new states.
        """
        return lambda ids, states: self.step(self.inputs(embeddings[ids])[0], states)

    def step(self, x: np.ndarray, seen: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the state of one more token, (n, w), and keys and values with its own.

        Parameters
        ----------
        x : ndarray of float32 of shape (n, w)
            What :meth:`inputs` gives.
        seen : list of ndarray
            What this method returned for the token before, or :meth:`start`.
        """
        x = x[:, None] + self.gain * sinusoids(np.array([seen[0].shape[2]]), x.shape[1])
        now = []
        for block, keys, values in zip(self.blocks, seen[::2], seen[1::2], strict=True):
            q, k, v = self._heads(x, block)
            keys, values = np.concatenate([keys, k], axis=2), np.concatenate([values, v], axis=2)
            scores = q @ keys.swapaxes(2, 3) * np.float32(q.shape[3] ** -0.5)  # (n, heads, 1, t)
            gathered = (_softmax(scores) @ values).reshape(x.shape)
            x = self._feed(x + gathered @ block["mix_kernel"] + block["mix_bias"], block)
            now += [keys, values]
        return normalised(x, *self.norm)[:, 0], now


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def normalised(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return states of mean 0 and variance 1, scaled and moved (Ba et al. 2016), (..., w)."""
    x = x - x.mean(axis=-1, keepdims=True)
    x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(EPSILON))
    return x * gamma + beta


def sinusoids(positions: np.ndarray, width: int) -> np.ndarray:
    """Return the sines and cosines that say where a token stands, (t,) -> (t, w) (Vaswani et al. 2017)."""
    angles = positions[:, None].astype(np.float32) * frequencies(width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width]


def frequencies(width: int) -> np.ndarray:
    """Return the frequencies of the sines and cosines that encode positions, (ceil(w / 2),)."""
    half = (width + 1) // 2
    return (10000.0 ** (-np.arange(half) / half)).astype(np.float32)
