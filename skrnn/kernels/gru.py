"""The gated recurrent unit (Cho et al. 2014), compiled.

With the reset gate after the product, as in Keras (``reset_after=True``)::

    z = sigmoid(W_z x_t + U_z h_{t-1} + b_z)             update gate
    r = sigmoid(W_r x_t + U_r h_{t-1} + b_r)             reset gate
    n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + b'_n))   candidate
    h_t = z * h_{t-1} + (1 - z) * n
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import ONE, OPTIONS, copy, sigmoid_row, tanh_row
from skrnn.kernels.over_time import backward_over_time, forward_over_time

SAVED_PER_UNIT = 4  # values per token and unit that `forward` saves for `backward`


@njit(inline="always", **OPTIONS)
def row(x, gates, bias, half, output_at, candidate_at, h, memory, saved, token):
    """Update the state of one text by one token.

    Parameters
    ----------
    x : array of shape (g u,)
        The input's share of the gates.
    gates : array of shape (g u or more,)
        The recurrent share of the gates; overwritten by the gates.
    bias, half, output_at, candidate_at
        See :func:`skrnn.kernels.over_time.forward_over_time`.
    h : array of shape (u,)
        The hidden state; updated.
    memory : array
        The second state, if the cell has one; updated.
    saved : array of shape (n_tokens, s u) or (0, any)
        Unless it has no rows, row `token` receives what `backward_row` needs.
        Here s is 4: z, r, n, and ``U_n h_{t-1} + b'_n``.
    token : int
        Number of the token.
    """
    u = h.size
    gates = gates[: 3 * u]
    z, r, candidate = gates[:u], gates[u : 2 * u], gates[2 * u :]
    for j in range(u):
        candidate[j] += bias[j]
    if len(saved):
        copy(candidate, saved[token, 3 * u :])
    sigmoid_row(x[: 2 * u], half, gates[: 2 * u])
    for j in range(u):
        candidate[j] *= r[j]
    tanh_row(x[2 * u :], candidate)
    for j in range(u):
        h[j] = candidate[j] + z[j] * (h[j] - candidate[j])
    if len(saved):
        copy(gates, saved[token, : 3 * u])


@njit(inline="always", **OPTIONS)
def backward_row(saved, previous, h, dh, d_memory, dx, d_recurrent, d_gates):
    """Compute the gradients of one token of one text.

    Parameters
    ----------
    saved : array of shape (s u,)
        What `row` has saved.
    previous, h : array of shape (u,)
        The hidden states before and after the token.
    dh : array of shape (u,)
        Gradient with respect to `h`; overwritten by the gradient with respect
        to `previous`, without what comes through the recurrent kernel.
    d_memory : array
        The same for the second state, if the cell has one.
    dx : array of shape (g u,)
        Receives the gradient of the input's share of the gates.
    d_recurrent : array of shape (g u,)
        Receives the gradient of the recurrent share, if it differs from `dx`.
    d_gates : array of shape (g u,)
        Receives the gradient of the recurrent share in any case. It is
        multiplied by the transposed recurrent kernel and added to `dh`.
    """
    u = h.size
    z, r, candidate, inner = saved[:u], saved[u : 2 * u], saved[2 * u : 3 * u], saved[3 * u :]
    dz, dr, d_candidate = dx[:u], dx[u : 2 * u], dx[2 * u :]
    for j in range(u):
        d_candidate[j] = dh[j] * (ONE - z[j]) * (ONE - candidate[j] * candidate[j])
    for j in range(u):
        dz[j] = dh[j] * (previous[j] - candidate[j]) * z[j] * (ONE - z[j])
    for j in range(u):
        dr[j] = d_candidate[j] * inner[j] * r[j] * (ONE - r[j])
    copy(dx, d_gates[: 2 * u])
    for j in range(u):
        d_gates[2 * u + j] = d_candidate[j] * r[j]
    copy(d_gates, d_recurrent)
    for j in range(u):
        dh[j] *= z[j]


def forward(arguments):
    """Read a packed batch; arguments as of :func:`skrnn.kernels.over_time.forward_over_time`."""
    forward_over_time(row, arguments)


def backward(arguments):
    """Compute the gradients; arguments as of :func:`skrnn.kernels.over_time.backward_over_time`."""
    backward_over_time(backward_row, arguments)
