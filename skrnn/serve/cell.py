"""Stage 3 in NumPy: what all recurrent cells have in common.

A cell folds its weights once. ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2`` lets one tanh serve all gates. The
division by two is part of the folded weights and exact, because two is a power of two.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from skrnn.serve.batches import Packed
from skrnn.spec import Spec, Weights

FEW = 2**18  # values of input shares that are looked up for all steps at once

Shapes = dict[str, tuple[int, ...]]
Activate = Callable[..., np.ndarray]  # (x, out) -> out


def sigmoid_of_twice(x: np.ndarray) -> np.ndarray:
    """Return sigmoid(2 x) = (tanh(x) + 1) / 2, in place."""
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


ACTIVATE: dict[str, Activate] = {
    "tanh": np.tanh,
    "relu": lambda x, out: np.maximum(x, 0, out=out),
    "sigmoid": lambda x, out: sigmoid_of_twice(np.multiply(x, 0.5, out=out)),
    "linear": np.positive,
}


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
    prefix : str
        How the names of its weights begin, for example "forward_0".

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

    def __init__(self, spec: Spec, weights: Weights, prefix: str) -> None:
        self.units, self.activate = spec.rnn_units, ACTIVATE[spec.rnn_activation]
        kernel, bias, recurrent, inner_bias = self.merged(cell_weights(weights, prefix), np)
        self.kernel, self.bias, self.recurrent_bias = self._fold(kernel), self._fold(bias), inner_bias
        n_products = recurrent.shape[1] // self.units
        recurrent = self._fold(recurrent).reshape(self.units, n_products, self.units)  # (u, g, u)
        self.recurrent = np.ascontiguousarray(recurrent.swapaxes(0, 1))

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
    @abstractmethod
    def textbook(x: Any, states: list, weights: dict[str, Any], f: Callable, sigmoid: Callable) -> list:
        """Return the states after one step, by the formula of the paper.

        The formula takes NumPy arrays and Keras tensors: Keras trains with it if it has no such cell.

        Parameters
        ----------
        x : array or tensor of shape (b, d)
            Input.
        states : list of array or tensor of shape (b, n u)
            The states before the step.
        weights : dict of str to array or tensor
            The weights of the cell, see :meth:`weight_shapes`.
        f : callable
            Activation of the candidate state.
        sigmoid : callable
            The sigmoid function.

        Returns
        -------
        states : list of array or tensor
            The first is the hidden state.
        """

    @classmethod
    def merged(cls, weights: dict[str, Any], xp: Any) -> tuple[Any, Any, Any, Any]:
        """Return the weights as a loop over the steps needs them.

        Parameters
        ----------
        weights : dict of str to array or tensor
            The weights of the cell, see :meth:`weight_shapes`.
        xp : module
            `numpy` or `keras.ops`.

        Returns
        -------
        kernel : (d, n), bias : (n,)
            Give the input's share of the gates.
        recurrent : (u, g u)
            Gives the recurrent share; it has no columns if the cell has no recurrent product.
        inner_bias : (u,) or (0,)
            Bias inside a gate, of the GRU.
        """
        return weights["kernel"], weights["bias"], weights["recurrent_kernel"], weights["bias"][:0]

    @classmethod
    def unmerged(
        cls, kernel: np.ndarray, bias: np.ndarray, recurrent: np.ndarray, inner_bias: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the gradients of the weights from those of what :meth:`merged` returns."""
        return {"kernel": kernel, "bias": bias, "recurrent_kernel": recurrent}

    @abstractmethod
    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update the states by one step, in place.

        Parameters
        ----------
        x : ndarray of float32 of shape (b, n)
            What :meth:`inputs` returns. The step may overwrite it.
        *states : ndarray of float32 of shape (b, u)
            The states.
        """

    def _fold(self, weight: np.ndarray) -> np.ndarray:
        """Return a copy of a weight (..., k g u) with the sigmoid gates first, divided by two."""
        others = tuple(gate for gate in self.gates if gate not in self.sigmoids)
        order = [self.gates.index(gate) for gate in self.sigmoids + others]
        columns = np.arange(weight.shape[-1]).reshape(-1, len(self.gates), self.units)  # (k, g, u)
        folded = np.array(weight) if order == sorted(order) else weight[..., columns[:, order].ravel()]
        folded[..., columns[:, : len(self.sigmoids)].ravel()] *= 0.5
        return folded

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
        from skrnn.kernels.loops import panels

        n_products = len(self.recurrent)
        recurrent = np.ascontiguousarray(self.recurrent.swapaxes(0, 1))
        return panels(recurrent.reshape(self.units, n_products * self.units))


def split(x: Any, n: int) -> list[Any]:
    """Return an array or tensor in n parts of its last axis."""
    u = x.shape[-1] // n
    return [x[..., i * u : (i + 1) * u] for i in range(n)]


def cell_weights(weights: Weights, prefix: str) -> dict[str, np.ndarray]:
    """Return the weights of one cell of a network, under their names in the cell."""
    return {
        name.removeprefix(f"{prefix}/"): np.asarray(array)
        for name, array in weights.items()
        if name.startswith(f"{prefix}/")
    }
