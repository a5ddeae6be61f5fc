"""The quasi-recurrent cell (Bradbury et al. 2017) with window 2 and f-pooling, compiled.

A gate reads the current and the previous token; there is no recurrent kernel::

    f = sigmoid(W_f x_t + V_f x_{t-1} + b_f)   forget gate
    z = tanh(W_z x_t + V_z x_{t-1} + b_z)      candidate
    h_t = f * h_{t-1} + (1 - f) * z

The input's share of a token has width 4 u: ``W_f x + b_f, W_z x + b_z`` for
its own gates and ``V_f x, V_z x`` for the gates of the next token in reading
order. The second state (b, 2 u) hands the latter on; it starts as zeros.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, copy, sigmoid_row, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time

SAVED_PER_UNIT = 2  # values per token and unit that `forward` saves for `backward`


@njit(inline="always", **OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, share, saved, token):
    """Update `h` and `share` by one token; arguments as of :func:`skrnn.kernels.gru.row`.

    Saves f and z.
    """
    u = h.size
    f, z = share[:u], share[u:]
    sigmoid_row(x[:u], half, f)
    tanh_row(x[u : 2 * u], z)
    for j in range(u):
        h[j] = z[j] + f[j] * (h[j] - z[j])
    if len(saved):
        copy(share, saved[token])
    copy(x[2 * u :], share)


@njit(inline="always", **OPTIONS)
def backward_row(saved, previous, h, dh, d_share, dx, d_recurrent, d_gates):
    """Go back by one token; arguments as of :func:`skrnn.kernels.gru.backward_row`.

    On entry, `d_share` is the gradient of the share that this token hands on;
    on return, of the share that it has received.
    """
    u = h.size
    f, z = saved[:u], saved[u:]
    df, dz = dx[:u], dx[u : 2 * u]
    copy(d_share, dx[2 * u :])
    for j in range(u):
        dz[j] = dh[j] * (ONE - f[j]) * (ONE - z[j] * z[j])
    for j in range(u):
        df[j] = dh[j] * (previous[j] - z[j]) * f[j] * (ONE - f[j])
    copy(dx, d_share)
    for j in range(u):
        dh[j] *= f[j]


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
