"""Compile the recurrent loops, for serving and for training.

Importing this module imports Numba. Call :func:`skrnn.kernels.use_compiled`
first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from numba import njit, types

from skrnn.kernels.gates import OPTIONS
from skrnn.kernels.products import panels

__all__ = ["loop", "panels", "saved_per_unit"]


def _in(n_dim: int, dtype: types.Type = types.float32) -> types.Array:
    return types.Array(dtype, n_dim, "C", readonly=True)


def _out(n_dim: int) -> types.Array:
    return types.Array(types.float32, n_dim, "C")


_FORWARD = types.Tuple((
    _in(2), _in(1, types.int64), _in(1, types.int64), _in(3), _in(1), types.float32, types.int64, types.int64,
    types.boolean, _out(2), _out(2), _out(2), _out(2), _out(2), _out(2),
))  # fmt: skip
_BACKWARD = types.Tuple((
    _in(1, types.int64), _in(3), types.boolean, _in(2), _in(2), _in(2), _in(2), _out(2), _out(2), _out(2),
    _out(2), _out(2),
))  # fmt: skip


@cache
def loop(name: str) -> Callable[..., None]:
    """Compile a loop, or load it from Numba's cache on disk.

    The first use on a machine takes some seconds. If no folder for the cache
    can be written, each process compiles anew.

    Parameters
    ----------
    name : str
        A cell with a module in this folder for its forward loop,
        "backward_" and a cell for its backward loop.

    Returns
    -------
    loop : callable
        Takes the arguments that :mod:`skrnn.kernels.over_time` lists, by position.

    Raises
    ------
    ImportError
        If there is no such loop.
    RuntimeError
        If the environment variable ``NUMBA_DISABLE_JIT`` is set.
    """
    backward, cell = name.startswith("backward_"), name.removeprefix("backward_")
    module = import_module(f"skrnn.kernels.{cell}")
    if backward:
        compiled = _compile(module.backward, types.void(_BACKWARD))
    else:
        compiled = _compile(module.forward, types.void(_FORWARD))
    return lambda *arguments: compiled(arguments)


def saved_per_unit(cell: str) -> int:
    """Return how many values per token and unit the forward loop of a cell saves for the backward loop."""
    return import_module(f"skrnn.kernels.{cell}").SAVED_PER_UNIT


def _compile(function: Callable, signature: Any) -> Callable:
    # Numba's cache watches only the file that defines `function`. The checksum in the
    # name makes it also notice changes of the files that all loops share.
    function.__qualname__ = f"{function.__name__}_{_checksum()}"
    try:
        compiled = njit(signature, **OPTIONS | {"cache": True})(function)
    except (RuntimeError, OSError):  # no folder for the cache can be written
        compiled = njit(signature, **OPTIONS)(function)
    if compiled is function:
        raise RuntimeError("the environment variable NUMBA_DISABLE_JIT is set")
    return compiled


@cache
def _checksum() -> str:
    """Return a checksum of the source of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
