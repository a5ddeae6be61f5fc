"""Activations of the gates, for the compiled loops of all cells.

All arithmetic is in float32. A loop that writes one array and reads few
becomes vector instructions. In a longer loop LLVM would have to rule out
too many overlaps between arrays, so each gate has a loop of its own.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # without "nnan": NaN must reach the loss
}
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)


@njit(inline="always", **OPTIONS)
def tanh(x):
    """Return tanh(x) within 3e-7, by Eigen's rational approximation.

    Unlike calls of a library, it becomes vector instructions everywhere.
    """
    bound = np.float32(7.90531110763549805)
    x = bound if x > bound else x
    x = -bound if x < -bound else x
    y = x * x
    p = np.float32(-2.76076847742355e-16)
    p = p * y + np.float32(2.00018790482477e-13)
    p = p * y + np.float32(-8.60467152213735e-11)
    p = p * y + np.float32(5.12229709037114e-08)
    p = p * y + np.float32(1.48572235717979e-05)
    p = p * y + np.float32(6.37261928875436e-04)
    p = p * y + np.float32(4.89352455891786e-03)
    q = np.float32(1.19825839466702e-06)
    q = q * y + np.float32(1.18534705686654e-04)
    q = q * y + np.float32(2.26843463243900e-03)
    q = q * y + np.float32(4.89352518554385e-03)
    return x * p / q


@njit(**OPTIONS)
def copy(values, out):
    """Set ``out = values``.

    An assignment to a slice would do the same, but for its error message
    Numba compiles the formatting of text, which takes 5 s.
    """
    for j in range(out.size):
        out[j] = values[j]


@njit(**OPTIONS)
def tanh_row(x, out):
    """Set ``out = tanh(x + out)``."""
    for j in range(out.size):
        out[j] = tanh(x[j] + out[j])


@njit(**OPTIONS)
def sigmoid_row(x, half, out):
    """Set ``out = sigmoid(x + out)``, as ``tanh((x + out) / 2) / 2 + 1 / 2``.

    `half` is 0.5, or 1 if the weights have been halved already.
    """
    for j in range(out.size):
        out[j] = HALF * tanh((x[j] + out[j]) * half) + HALF
