"""Threads over batches: their number, and one BLAS thread in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock

import joblib
import numpy as np
from threadpoolctl import ThreadpoolController

from skrnn.serve.packing import serving_batches

MAX_TOKENS = 65536  # of a batch
MAX_ROWS = 256  # of a batch
MAX_ROWS_COMPILED = 64  # of a batch of the compiled loops: their gates stay in the cache


def n_threads(n_jobs: int | None) -> int:
    """Return a number of threads.

    Parameters
    ----------
    n_jobs : int or None
        A positive number of threads, or a negative number that counts from the number of cores, -1 for all.
        None is all cores, or in a worker process what OMP_NUM_THREADS allots to it.

    Returns
    -------
    n_threads : int
    """
    if n_jobs is None:
        return int(os.environ.get("OMP_NUM_THREADS") or _n_cores())
    return n_jobs if n_jobs > 0 else max(1, _n_cores() + 1 + n_jobs)


_n_cores = cache(joblib.cpu_count)  # it reads files


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
    if len(lengths) == 1:
        work(np.zeros(1, np.int64))
        return
    batches = serving_batches(lengths, max_rows, MAX_TOKENS)
    with one_blas_thread():
        if n_jobs == 1 or len(batches) < 2:
            for rows in batches:
                work(rows)
        else:
            with ThreadPoolExecutor(min(n_jobs, len(batches))) as pool:
                list(pool.map(work, batches))


_blas_lock, _blas_users, _blas_limit = Lock(), 0, None


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread while any thread is inside.

    The limit belongs to the process, so the first thread sets it and the last one restores it.
    """
    global _blas_users, _blas_limit
    with _blas_lock:
        _blas_users += 1
        if _blas_users == 1:
            _blas_limit = _threadpools().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0 and _blas_limit is not None:
                _blas_limit.restore_original_limits()
