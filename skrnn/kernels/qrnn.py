"""The quasi-recurrent cell (Bradbury et al. 2017) with window 2 and f-pooling, compiled.

A gate reads the current and the previous token; there is no recurrent kernel::

    z = tanh(W_z x_t + V_z x_{t-1} + b_z)      candidate
    f = sigmoid(W_f x_t + V_f x_{t-1} + b_f)   forget gate
    h_t = f * h_{t-1} + (1 - f) * z

The input's share of a token has width 4 u: ``W_z x + b_z, W_f x + b_f`` for
its own gates and ``V_z x, V_f x`` for the gates of the next token in reading
order. The second state (b, 2 u) hands the latter on; it starts as zeros.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, sigmoid_row, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time


@njit(inline="always", **OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, share, saved, token):
    """Update `h` and `share` by one token; arguments as of :func:`skrnn.kernels.gru.row`.

    Saves 2 numbers per unit: z and f.
    """
    u = h.size
    z, f = share[:u], share[u:]
    tanh_row(x[:u], z)
    sigmoid_row(x[u : 2 * u], half, f)
    for j in range(u):
        h[j] = z[j] + f[j] * (h[j] - z[j])
    if len(saved):
        saved[token] = share
    share[:] = x[2 * u :]


@njit(inline="always", **OPTIONS)
def backward_row(saved, previous, h, dh, d_share, dx, d_recurrent, d_gates):
    """Go back by one token; arguments as of :func:`skrnn.kernels.gru.backward_row`.

    On entry, `d_share` is the gradient of the share that this token hands on;
    on return, of the share that it has received.
    """
    u = h.size
    z, f = saved[:u], saved[u:]
    dz, df = dx[:u], dx[u : 2 * u]
    dx[2 * u :] = d_share
    for j in range(u):
        dz[j] = dh[j] * (ONE - f[j]) * (ONE - z[j] * z[j])
    for j in range(u):
        df[j] = dh[j] * (previous[j] - z[j]) * f[j] * (ONE - f[j])
    d_share[:] = dx[: 2 * u]
    for j in range(u):
        dh[j] *= f[j]


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
