"""The simple recurrent cell (Elman 1990), compiled.

``h_t = tanh(W x_t + U h_{t-1} + b)``
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, ZERO, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time

SAVED_PER_UNIT = 0  # values per token and unit that `forward` saves for `backward`


@njit(inline="always", **OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, memory, saved, token):
    """Update `h` by one token; arguments as of :func:`skrnn.kernels.gru.row`."""
    for j in range(h.size):
        h[j] = gates[j]
    tanh_row(x, h)


@njit(inline="always", **OPTIONS)
def backward_row(saved, previous, h, dh, d_memory, dx, d_recurrent, d_gates):
    """Go back by one token; arguments as of :func:`skrnn.kernels.gru.backward_row`."""
    u = h.size
    for j in range(u):
        d_gates[j] = dh[j] * (ONE - h[j] * h[j])
    for j in range(u):
        dx[j] = d_gates[j]
    for j in range(u):
        dh[j] = ZERO


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
