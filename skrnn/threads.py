"""How many threads compute: the number that a caller asks for or a process is allotted, and those of BLAS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import joblib
from threadpoolctl import ThreadpoolController

MIN_ROWS, MAX_PARTS = 16, 4  # minimum rows of a part of a training batch, maximum number of parts


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
        return allotted_threads() or _n_cores()
    return n_jobs if n_jobs > 0 else max(1, _n_cores() + 1 + n_jobs)


def allotted_threads() -> int | None:
    """Return how many threads the environment variable OMP_NUM_THREADS allots to this process.

    OpenMP allows a list with one number for each level of nested loops, for example "4,2"; the first one
    counts. Like OpenMP, ignore values that are no positive int.

    Returns
    -------
    n_threads : int or None
        At most the number of cores. None if the variable is not set or not usable.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if not (first.isascii() and first.isdigit()) or not first.strip("0"):
        return None
    return _n_cores() if len(first) > 9 else min(int(first), _n_cores())


def n_parts(n_rows: int) -> int:
    """Return into how many parts the rows of a training batch are divided, on every machine."""
    return min(max(n_rows // MIN_ROWS, 1), MAX_PARTS)


def in_threads(work: Callable[[Any], Any], parts: Iterable[Any]) -> list[Any]:
    """Call a function on each part of some work, in the threads that this process is allotted.

    Parameters
    ----------
    work : callable
        Called with a part. It releases the GIL for most of its time.
    parts : iterable
        The parts, which should not depend on the number of threads.

    Returns
    -------
    results : list
        The results in the order of the parts.
    """
    parts, n = list(parts), n_threads(None)
    if n == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    return list(_pool(n).map(work, parts))


@cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, "skrnn")


_n_cores = cache(joblib.cpu_count)  # it reads files
_blas_lock, _blas_users, _blas_limit = Lock(), 0, None
if hasattr(os, "register_at_fork"):  # a lock that another thread holds during a fork would never be released
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork does not copy threads
    os.register_at_fork(
        before=_blas_lock.acquire, after_in_parent=_blas_lock.release, after_in_child=_blas_lock.release
    )


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
