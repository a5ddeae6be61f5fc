"""Stage 3 in NumPy: the recurrent cells, one class each.

Each class shows its formula twice. :meth:`Cell.textbook` follows the paper and is the reference of the tests.
:meth:`Cell.step` computes the same from folded weights, in place. To add a cell, write its class here and its
loop in :mod:`skrnn.kernels.loops`.

Folding uses ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``: one tanh serves all gates. The division by two is part
of the folded weights and exact, because two is a power of two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import expit

from skrnn.serve.packing import Packed
from skrnn.spec import Spec, Weights

FEW = 2**18  # values of input shares that are looked up for all steps at once

Activate = Callable[..., np.ndarray]
Shapes = dict[str, tuple[int, ...]]
ACTIVATE: dict[str, Activate] = {
    "tanh": np.tanh,
    "relu": lambda x, out: np.maximum(x, 0, out=out),
    "sigmoid": lambda x, out: _sigmoid_of_twice(np.multiply(x, 0.5, out=out)),
    "linear": np.positive,
}


def _sigmoid_of_twice(x: np.ndarray) -> np.ndarray:
    """Return sigmoid(2 x), in place."""
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


class HiddenStates(NamedTuple):
    """The hidden states of a packed batch. Arrays that no pooling needs have no rows."""

    last: np.ndarray  # (b, w), after the last token that was read
    sequence: np.ndarray  # (n_tokens, w), after each token, step-major
    total: np.ndarray  # (b, w), the sum over the tokens
    peak: np.ndarray  # (b, w), the maximum over the tokens

    @classmethod
    def begin(cls, h: np.ndarray, n_tokens: int, needs: Collection[str]) -> HiddenStates:
        """Return memory for what is needed; `h` (b, w) becomes the last state, in place."""
        n_rows, width = h.shape
        return cls(
            h,
            np.empty((n_tokens * ("sequence" in needs), width), np.float32),
            np.zeros((n_rows * ("total" in needs), width), np.float32),
            np.full((n_rows * ("peak" in needs), width), -np.inf, np.float32),
        )

    def collect(self, h: np.ndarray, start: int) -> None:
        """Take in the states (n, w) of one step, whose tokens begin at `start`."""
        n = len(h)
        if len(self.sequence):
            self.sequence[start : start + n] = h
        if len(self.total):
            self.total[:n] += h
        if len(self.peak):
            np.maximum(self.peak[:n], h, out=self.peak[:n])


class Cell:
    """A recurrent cell with folded weights.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        The weights of the network.
    name : str
        Name of the cell in the network, for example "forward_0".

    Attributes
    ----------
    kernel : ndarray of float32 of shape (d, n)
        Folded input kernel; n is the width of what :meth:`inputs` returns.
    bias : ndarray of float32 of shape (n,)
        Folded bias.
    recurrent : ndarray of float32 of shape (g, u, u)
        Folded recurrent kernel, one contiguous matrix for each gate.
    """

    name: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]  # in the order of the Keras weights
    sigmoids: ClassVar[tuple[str, ...]] = ()  # gates with a sigmoid; the others have the cell's activation
    states: ClassVar[dict[str, int]] = {"h": 1}  # their widths in units; the first is the hidden state

    def __init__(self, spec: Spec, weights: Weights, name: str) -> None:
        self.units, self.activate = spec.rnn_units, ACTIVATE[spec.rnn_activation]
        self.recurrent_bias = np.zeros(1, np.float32)
        self._fold_weights(**cell_weights(weights, name))

    @classmethod
    def weight_shapes(cls, input_width: int, units: int) -> Shapes:
        """Return the shapes of the weights, in the layout of the Keras layer."""
        width = len(cls.gates) * units
        return {"kernel": (input_width, width), "recurrent_kernel": (units, width), "bias": (width,)}

    @classmethod
    def initial_bias(cls, shape: tuple[int, ...]) -> np.ndarray:
        """Return the bias before training, float32."""
        return np.zeros(shape, np.float32)

    @staticmethod
    def textbook(x: np.ndarray, states: list[np.ndarray], weights: Weights, f: Activate) -> list[np.ndarray]:
        """Return the states after one step, by the formula of the paper.

        Parameters
        ----------
        x : ndarray of shape (b, d)
            Input.
        states : list of ndarray of shape (b, u)
            The states before the step.
        weights : dict of str to ndarray
            The weights of the cell, see :meth:`weight_shapes`.
        f : callable
            Activation of the candidate state.

        Returns
        -------
        states : list of ndarray of shape (b, u)
            New arrays; the first is the hidden state.
        """
        raise NotImplementedError

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update the states by one step, in place.

        Parameters
        ----------
        x : ndarray of float32 of shape (b, n)
            What :meth:`inputs` returns. The step may overwrite it.
        *states : ndarray of float32 of shape (b, u)
            The states.
        """
        raise NotImplementedError

    def _fold_weights(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray) -> None:
        self.kernel, self.bias = self._fold(kernel), self._fold(bias)
        recurrent = self._fold(recurrent_kernel).reshape(self.units, -1, self.units)  # (u, g, u)
        self.recurrent = np.ascontiguousarray(recurrent.swapaxes(0, 1))

    def _fold(self, weight: np.ndarray) -> np.ndarray:
        """Return a copy of a weight (..., g u) with the sigmoid gates first, divided by two."""
        gates = dict(zip(self.gates, np.split(weight, len(self.gates), axis=-1), strict=True))
        halves = [gates.pop(name) * 0.5 for name in self.sigmoids]
        return np.concatenate([*halves, *gates.values()], axis=-1)

    def _apart(self, x: np.ndarray) -> np.ndarray:
        """Return the gates of x one after the other, (b, g u) -> (g, b, u)."""
        return x.reshape(len(x), len(self.gates), self.units).swapaxes(0, 1)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Return the input's share of the gates, (b, d) -> (b, n).

        Where x has fewer columns than the kernel has rows, :meth:`further_inputs` adds the share of the
        other columns.
        """
        return x @ self.kernel[: x.shape[1]] + self.bias

    def further_inputs(self, x: np.ndarray, first: int) -> np.ndarray:
        """Return what the input's columns from `first` on add to :meth:`inputs`, (b, d - first) -> (b, n)."""
        return x @ self.kernel[first:]

    def start(self, n_rows: int, h: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the states before the first token.

        Parameters
        ----------
        n_rows : int
            Number of rows.
        h : ndarray of float32 of shape (n_rows, u), default=None
            Hidden state; None for zeros. The other states are zero.

        Returns
        -------
        states : list of ndarray of float32
        """
        states = [np.zeros((n_rows, n * self.units), np.float32) for n in self.states.values()]
        if h is not None:
            states[0] = np.ascontiguousarray(h)
        return states

    def run(
        self,
        table: np.ndarray,
        packed: Packed,
        needs: Collection[str],
        *,
        reverse: bool = False,
        extra: np.ndarray | None = None,
        compiled: bool = False,
    ) -> HiddenStates:
        """Run over a packed batch.

        Parameters
        ----------
        table : ndarray of float32 of shape (n_rows, n)
            Input shares of the gates, see :meth:`inputs`.
        packed : Packed
            The batch; its ids are rows of `table`.
        needs : collection of {"last", "sequence", "total", "peak"}
            The hidden states to keep; "last" is always kept.
        reverse : bool, default=False
            Whether to read each row from its end.
        extra : ndarray of float32 of shape (b, n), default=None
            Added to the input share of each row at every step. Not with `compiled`.
        compiled : bool, default=False
            Whether to run the loop of :mod:`skrnn.kernels.loops`.

        Returns
        -------
        hidden : HiddenStates
        """
        states = self.start(int(packed.starts[1]))
        hidden = HiddenStates.begin(states[0], len(packed.ids), needs)
        if compiled:
            self._run_compiled(table, packed, states, hidden, reverse)
        else:
            self._run_numpy(table, packed, states, hidden, reverse, extra)
        return hidden

    def _run_numpy(
        self,
        table: np.ndarray,
        packed: Packed,
        states: list[np.ndarray],
        hidden: HiddenStates,
        reverse: bool,
        extra: np.ndarray | None,
    ) -> None:
        ids, starts = packed.ids, packed.starts
        n_rows, n_steps = len(states[0]), len(starts) - 1
        few = len(ids) * table.shape[1] <= FEW
        buffer = table[ids] if few else np.empty((n_rows, table.shape[1]), np.float32)
        for t in range(n_steps - 1, -1, -1) if reverse else range(n_steps):
            start, stop = starts[t], starts[t + 1]
            active = stop - start  # backwards, a row joins at its last token
            if few:
                x = buffer[start:stop]
            else:
                x = buffer[:active]
                table.take(ids[start:stop], axis=0, out=x, mode="clip")  # "clip": no check, no copy
            if extra is not None:
                x += extra[:active]
            now = states if active == n_rows else [state[:active] for state in states]
            self.step(x, *now)
            hidden.collect(now[0], start)

    def _run_compiled(
        self,
        table: np.ndarray,
        packed: Packed,
        states: list[np.ndarray],
        hidden: HiddenStates,
        reverse: bool,
    ) -> None:
        from skrnn.kernels.loops import loop

        u, ids = self.units, packed.ids.astype(np.int64, copy=False)
        nothing = np.empty((0, u), np.float32)
        loop(self.name)(
            table, ids, packed.starts, self.panels, self.recurrent_bias, np.float32(1), 2 * u, 3 * u, reverse,
            states[0], states[-1], hidden.sequence, nothing, hidden.total, hidden.peak,
        )  # fmt: skip

    @cached_property
    def panels(self) -> np.ndarray:
        """The recurrent kernel in the layout of the compiled loops."""
        from skrnn.kernels.products import panels

        return panels(np.ascontiguousarray(self.recurrent.swapaxes(0, 1)).reshape(self.units, -1))


class SimpleRNN(Cell):
    """The recurrent cell of Elman (1990)."""

    name = "simple_rnn"
    gates = ("h",)

    @staticmethod
    def textbook(x: np.ndarray, states: list[np.ndarray], weights: Weights, f: Activate) -> list[np.ndarray]:
        """Return [h] after one step, see :meth:`Cell.textbook`."""
        (h,) = states
        W, U, b = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
        return [f(x @ W + h @ U + b)]

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h (b, u) with x (b, u)."""
        (h,) = states
        x += h @ self.recurrent[0]
        self.activate(x, out=h)


class GRU(Cell):
    """The gated recurrent unit (Cho et al. 2014), with the reset gate applied after the product.

    The recurrent product has a bias of its own, so the bias has shape (2, 3 u).
    """

    name = "gru"
    gates = ("z", "r", "h")  # update, reset, candidate
    sigmoids = ("z", "r")

    @classmethod
    def weight_shapes(cls, input_width: int, units: int) -> Shapes:
        """Return the shapes of the weights, in the layout of the Keras layer."""
        return {**super().weight_shapes(input_width, units), "bias": (2, 3 * units)}

    @staticmethod
    def textbook(x: np.ndarray, states: list[np.ndarray], weights: Weights, f: Activate) -> list[np.ndarray]:
        """Return [h] after one step, see :meth:`Cell.textbook`."""
        (h,) = states
        W, U, b = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
        Wz, Wr, Wh = np.split(x @ W + b[0], 3, axis=1)  # (b, u) each
        Uz, Ur, Uh = np.split(h @ U + b[1], 3, axis=1)
        z = expit(Wz + Uz)
        r = expit(Wr + Ur)
        candidate = f(Wh + r * Uh)
        return [z * h + (1 - z) * candidate]

    def _fold_weights(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray) -> None:
        """Add the two biases of z and r; the recurrent bias of the candidate is inside its gate."""
        u = self.units
        both = np.concatenate([bias[0, : 2 * u] + bias[1, : 2 * u], bias[0, 2 * u :]])
        super()._fold_weights(kernel, recurrent_kernel, both)
        self.recurrent_bias = bias[1, 2 * u :].copy()

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h (b, u) with x (b, 3 u)."""
        (h,) = states
        gates, x = h @ self.recurrent, self._apart(x)  # (3, b, u)
        zr, candidate = gates[:2], gates[2]
        zr += x[:2]
        z, r = _sigmoid_of_twice(zr)
        candidate += self.recurrent_bias
        candidate *= r
        candidate += x[2]
        self.activate(candidate, out=candidate)
        h -= candidate
        h *= z
        h += candidate


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), with a forget gate (Gers et al. 2000)."""

    name = "lstm"
    gates = ("i", "f", "c", "o")  # input, forget, candidate, output
    sigmoids = ("i", "f", "o")
    states = {"h": 1, "c": 1}  # hidden state and cell state

    @classmethod
    def initial_bias(cls, shape: tuple[int, ...]) -> np.ndarray:
        """Return zeros, and ones for the forget gate (Jozefowicz et al. 2015)."""
        bias = super().initial_bias(shape)
        np.split(bias, 4)[1][:] = 1.0
        return bias

    @staticmethod
    def textbook(x: np.ndarray, states: list[np.ndarray], weights: Weights, f: Activate) -> list[np.ndarray]:
        """Return [h, c] after one step, see :meth:`Cell.textbook`."""
        h, c = states
        W, U, b = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
        i, forget, candidate, o = np.split(x @ W + h @ U + b, 4, axis=1)  # (b, u) each
        c = expit(forget) * c + expit(i) * f(candidate)
        h = expit(o) * f(c)
        return [h, c]

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h and c (b, u) with x (b, 4 u), whose gates are i, f, o, c."""
        h, c = states
        gates = h @ self.recurrent  # (4, b, u)
        gates += self._apart(x)
        i, forget, o = _sigmoid_of_twice(gates[:3])
        candidate = gates[3]
        self.activate(candidate, out=candidate)
        c *= forget
        candidate *= i
        c += candidate
        self.activate(c, out=h)
        h *= o


CELLS: dict[str, type[Cell]] = {cell.name: cell for cell in (SimpleRNN, GRU, LSTM)}


def cell_shapes(spec: Spec, name: str, input_width: int) -> Shapes:
    """Return the shapes of the weights of one cell of a network, under their names in the network."""
    shapes = CELLS[spec.cell].weight_shapes(input_width, spec.rnn_units)
    return {f"{name}/{part}": shape for part, shape in shapes.items()}


def cell_weights(weights: Weights, name: str) -> dict[str, Any]:
    """Return the weights of one cell of a network, under their names in the cell."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): np.asarray(array)
        for key, array in weights.items()
        if key.startswith(prefix)
    }
