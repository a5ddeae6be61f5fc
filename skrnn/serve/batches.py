"""Batches for serving: rows of similar length, stored step by step without padding, run in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skrnn.ragged import Ragged
from skrnn.threads import one_blas_thread


class Packed(NamedTuple):
    """A batch stored step by step, without padding; rows are sorted from long to short.

    ``ids[starts[t] : starts[t + 1]]`` are the ids of step t for the first ``starts[t + 1] - starts[t]`` rows:
    as texts end, the number of rows of a step falls.
    """

    ids: np.ndarray  # (n_tokens,) int32, step-major
    starts: np.ndarray  # (t + 1,) int64
    row_major: np.ndarray  # (n_tokens,) int64, the place of each id in row-major order
    offsets: np.ndarray  # (b + 1,) int64, row-major

    def to_row_major(self, values: np.ndarray) -> np.ndarray:
        """Return step-major values (n_tokens, ...) row by row."""
        out = np.empty_like(values)
        out[self.row_major] = values
        return out

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Return step-major values as one array for each row."""
        return np.split(self.to_row_major(values), self.offsets[1:-1])


def pack(rows: Ragged) -> Packed:
    """Pack rows that are sorted by falling length and have at least one id each.

    Parameters
    ----------
    rows : Ragged
        Ids, the longest row first.

    Returns
    -------
    packed : Packed

    Examples
    --------
    >>> from skrnn.ragged import Ragged
    >>> from skrnn.serve.batches import pack
    >>> packed = pack(Ragged.from_rows([[7, 8, 9], [5]]))
    >>> packed.ids.tolist(), packed.starts.tolist()
    ([7, 5, 8, 9], [0, 2, 3, 4])
    """
    n_steps = int(rows.lengths[0])
    active = len(rows) - np.searchsorted(rows.lengths[::-1], np.arange(n_steps), side="right")
    starts = np.zeros(n_steps + 1, np.int64)
    np.cumsum(active, out=starts[1:])
    step = np.repeat(np.arange(n_steps), active)
    row = np.arange(len(step)) - starts[:-1][step]
    row_major = rows.offsets[row] + step
    return Packed(rows.ids[row_major], starts, row_major, rows.offsets)


def serving_batches(lengths: np.ndarray, max_rows: int, max_tokens: int) -> list[np.ndarray]:
    """Divide rows into batches of similar length, the longest row first within each.

    Parameters
    ----------
    lengths : ndarray of int of shape (n_rows,)
        Length of each row.
    max_rows, max_tokens : int
        Maximum number of rows and of ids in a batch. A row that is longer forms a batch of its own.

    Returns
    -------
    batches : list of ndarray of int
        Row numbers; each row is in exactly one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, min(max_rows, max_tokens // max(1, int(lengths[order[start]]))))
        batches.append(order[start : start + rows])
        start += rows
    return batches


MAX_TOKENS = 65536  # of a batch
MAX_ROWS = 256  # of a batch
MAX_ROWS_COMPILED = 64  # of a batch of the compiled loops: their gates stay in the cache


def over_batches(
    work: Callable[[np.ndarray], None], lengths: np.ndarray, n_jobs: int, max_rows: int = MAX_ROWS
) -> None:
    """Call a function on each batch of rows, in threads.

    The batches, and so the last bits of a result, do not depend on the number of threads.

    Parameters
    ----------
    work : callable
        Called with row numbers. The rows have similar lengths, the longest first.
    lengths : ndarray of int of shape (n_rows,)
        Length of each row.
    n_jobs : int
        Number of threads. BLAS has one thread in each.
    max_rows : int, default=256
        Maximum number of rows of a batch.
    """
    with one_blas_thread():
        if len(lengths) == 1:
            work(np.zeros(1, np.int64))
            return
        batches = serving_batches(lengths, max_rows, MAX_TOKENS)
        if n_jobs == 1 or len(batches) < 2:
            for rows in batches:
                work(rows)
        else:
            with ThreadPoolExecutor(min(n_jobs, len(batches))) as pool:
                list(pool.map(work, batches))
