"""The one function that decides whether compiled loops compute. It imports no Numba."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec

MIN_TOKENS = 2**18  # of a serving call; below, importing Numba takes longer than it saves


def use_compiled(cell: str, activation: str, n_tokens: int | None = None) -> bool:
    """Decide whether a compiled loop or NumPy (when training, Keras) computes.

    Ask once for each call, and treat all texts of the call alike: the two
    differ in the last bits of a state.

    Parameters
    ----------
    cell : str
        Recurrent cell, for example "gru". The answer is False for a cell
        without a compiled loop.
    activation : str
        Activation of the cell. The answer is False unless it is "tanh".
    n_tokens : int, default=None
        Number of tokens of the whole call, if it serves; None if it trains.

    Returns
    -------
    compiled : bool
        If True, the loops that the call needs are compiled and loaded.

    Raises
    ------
    ValueError
        If ``SKRNN_COMPILED`` is not "auto", "always" or "never".
    RuntimeError
        If ``SKRNN_COMPILED`` is "always" and the loops cannot be compiled.

    Examples
    --------
    >>> from skrnn.kernels import use_compiled
    >>> use_compiled("gru", "relu", n_tokens=10_000_000)
    False
    """
    setting = os.environ.get("SKRNN_COMPILED", "auto")
    if setting not in ("auto", "always", "never"):
        raise ValueError(
            f"The environment variable SKRNN_COMPILED must be 'auto', 'always' or 'never'; got {setting!r}."
        )
    if setting == "never" or activation != "tanh" or not has_loop(cell):
        return False
    if setting == "auto" and n_tokens is not None and n_tokens < MIN_TOKENS:
        return False
    obstacle = _obstacle(cell, training=n_tokens is None)
    if obstacle and setting == "always":
        raise RuntimeError(
            f"SKRNN_COMPILED is 'always', but the loop of cell {cell!r} cannot be compiled: {obstacle}. "
            "Install a working Numba (pip install --upgrade numba), or set SKRNN_COMPILED to 'auto' "
            "to compute without it."
        )
    return not obstacle


@cache
def has_loop(cell: str) -> bool:
    """Return whether there is a compiled loop for a cell: a module of its name."""
    return find_spec(f"skrnn.kernels.{cell}") is not None


@cache
def _obstacle(cell: str, *, training: bool) -> str:
    """Compile or load the loops of a cell; return why that failed, or ""."""
    if find_spec("numba") is None:
        return "Numba is not installed"
    try:
        from skrnn.kernels.loops import loop

        loop(cell)
        if training:
            loop(f"backward_{cell}")
            import_module("skrnn.kernels.adam")
    except Exception as error:  # broken installations fail in many ways, and NumPy can do the work
        return f"{type(error).__name__}: {error}"
    return ""
