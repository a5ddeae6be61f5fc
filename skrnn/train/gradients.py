"""Loss and gradients of a network that reads one text, in NumPy and compiled loops.

This is the counterpart in training of :class:`skrnn.serve.forward.Forward`. As there, a batch is packed step
by step, without padding. Each part of the network is a function that returns its output and a second function
for the way back, which takes the gradient of the output, returns that of the input, and notes the gradients
of its weights under their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.special import expit, softmax

from skrnn.ragged import Ragged
from skrnn.serve import (
    ACTIVATE,
    CELLS,
    POOLINGS,
    Attention,
    Concat,
    HiddenStates,
    NGrams,
    Packed,
    cell_weights,
    pack,
)
from skrnn.spec import EMBEDDING, Spec, Weights
from skrnn.targets import HEADS, Supervised
from skrnn.train.loop import Loop, Memory, column_sums
from skrnn.train.recipe import Recipe

Back = Callable[[np.ndarray], np.ndarray]
_SLOPES: dict[str, Callable[[np.ndarray], Any]] = {  # derivatives of activations, from their outputs
    "tanh": lambda y: 1 - y * y,
    "relu": lambda y: y > 0,
    "sigmoid": lambda y: y * (1 - y),
    "linear": np.ones_like,
}


def are_known(spec: Spec) -> bool:
    """Return whether the gradients of a network are known here; if not, Keras can find them."""
    return spec.pooling in POOL_GRADIENTS and HEADS[spec.head].loss in SLOPES_OF_LOSSES


class Result(NamedTuple):
    """What some rows contribute to a batch."""

    loss: float
    gradients: Weights  # of all weights that are trained, except the embedding
    ids: np.ndarray  # (n_tokens,)
    of_ids: np.ndarray | None  # (n_tokens, d), the gradient of the embedding of each id, unless it is frozen


class Gradients:
    """A network in training. Call :meth:`merge` after each change of its weights.

    Parameters
    ----------
    spec : Spec
        A network with recurrent cells that have compiled loops, and one output layer.
    recipe : Recipe
        Dropout, R-Drop, and what is frozen.
    weights : dict of str to ndarray of float32
        The weights of the network.
    memory : Memory
        For the large arrays of each thread.
    """

    def __init__(self, spec: Spec, recipe: Recipe, weights: Weights, memory: Memory) -> None:
        self.spec, self.recipe, self.weights, self.memory = spec, recipe, weights, memory
        self.ngrams = NGrams(spec.ngram_range, weights) if spec.ngram_range else None
        self.merge()

    def merge(self) -> None:
        """Bring the weights of the cells into the form that their loops need."""
        self.levels = [
            [
                _Cell(self.spec, self.weights, f"{direction}_{level}", self.memory)
                for direction in self.spec.directions
            ]
            for level in range(self.spec.n_layers)
        ]

    @property
    def trained(self) -> list[str]:
        """The names of the weights that are trained."""
        kept = {"nothing": (), "embedding": (EMBEDDING,), "encoder": (EMBEDDING, *self.spec.directions)}
        fixed = (*kept[self.recipe.frozen], "ngrams/hashes", "ngrams/idf", "ngrams/factor")
        unused = () if self.ngrams else ("ngrams/",)
        return [name for name in self.weights if not name.startswith((*fixed, *unused))]

    def __call__(
        self, rows: Ragged, targets: np.ndarray, weights: np.ndarray, n_rows: int, rng: np.random.Generator
    ) -> Result:
        """Compute what some rows contribute to the loss of a batch and to its gradients.

        Parameters
        ----------
        rows : Ragged
            Token ids, the longest row first and no row empty. With R-Drop, equal rows follow each other in
            pairs.
        targets : ndarray of shape (b,) or (b, n_outputs)
            Encoded targets.
        weights : ndarray of float32 of shape (b,)
            Weights of the rows.
        n_rows : int
            Number of rows of the batch, over which the loss is a mean.
        rng : numpy.random.Generator
            Source of dropout.

        Returns
        -------
        result : Result
        """
        self.memory.release()
        packed, found, table = pack(rows), Weights(), self.weights[EMBEDDING]
        x = table.take(packed.ids, axis=0, out=self.memory(len(packed.ids), table.shape[1]), mode="clip")
        x, back_embedding = self._dropout(x, rng)
        back_levels = []
        for cells in self.levels:
            hidden, back = self._read(cells, x, packed, found, pool=cells is self.levels[-1])
            back_levels.append(back)
            x = hidden.sequence
        pooled = POOLINGS[self.spec.pooling](self.weights)(hidden, packed)
        projection, back_projection = self._project(pooled, found)
        vector, back_vector = self._dropout(projection.copy(), rng)  # the way back reads the projection
        logits, back_head = self._dense("head", vector, found)
        logits, back_ngrams = self._add_ngrams(logits, rows, found)
        loss, d = loss_of_logits(self.spec.head, logits, targets, weights, self.recipe.r_drop)
        d = back_projection(back_vector(back_head(back_ngrams(d / np.float32(n_rows)))))
        d_sequence, d_last = self.memory(*hidden.sequence.shape), np.zeros_like(hidden.last)
        d_sequence[:] = 0
        found |= POOL_GRADIENTS[self.spec.pooling](d, hidden, packed, self.weights, d_sequence, d_last)
        loss, frozen = float(loss) / n_rows, self.recipe.frozen
        if frozen == "encoder":
            return Result(loss, found, packed.ids, None)
        for level in reversed(range(len(self.levels))):
            d_sequence = back_levels[level](d_sequence, d_last, to_input=bool(level) or frozen == "nothing")
            d_last = np.zeros_like(d_last)
        if frozen == "embedding":
            return Result(loss, found, packed.ids, None)
        return Result(loss, found, packed.ids, back_embedding(d_sequence).copy())  # out of the memory

    def _dropout(self, x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Back]:
        """Set a share of the values to zero and scale the others, in place (Srivastava et al. 2014)."""
        share = self.recipe.dropout
        if not share:
            return x, lambda d: d
        kept, scale = _draw(rng, x.shape, share), np.float32(1 / (1 - share))

        def back(d: np.ndarray) -> np.ndarray:
            d *= scale
            d *= kept
            return d

        return back(x), back

    def _project(self, vector: np.ndarray, found: Weights) -> tuple[np.ndarray, Back]:
        """Return the linear layer and activation of pooled states, where there is one."""
        if self.spec.n_components is None:
            return vector, lambda d: d
        out, back = self._dense("projection", vector, found)
        out = ACTIVATE[self.spec.activation](out, out=out)
        return out, lambda d: back(d * _SLOPES[self.spec.activation](out))

    def _add_ngrams(self, logits: np.ndarray, rows: Ragged, found: Weights) -> tuple[np.ndarray, Back]:
        """Return the logits with those of the n-grams of each row, see :mod:`skrnn.serve.ngrams`."""
        if self.ngrams is None:
            return logits, lambda d: d
        features, factor = self.ngrams.scaled(rows), self.weights["ngrams/factor"]

        def back(d: np.ndarray) -> np.ndarray:
            found["ngrams/kernel"], found["ngrams/bias"] = features.T @ d, d.sum(axis=0)
            return d * factor

        return logits * factor + features @ self.weights["ngrams/kernel"] + self.weights["ngrams/bias"], back

    def _dense(self, name: str, x: np.ndarray, found: Weights) -> tuple[np.ndarray, Back]:
        """Return a linear layer (b, n) -> (b, m)."""
        kernel = self.weights[f"{name}/kernel"]

        def back(d: np.ndarray) -> np.ndarray:
            found[f"{name}/kernel"], found[f"{name}/bias"] = x.T @ d, d.sum(axis=0)
            return d @ kernel.T

        return x @ kernel + self.weights[f"{name}/bias"], back

    def _read(
        self, cells: list[_Cell], x: np.ndarray, packed: Packed, found: Weights, *, pool: bool
    ) -> tuple[HiddenStates, Callable[..., np.ndarray]]:
        """Return the states of a layer, and the way back from the gradients of all and of the last ones."""
        (n, d), b, u = x.shape, len(packed.offsets) - 1, self.spec.rnn_units
        tokens, runs = np.arange(n), []
        for cell in cells:
            first = [np.zeros((b, k * u), np.float32) for k in cell.formula.states.values()]
            share = np.matmul(x, cell.kernel, out=self.memory(n, cell.kernel.shape[1]))
            share += cell.bias
            runs.append(cell.loop.read(share, tokens, packed.starts, first, pool=pool))

        def back(d_sequence: np.ndarray, d_last: np.ndarray, *, to_input: bool) -> np.ndarray:
            dx = self.memory(n, d * to_input)
            dx[:] = 0
            for k, (cell, run) in enumerate(zip(cells, runs, strict=True)):
                own, d_own = slice(k * u, (k + 1) * u), self.memory(n, u)
                d_own[:] = d_sequence[:, own]
                ends = [np.ascontiguousarray(d_last[:, own]), *map(np.zeros_like, run.last[1:])]
                d_share, d_recurrent, d_inner, _ = cell.loop.gradients(run, d_own, ends, cell.kernel.shape[1])
                parts = cell.formula.unmerged(x.T @ d_share, column_sums(d_share), d_recurrent, d_inner)
                found.update({f"{cell.name}/{part}": array for part, array in parts.items()})
                if to_input:
                    dx += np.matmul(d_share, cell.kernel.T, out=self.memory(n, d))
            return dx

        last, total, peak = (
            np.concatenate(arrays, axis=1)
            for arrays in zip(*((run.last[0], run.total, run.peak) for run in runs), strict=True)
        )
        sequence = np.concatenate([run.sequence for run in runs], axis=1, out=self.memory(n, len(runs) * u))
        return HiddenStates(last, sequence, total, peak), back


def _draw(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> np.ndarray:
    """Return which values dropout keeps, bool; the share is rounded to a multiple of 2**-16."""
    n = int(np.prod(shape))
    if share == 0.5:
        bits = np.frombuffer(rng.bytes(-(-n // 8)), np.uint8)
        return np.unpackbits(bits, count=n).view(bool).reshape(shape)
    return rng.integers(2**16, size=shape, dtype=np.uint16) >= round(share * 2**16)


class _Cell:
    """One cell of a network, its weights merged as its loop needs them."""

    def __init__(self, spec: Spec, weights: Weights, name: str, memory: Memory) -> None:
        self.name, self.formula = name, CELLS[spec.cell]
        merged = self.formula.merged(cell_weights(weights, name), np)
        self.kernel, self.bias, recurrent, inner = merged
        self.loop = Loop(spec.cell, recurrent, inner, reverse=name.startswith("backward"), memory=memory)


# -- poolings ---------------------------------------------------------------------------------------

# They add to the gradients of all states and of the last states, in place, and return those of their weights.
PoolGradient = Callable[[np.ndarray, HiddenStates, Packed, Weights, np.ndarray, np.ndarray], Weights]


def _rows(packed: Packed) -> np.ndarray:
    """Return the row of each token."""
    return np.arange(len(packed.ids)) - np.repeat(packed.starts[:-1], np.diff(packed.starts))


def _last(d: Any, hidden: Any, packed: Any, weights: Any, d_sequence: Any, d_last: Any) -> Weights:
    d_last += d
    return {}


def _mean(d: Any, hidden: Any, packed: Packed, weights: Any, d_sequence: Any, d_last: Any) -> Weights:
    d_sequence += (d / np.diff(packed.offsets).astype(np.float32)[:, None])[_rows(packed)]
    return {}


def _max(d: Any, hidden: Any, packed: Packed, weights: Any, d_sequence: Any, d_last: Any) -> Weights:
    rows = _rows(packed)
    largest = hidden.sequence == hidden.peak[rows]
    if np.count_nonzero(largest) != d.size:  # equal states share the gradient, as in Keras
        counts = np.add.reduceat(packed.to_row_major(largest), packed.offsets[:-1], axis=0, dtype=np.float32)
        d = d / counts
    d_sequence += largest * d[rows]
    return {}


def _attention(d: Any, states: Any, packed: Packed, weights: Any, d_sequence: Any, d_last: Any) -> Weights:
    h, starts, lengths = packed.to_row_major(states.sequence), packed.offsets[:-1], np.diff(packed.offsets)
    hidden, share = Attention(weights).shares(h, packed.offsets)
    d = np.repeat(d, lengths, axis=0)  # (n_tokens, w)
    d_share = np.einsum("nw,nw->n", d, h)
    d_score = share * (d_share - np.repeat(np.add.reduceat(share * d_share, starts), lengths))
    d_hidden = d_score[:, None] * weights["pooling/context"] * (1 - hidden * hidden)
    d_h = share[:, None] * d + d_hidden @ weights["pooling/kernel"].T
    d_sequence += d_h[packed.row_major]
    own = {"kernel": h.T @ d_hidden, "bias": d_hidden.sum(axis=0), "context": d_score @ hidden}
    return {f"pooling/{part}": array for part, array in own.items()}


def _concat(d: Any, hidden: Any, packed: Any, weights: Any, d_sequence: Any, d_last: Any) -> Weights:
    for part, share in zip(Concat.parts, np.split(d, Concat.factor, axis=1), strict=True):
        POOL_GRADIENTS[part.name](share, hidden, packed, weights, d_sequence, d_last)
    return {}


POOL_GRADIENTS: dict[str, PoolGradient] = {
    "last": _last, "mean": _mean, "max": _max, "attention": _attention, "concat": _concat,
}  # fmt: skip


# -- losses -----------------------------------------------------------------------------------------


def loss_of_logits(
    head: str, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, r_drop: float
) -> tuple[float, np.ndarray]:
    """Return the sum of the losses of some rows and its gradient with respect to the logits.

    Parameters
    ----------
    head : str
        A supervised head of :data:`skrnn.targets.HEADS` with a loss of :data:`SLOPES_OF_LOSSES`.
    logits : ndarray of float32 of shape (b, n_outputs)
        Outputs before the activation.
    targets : ndarray of shape (b,) or (b, n_outputs)
        Encoded targets.
    weights : ndarray of float32 of shape (b,)
        Weights of the rows.
    r_drop : float
        Weight of the divergence between rows 2 i and 2 i + 1, see :class:`skrnn.train.losses.RDrop`.

    Returns
    -------
    loss : float
    gradient : ndarray of float32 of shape (b, n_outputs)
    """
    kind = cast(type[Supervised], HEADS[head])
    losses = kind.losses(logits, targets)
    p, d = SLOPES_OF_LOSSES[str(kind.loss)](logits, targets)
    d *= weights[:, None]
    if r_drop and kind.activation == "softmax":
        divergence, slope = _divergence_of_pairs(p, weights)
        losses = losses + r_drop * divergence.sum(axis=1)
        d += r_drop * p * (slope - (slope * p).sum(axis=1, keepdims=True))
    elif r_drop:
        (divergence, slope), rest = _divergence_of_pairs(p, weights), _divergence_of_pairs(1 - p, weights)
        losses = losses + r_drop * (divergence + rest[0]).mean(axis=1)
        d += r_drop / p.shape[1] * p * (1 - p) * (slope - rest[1])
    return float(losses @ weights), d


def _slope_of_classes(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = softmax(logits, axis=1)
    d = p.copy()
    d[np.arange(len(d)), targets] -= 1
    return p, d


def _slope_of_labels(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = expit(logits)
    return p, (p - targets) / np.float32(p.shape[1])


def _slope_of_numbers(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return logits, (logits - targets) * np.float32(2 / logits.shape[1])


# By Keras' name of a loss: activated outputs and the gradient with respect to logits, (b, n_outputs) each.
SLOPES_OF_LOSSES: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "sparse_categorical_crossentropy": _slope_of_classes,
    "binary_crossentropy": _slope_of_labels,
    "mean_squared_error": _slope_of_numbers,
}


def _divergence_of_pairs(p: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``p log(p / q)`` for the p of each row and the q of its pair, and the gradient of their sum.

    The sum is weighted, and each row has a part in the divergences of both rows of its pair.
    """

    def of_pair(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, 2, *x.shape[1:])[:, ::-1].reshape(x.shape)

    tiny = np.float32(1e-7)  # as in :class:`skrnn.train.losses.RDrop`
    logarithm = np.log(p + tiny)
    difference = logarithm - of_pair(logarithm)
    own = weights[:, None] * (difference + p / (p + tiny))
    return p * difference, own - of_pair(weights)[:, None] * of_pair(p) / (p + tiny)
