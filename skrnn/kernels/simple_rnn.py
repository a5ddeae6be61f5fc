"""The simple recurrent cell (Elman 1990), compiled.

``h_t = tanh(W x_t + U h_{t-1} + b)``
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time

SAVED_PER_UNIT = 0  # values per token and unit that `forward` saves for `backward`


@njit(**OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, memory, saved, token):
    """Update `h` by one token; arguments as of :func:`skrnn.kernels.gru.row`."""
    h[:] = gates[: h.size]
    tanh_row(x, h)


@njit(**OPTIONS)
def backward_row(saved, previous, h, dh, d_memory, dx, d_recurrent, d_gates):
    """Go back by one token; arguments as of :func:`skrnn.kernels.gru.backward_row`."""
    u = h.size
    for j in range(u):
        d_gates[j] = dh[j] * (ONE - h[j] * h[j])
    dx[:] = d_gates
    dh[:] = 0


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
