"""Stage 3 in NumPy: a recurrent cell, one step in and one step out, and a walk over a batch.

``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2`` lets one tanh serve all gates; the inner half is folded into the
weights, exactly, for it is a power of two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from skrnn.serve.packing import Packed
from skrnn.spec import N_GATES, Spec, Weights

FEW = 2**18  # numbers: input shares that are looked up for all steps at once
ACTIVATE: dict[str, Callable[..., np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x, out: np.maximum(x, 0, out=out),
    "sigmoid": lambda x, out: _half_to_sigmoid(np.tanh(np.multiply(x, 0.5, out=out), out=out)),
    "linear": np.positive,
}


def _half_to_sigmoid(tanh_of_half: np.ndarray) -> np.ndarray:
    tanh_of_half *= 0.5
    tanh_of_half += 0.5
    return tanh_of_half


class Cell:
    """One recurrent cell: weights folded once, then one step in, one step out.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    name : str
        Which cell: "forward_0", "backward_0", ..., "decoder".
    """

    def __init__(self, spec: Spec, weights: Weights, name: str) -> None:
        self.kind, self.units, self.n_gates = spec.cell, spec.rnn_units, N_GATES[spec.cell]
        self.activate = ACTIVATE[spec.rnn_activation]
        self.n_states = 2 if spec.cell == "lstm" else 1
        kernel, recurrent, bias = (
            np.array(weights[f"{name}/{part}"]) for part in ("kernel", "recurrent_kernel", "bias")
        )
        u, self.step = self.units, getattr(self, f"_{spec.cell}")
        if spec.cell == "lstm":  # gates i, f, c, o become i, f, o, c: the sigmoids side by side
            order = np.r_[0 : 2 * u, 3 * u : 4 * u, 2 * u : 3 * u]
            kernel, recurrent, bias = (a[..., order] for a in (kernel, recurrent, bias))
        self.recurrent_bias = np.zeros(1, np.float32)
        if spec.cell == "gru":  # the recurrent bias of z and r adds up; that of h is inside the gate
            self.recurrent_bias = bias[1, 2 * u :]
            bias = np.concatenate([bias[0, : 2 * u] + bias[1, : 2 * u], bias[0, 2 * u :]])
        for array in (kernel, recurrent, bias):
            array[..., : (self.n_gates - 1) * u] *= 0.5
        self.kernel, self.bias = kernel, bias
        # (g, u, u): with gates apart, each is contiguous
        self.recurrent = np.ascontiguousarray(recurrent.reshape(u, -1, u).swapaxes(0, 1))

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Return the input's share of the gates, (n, d) -> (n, g u).

        Where x has fewer columns than the kernel has rows (a decoder's embeddings), the rest of the
        kernel is left to the caller.
        """
        return x @ self.kernel[: x.shape[1]] + self.bias

    def start(self, n_rows: int) -> list[np.ndarray]:
        """Return zero states: h, and for the LSTM c, each (n_rows, u)."""
        return [np.zeros((n_rows, self.units), np.float32) for _ in range(self.n_states)]

    def run_compiled(
        self,
        table: np.ndarray,
        ids: np.ndarray,
        starts: np.ndarray,
        states: list[np.ndarray],
        kept: Kept,
        reverse: bool,
    ) -> None:
        """Do what :func:`run_cell` does, in one call of a compiled loop."""
        from skrnn.kernels.loops import loop

        u = self.units
        nothing = np.empty((0, u), np.float32)
        loop(self.kind)(
            table, ids.astype(np.int64, copy=False), starts, self.panels, self.recurrent_bias, np.float32(1),
            2 * u, 3 * u, reverse, states[0], states[-1], kept.sequence, nothing, kept.total, kept.peak,
        )  # fmt: skip

    @cached_property
    def panels(self) -> np.ndarray:
        """The recurrent kernel as compiled loops read it."""
        from skrnn.kernels.products import panels

        return panels(np.ascontiguousarray(self.recurrent.swapaxes(0, 1)).reshape(self.units, -1))

    # Each step: x (b, g u) is the input's share, overwritten by some; states are updated in place.

    def _apart(self, x: np.ndarray) -> np.ndarray:
        """Return the gates of x one after the other, (g, b, u)."""
        return x.reshape(len(x), self.n_gates, self.units).swapaxes(0, 1)

    def _simple_rnn(self, x: np.ndarray, h: np.ndarray) -> None:
        x += h @ self.recurrent[0]
        self.activate(x, out=h)

    def _gru(self, x: np.ndarray, h: np.ndarray) -> None:
        gates, x = h @ self.recurrent, self._apart(x)
        zr, new = gates[:2], gates[2]
        zr += x[:2]
        _half_to_sigmoid(np.tanh(zr, out=zr))
        new += self.recurrent_bias
        new *= zr[1]
        new += x[2]
        self.activate(new, out=new)
        h -= new
        h *= zr[0]
        h += new

    def _lstm(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> None:
        gates = h @ self.recurrent
        gates += self._apart(x)
        ifo, new = gates[:3], gates[3]
        _half_to_sigmoid(np.tanh(ifo, out=ifo))
        self.activate(new, out=new)
        c *= ifo[1]
        new *= ifo[0]
        c += new
        self.activate(c, out=h)
        h *= ifo[2]


class Kept(NamedTuple):
    """What is kept of the states of one direction; what is not wanted has no rows."""

    sequence: np.ndarray  # (n_tokens, u), all of them, step-major
    total: np.ndarray  # (b, u), their sum
    peak: np.ndarray  # (b, u), their maximum


def keep(
    packed: Packed, units: int, *, sequence: bool = False, total: bool = False, peak: bool = False
) -> Kept:
    """Return room for what is wanted of the states of a batch."""
    n_rows = int(packed.starts[1])
    return Kept(
        np.empty((sequence * len(packed.ids), units), np.float32),
        np.zeros((total * n_rows, units), np.float32),
        np.full((peak * n_rows, units), -np.inf, np.float32),
    )


def run_cell(
    cell: Cell,
    table: np.ndarray,
    packed: Packed,
    ids: np.ndarray,
    kept: Kept,
    *,
    reverse: bool = False,
    extra: np.ndarray | None = None,
    compiled: bool = False,
) -> np.ndarray:
    """Run one cell over a packed batch.

    Parameters
    ----------
    cell : Cell
        The cell.
    table : ndarray of float32 of shape (n, g u)
        Input shares of the gates; row `ids[i]` belongs to token i.
    packed : Packed
        The batch.
    ids : ndarray of int of shape (n_tokens,)
        Rows of `table`, step-major.
    kept : Kept
        Takes in the states.
    reverse : bool, default=False
        Whether to read from the end: rows join as the step falls below their length.
    extra : ndarray of shape (b, g u), default=None
        Added to the gates of each row at every step.
    compiled : bool, default=False
        Whether to run the loop of :mod:`skrnn.kernels.loops`, where it can.

    Returns
    -------
    states : ndarray of float32 of shape (b, u)
        The last state of each row.
    """
    starts = packed.starts
    n_rows, n_steps = int(starts[1]), len(starts) - 1
    states = cell.start(n_rows)
    if compiled and extra is None and cell.activate is np.tanh:
        cell.run_compiled(table, ids, starts, states, kept, reverse)
        return states[0]
    few = len(ids) * table.shape[1] <= FEW
    buffer = table[ids] if few else np.empty((n_rows, table.shape[1]), np.float32)
    for t in range(n_steps - 1, -1, -1) if reverse else range(n_steps):
        start, stop = starts[t], starts[t + 1]
        active = stop - start
        if few:
            x = buffer[start:stop]
        else:
            x = buffer[:active]
            table.take(ids[start:stop], axis=0, out=x, mode="clip")  # "clip": no check, no copy
        if extra is not None:
            x += extra[:active]
        now = states if active == n_rows else [state[:active] for state in states]
        cell.step(x, *now)
        h = now[0]
        if len(kept.sequence):
            kept.sequence[start:stop] = h
        if len(kept.total):
            kept.total[:active] += h
        if len(kept.peak):
            np.maximum(kept.peak[:active], h, out=kept.peak[:active])
    return states[0]


@cache
def can_compile() -> bool:
    """Return whether Numba is installed."""
    return find_spec("numba") is not None
