"""Stage 3 in NumPy: the recurrent cells, one class each.

Each class shows its formula twice. :meth:`Cell.textbook` follows the paper; it is the reference of the tests,
and Keras trains with it if it has no such cell. :meth:`Cell.step` computes the same from folded weights, in
place. To add a cell, write its class here, and its compiled loop in a file of its name in
:mod:`skrnn.kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skrnn.serve.cell import Cell, Shapes, sigmoid_of_twice, split
from skrnn.spec import Spec


class SimpleRNN(Cell):
    """The recurrent cell of Elman (1990)."""

    name = "simple_rnn"
    gates = ("h",)

    @staticmethod
    def textbook(x: Any, states: list, weights: dict[str, Any], f: Callable, sigmoid: Callable) -> list:
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
    def textbook(x: Any, states: list, weights: dict[str, Any], f: Callable, sigmoid: Callable) -> list:
        """Return [h] after one step, see :meth:`Cell.textbook`."""
        (h,) = states
        W, U, b = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
        Wz, Wr, Wh = split(x @ W + b[0], 3)  # (b, u) each
        Uz, Ur, Uh = split(h @ U + b[1], 3)
        z = sigmoid(Wz + Uz)
        r = sigmoid(Wr + Ur)
        candidate = f(Wh + r * Uh)
        return [z * h + (1 - z) * candidate]

    @classmethod
    def merged(cls, weights: dict[str, Any], xp: Any) -> tuple[Any, Any, Any, Any]:
        """Add the two biases of z and r; the recurrent bias of the candidate stays inside its gate."""
        b = weights["bias"]
        u = b.shape[1] // 3
        bias = xp.concatenate([b[0, : 2 * u] + b[1, : 2 * u], b[0, 2 * u :]])
        return weights["kernel"], bias, weights["recurrent_kernel"], b[1, 2 * u :]

    @classmethod
    def unmerged(
        cls, kernel: np.ndarray, bias: np.ndarray, recurrent: np.ndarray, inner_bias: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the gradients of the weights; both biases of z and r have the same."""
        second = np.concatenate([bias[: -len(inner_bias)], inner_bias])
        return {"kernel": kernel, "bias": np.stack([bias, second]), "recurrent_kernel": recurrent}

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h (b, u) with x (b, 3 u)."""
        (h,) = states
        gates, x = h @ self.recurrent, self._apart(x)  # (3, b, u)
        zr, candidate = gates[:2], gates[2]
        zr += x[:2]
        z, r = sigmoid_of_twice(zr)
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
    def textbook(x: Any, states: list, weights: dict[str, Any], f: Callable, sigmoid: Callable) -> list:
        """Return [h, c] after one step, see :meth:`Cell.textbook`."""
        h, c = states
        W, U, b = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
        i, forget, candidate, o = split(x @ W + h @ U + b, 4)  # (b, u) each
        c = sigmoid(forget) * c + sigmoid(i) * f(candidate)
        h = sigmoid(o) * f(c)
        return [h, c]

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h and c (b, u) with x (b, 4 u), whose gates are i, f, o, c."""
        h, c = states
        gates = h @ self.recurrent  # (4, b, u)
        gates += self._apart(x)
        i, forget, o = sigmoid_of_twice(gates[:3])
        candidate = gates[3]
        self.activate(candidate, out=candidate)
        c *= forget
        candidate *= i
        c += candidate
        self.activate(c, out=h)
        h *= o


class QRNN(Cell):
    """The quasi-recurrent cell (Bradbury et al. 2017), with a window of two tokens and f-pooling.

    The gates read this token and the previous one, not the hidden state. So there is no recurrent product:
    serving the bottom layer takes two look-ups and one multiply-add for each unit. Use more units than for a
    GRU, for example twice as many. `recurrent_dropout` has no effect.
    """

    name = "qrnn"
    gates = ("f", "z")  # forget, candidate
    sigmoids = ("f",)
    states = {"h": 1, "before": 2}  # hidden state, and the previous token's share of the gates

    @classmethod
    def weight_shapes(cls, input_width: int, units: int) -> Shapes:
        """Return the shapes of the weights; the kernel holds the shares of this token and of the next."""
        return {"kernel": (input_width, 4 * units), "bias": (2 * units,)}

    @classmethod
    def merged(cls, weights: dict[str, Any], xp: Any) -> tuple[Any, Any, Any, Any]:
        """Give the share of the next token no bias; there is no recurrent product."""
        b = weights["bias"]
        bias = xp.concatenate([b, xp.zeros_like(b)])
        return weights["kernel"], bias, xp.zeros((b.shape[0] // 2, 0), dtype="float32"), b[:0]

    @classmethod
    def unmerged(
        cls, kernel: np.ndarray, bias: np.ndarray, recurrent: np.ndarray, inner_bias: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the gradients of the weights; the share of the next token has no bias."""
        return {"kernel": kernel, "bias": bias[: len(bias) // 2]}

    @staticmethod
    def textbook(x: Any, states: list, weights: dict[str, Any], f: Callable, sigmoid: Callable) -> list:
        """Return [h, before] after one step, see :meth:`Cell.textbook`."""
        h, before = states
        now, after = split(x @ weights["kernel"], 2)  # (b, 2 u) each
        forget, candidate = split(now + before + weights["bias"], 2)  # (b, u) each
        forget, candidate = sigmoid(forget), f(candidate)
        return [forget * h + (1 - forget) * candidate, after]

    def step(self, x: np.ndarray, *states: np.ndarray) -> None:
        """Update h (b, u) and before (b, 2 u) with x (b, 4 u)."""
        h, before = states
        u = self.units
        before += x[:, : 2 * u]
        forget, candidate = sigmoid_of_twice(before[:, :u]), before[:, u:]
        self.activate(candidate, out=candidate)
        h -= candidate
        h *= forget
        h += candidate
        before[:] = x[:, 2 * u :]


CELLS: dict[str, type[Cell]] = {cell.name: cell for cell in (SimpleRNN, GRU, LSTM, QRNN)}


def cell_shapes(spec: Spec, prefix: str, input_width: int) -> Shapes:
    """Return the shapes of the weights of one cell of a network, under their names in the network."""
    shapes = CELLS[spec.cell].weight_shapes(input_width, spec.rnn_units)
    return {f"{prefix}/{part}": shape for part, shape in shapes.items()}
