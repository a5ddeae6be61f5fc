"""The compiled loop of a recurrent cell, with its gradient, and memory for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from skrnn.kernels import loops  # imports Numba, which is optional

_NOTHING = np.empty((0, 0), np.float32)
saved_per_unit = loops.saved_per_unit


class Memory(threading.local):
    """Arrays that a thread uses again in each step, because fresh pages of memory take time."""

    def __init__(self) -> None:
        self.block, self.n_used = np.empty(0, np.float32), 0

    def release(self) -> None:
        """Let the next arrays overwrite all earlier ones."""
        if self.n_used > len(self.block):
            self.block = np.empty(self.n_used + self.n_used // 4, np.float32)
        self.n_used = 0

    def __call__(self, *shape: int) -> np.ndarray:
        """Return an array of float32 with any values."""
        start, n = self.n_used, int(np.prod(shape))
        self.n_used += -(-n // 16) * 16  # each array begins where a vector register begins
        if self.n_used > len(self.block):
            return np.empty(shape, np.float32)
        return self.block[start : start + n].reshape(shape)


def _empty(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


class Run(NamedTuple):
    """What the loop has read, and what its gradient needs; the last three are for poolings."""

    starts: np.ndarray  # (t + 1,), where each step begins among the tokens
    first: list[np.ndarray]  # (b, n u) each, the states before the first token
    sequence: np.ndarray  # (n_tokens, u), the hidden states in the order of the tokens
    saved: np.ndarray  # (n_tokens, s u)
    last: Sequence[np.ndarray] = ()  # (b, n u) each, the states after the last token
    total: np.ndarray = _NOTHING  # (b, u), the sum of the hidden states of each row
    peak: np.ndarray = _NOTHING  # (b, u), their maximum


class Loop:
    """One cell that reads packed rows in one direction, with its weights of one step of training.

    Parameters
    ----------
    cell : str
        Name of the cell, see :func:`skrnn.kernels.use_compiled`.
    recurrent : ndarray of float32 of shape (u, g u)
        Recurrent kernel, without columns if the cell has no recurrent product.
    inner : ndarray of float32 of shape (u,) or (0,)
        Bias inside a gate, of the GRU.
    reverse : bool
        Whether to read each row from its end.
    memory : callable, default=None
        Returns an array of float32 of a shape, for large arrays.
    """

    def __init__(
        self,
        cell: str,
        recurrent: np.ndarray,
        inner: np.ndarray,
        *,
        reverse: bool,
        memory: Callable[..., np.ndarray] = _empty,
    ) -> None:
        self.cell, self.reverse, self.memory = cell, reverse, memory
        self.recurrent, self.inner = recurrent, np.ascontiguousarray(inner)
        self.panels = loops.panels(recurrent)
        self.transposed = loops.panels(recurrent.T if recurrent.size else recurrent)

    def read(
        self, table: np.ndarray, ids: np.ndarray, starts: np.ndarray, first: list[np.ndarray], *, pool: bool
    ) -> Run:
        """Read packed rows.

        Parameters
        ----------
        table : ndarray of float32 of shape (any, g u)
            The input's share of the gates, bias included.
        ids : ndarray of int64 of shape (n_tokens,)
            The row of `table` of each token.
        starts : ndarray of int64 of shape (t + 1,)
            Where each step begins among the tokens.
        first : list of ndarray of float32 of shape (b, n u)
            The states before the first token.
        pool : bool
            Whether to compute the sum and the maximum of the states; otherwise they have no rows.
        """
        n, (b, u) = len(ids), first[0].shape
        sequence = self.memory(n, u)
        saved = self.memory(n, loops.saved_per_unit(self.cell) * u)
        total = np.zeros((b * pool, u), np.float32)
        peak = np.full((b * pool, u), -np.inf, np.float32)
        last = [np.array(state) for state in first]
        loops.loop(self.cell)(
            table, ids, starts, self.panels, self.inner, np.float32(0.5), 3 * u, 2 * u, self.reverse,
            last[0], last[-1], sequence, saved, total, peak,
        )  # fmt: skip
        return Run(starts, first, sequence, saved, last, total, peak)

    def gradients(
        self, run: Run, d_sequence: np.ndarray, d_last: list[np.ndarray], width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
        """Return the gradients of the input's share, the recurrent kernel, the inner bias and `first`.

        Parameters
        ----------
        run : Run
            What the loop has read.
        d_sequence : ndarray of float32 of shape (n_tokens, u)
            Gradient of the hidden states.
        d_last : list of ndarray of float32 of shape (b, n u)
            Gradients of the last states; overwritten.
        width : int
            Number of columns of the input's share.
        """
        n, u = d_sequence.shape
        dx = self.memory(n, width)
        d_share = self.memory(n, width) if self.inner.size else dx  # of the recurrent share
        before = self.memory(n, u)
        loops.loop(f"backward_{self.cell}")(
            run.starts, self.transposed, self.reverse, run.first[0], run.sequence, run.saved, d_sequence,
            d_last[0], d_last[-1], dx, d_share, before,
        )  # fmt: skip
        d_recurrent = before.T @ d_share if self.recurrent.size else np.zeros_like(self.recurrent)
        d_inner = column_sums(d_share)[2 * u :] if self.inner.size else np.zeros_like(self.inner)
        return dx, d_recurrent, d_inner, d_last


def column_sums(x: np.ndarray) -> np.ndarray:
    """Return the sums of the columns, by BLAS."""
    return np.ones(len(x), np.float32) @ x
