"""Compile functions with Numba, with a cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit, types

from skrnn.kernels.gates import OPTIONS


def constant(n_dim: int, dtype: types.Type = types.float32) -> types.Array:
    """Return the type of an array that a compiled function only reads."""
    return types.Array(dtype, n_dim, "C", readonly=True)


def mutable(n_dim: int, dtype: types.Type = types.float32) -> types.Array:
    """Return the type of an array that a compiled function writes to."""
    return types.Array(dtype, n_dim, "C")


def compiled(function: Callable, signature: Any) -> Callable:
    """Compile a function for one signature, or load it from Numba's cache on disk.

    Raises
    ------
    RuntimeError
        If the environment variable ``NUMBA_DISABLE_JIT`` is set.
    """
    # Numba's cache watches only the file that defines `function`. The checksum in the
    # name makes it also notice changes of the files that all loops share.
    function.__qualname__ = f"{function.__name__}_{_checksum()}"
    try:
        run = njit(signature, **OPTIONS | {"cache": True})(function)
    except (RuntimeError, OSError):  # no folder for the cache can be written
        run = njit(signature, **OPTIONS)(function)
    if run is function:
        raise RuntimeError("the environment variable NUMBA_DISABLE_JIT is set")
    return run


@cache
def _checksum() -> str:
    """Return a checksum of the source of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
