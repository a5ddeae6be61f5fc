"""Compile the recurrent loops, for serving and for training.

Importing this module imports Numba. Call :func:`skrnn.kernels.use_compiled`
first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from numba import types

from skrnn.kernels.compiling import compiled, constant, mutable
from skrnn.kernels.products import panels

__all__ = ["loop", "panels", "saved_per_unit"]


_FORWARD = types.Tuple((
    constant(2), constant(1, types.int64), constant(1, types.int64), constant(3), constant(1), types.float32,
    types.int64, types.int64, types.boolean, *[mutable(2)] * 6,
))  # fmt: skip
_BACKWARD = types.Tuple((
    constant(1, types.int64), constant(3), types.boolean, *[constant(2)] * 4, *[mutable(2)] * 5,
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
        run = compiled(module.backward, types.void(_BACKWARD))
    else:
        run = compiled(module.forward, types.void(_FORWARD))
    return lambda *arguments: run(arguments)


def saved_per_unit(cell: str) -> int:
    """Return how many values per token and unit the forward loop of a cell saves for the backward loop."""
    return import_module(f"skrnn.kernels.{cell}").SAVED_PER_UNIT
