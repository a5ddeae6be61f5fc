"""The long short-term memory (Hochreiter & Schmidhuber 1997), compiled.

With the forget gate of Gers et al. (2000), as in Keras::

    i = sigmoid(W_i x_t + U_i h_{t-1} + b_i)   input gate
    f = sigmoid(W_f x_t + U_f h_{t-1} + b_f)   forget gate
    n = tanh(W_n x_t + U_n h_{t-1} + b_n)      candidate
    o = sigmoid(W_o x_t + U_o h_{t-1} + b_o)   output gate
    c_t = f * c_{t-1} + i * n
    h_t = o * tanh(c_t)
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, ZERO, copy, sigmoid_row, tanh, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time

SAVED_PER_UNIT = 5  # values per token and unit that `forward` saves for `backward`


@njit(inline="always", **OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, c, saved, token):
    """Update `h` and `c` by one token; arguments as of :func:`skrnn.kernels.gru.row`.

    Saves 5 numbers per unit: the gates in the order of the columns (the
    backward loop expects i, f, n, o), and ``c_{t-1}``.
    """
    u = h.size
    gates = gates[: 4 * u]
    i, f = gates[:u], gates[u : 2 * u]
    o, candidate = gates[output_at : output_at + u], gates[candidate_at : candidate_at + u]
    if len(saved):
        copy(c, saved[token, 4 * u :])
    sigmoid_row(x[: 2 * u], half, gates[: 2 * u])
    sigmoid_row(x[output_at : output_at + u], half, o)
    tanh_row(x[candidate_at : candidate_at + u], candidate)
    for j in range(u):
        c[j] = f[j] * c[j] + i[j] * candidate[j]
    for j in range(u):
        h[j] = o[j] * tanh(c[j])
    if len(saved):
        copy(gates, saved[token, : 4 * u])


@njit(inline="always", **OPTIONS)
def backward_row(saved, previous, h, dh, dc, dx, d_recurrent, d_gates):
    """Go back by one token; arguments as of :func:`skrnn.kernels.gru.backward_row`."""
    u = h.size
    i, f, candidate = saved[:u], saved[u : 2 * u], saved[2 * u : 3 * u]
    o, c = saved[3 * u : 4 * u], saved[4 * u :]  # c before the token
    di, df, d_candidate, do = d_gates[:u], d_gates[u : 2 * u], d_gates[2 * u : 3 * u], d_gates[3 * u :]
    for j in range(u):
        do[j] = tanh(f[j] * c[j] + i[j] * candidate[j])
    for j in range(u):
        dc[j] += dh[j] * o[j] * (ONE - do[j] * do[j])
    for j in range(u):
        do[j] *= dh[j] * o[j] * (ONE - o[j])
    for j in range(u):
        di[j] = dc[j] * candidate[j] * i[j] * (ONE - i[j])
    for j in range(u):
        df[j] = dc[j] * c[j] * f[j] * (ONE - f[j])
    for j in range(u):
        d_candidate[j] = dc[j] * i[j] * (ONE - candidate[j] * candidate[j])
    for j in range(u):
        dc[j] *= f[j]
    for j in range(4 * u):
        dx[j] = d_gates[j]
    for j in range(u):
        dh[j] = ZERO


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
