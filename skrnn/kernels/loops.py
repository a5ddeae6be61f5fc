"""The recurrent loops of stage 3, forwards and backwards in time, compiled by Numba.

Imported where Numba is installed and the work is worth it, by :mod:`skrnn.serve.cells` to serve and by
:mod:`skrnn.train.tensorflow` to train; without it NumPy and Keras compute the same. All functions work on packed batches
(:class:`skrnn.train.batches.Packed`): step t has the rows ``starts[t]`` to ``starts[t + 1]``, the longest texts
first. The gates have the order of the Keras layers, but where `out_at` and `new_at` say otherwise, and
sigmoids get their argument times `half`: 1 where the half of ``tanh(x / 2)`` is in the weights already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from skrnn.kernels.products import product, room

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # NaN stays NaN: a training that fails must show it
}
_HALF = np.float32(0.5)
_ONE = np.float32(1)


def _in(n_dim: int, dtype: types.Type = types.float32) -> types.Array:
    return types.Array(dtype, n_dim, "C", readonly=True)


def _out(n_dim: int) -> types.Array:
    return types.Array(types.float32, n_dim, "C")


@njit(inline="always", **_OPTIONS)
def _tanh(x):  # type: ignore[no-untyped-def]
    """Return tanh by the rational approximation of Eigen, within 3e-7; vectors of it need no library."""
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


@njit(inline="always", **_OPTIONS)
def _sigmoid(half):  # type: ignore[no-untyped-def]
    """Return the sigmoid of twice the argument."""
    return _HALF * _tanh(half) + _HALF


# -- one row of one step: `x` is the input's share of the gates, `gates` the recurrent share, then the gates.
# Loops that write one array and read few become vector instructions; in longer ones too many could overlap.


@njit(**_OPTIONS)
def _tanh_row(x, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] = _tanh(x[j] + out[j])


@njit(**_OPTIONS)
def _sigmoid_row(x, half, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] = _sigmoid((x[j] + out[j]) * half)


@njit(**_OPTIONS)
def _gru_row(x, gates, half, h):  # type: ignore[no-untyped-def]
    u = h.size
    _sigmoid_row(x[: 2 * u], half, gates[: 2 * u])
    z, r, new = gates[:u], gates[u : 2 * u], gates[2 * u :]
    for j in range(u):
        new[j] *= r[j]
    _tanh_row(x[2 * u :], new)
    for j in range(u):
        h[j] = new[j] + z[j] * (h[j] - new[j])


@njit(**_OPTIONS)
def _lstm_row(x, gates, half, out_at, new_at, h, c):  # type: ignore[no-untyped-def]
    u = h.size
    i, f, o, new = gates[:u], gates[u : 2 * u], gates[out_at : out_at + u], gates[new_at : new_at + u]
    _sigmoid_row(x[: 2 * u], half, gates[: 2 * u])
    _sigmoid_row(x[out_at : out_at + u], half, o)
    _tanh_row(x[new_at : new_at + u], new)
    for j in range(u):
        c[j] = f[j] * c[j] + i[j] * new[j]
    for j in range(u):
        h[j] = o[j] * _tanh(c[j])


@njit(**_OPTIONS)
def _collect(h, start, n, sequence, total, peak):  # type: ignore[no-untyped-def]
    """Take in the states of a step, as far as there is room for them."""
    u = h.shape[1]
    for i in range(n):
        if len(sequence):
            for j in range(u):
                sequence[start + i, j] = h[i, j]
        if len(total):
            for j in range(u):
                total[i, j] += h[i, j]
        if len(peak):
            for j in range(u):
                peak[i, j] = h[i, j] if h[i, j] > peak[i, j] else peak[i, j]


# -- forwards: `table[ids[k]]` is x of the packed token k; h (b, u) is the first state and becomes the last;
# sequence (n_tokens, u), total and peak (b, u) take in the states, saved what `backward_*` needs, each unless
# it has no rows; recurrent is cut into panels


@njit(**_OPTIONS)
def _begin(first, recurrent):  # type: ignore[no-untyped-def]
    """Return the states to begin with and where their products with the kernel go, with room for tiles."""
    h = room(len(first), first.shape[1])
    h[: len(first)] = first
    return h, room(len(first), recurrent.shape[0] * recurrent.shape[2])


def _simple_rnn(  # type: ignore[no-untyped-def]
    table, ids, starts, recurrent, bias, half, out_at, new_at, reverse, first, c, sequence, saved, total, peak
):
    n_steps, u = len(starts) - 1, first.shape[1]
    h, products = _begin(first, recurrent)
    for k in range(n_steps):
        t = n_steps - 1 - k if reverse else k
        start, n = starts[t], starts[t + 1] - starts[t]
        product(h, n, recurrent, products)
        for i in range(n):
            h[i] = products[i, :u]
            _tanh_row(table[ids[start + i]], h[i])
        _collect(h, start, n, sequence, total, peak)
    first[:] = h[: len(first)]


def _gru(  # type: ignore[no-untyped-def]
    table, ids, starts, recurrent, bias, half, out_at, new_at, reverse, first, c, sequence, saved, total, peak
):
    n_steps, u = len(starts) - 1, first.shape[1]
    h, products = _begin(first, recurrent)
    for k in range(n_steps):
        t = n_steps - 1 - k if reverse else k
        start, n = starts[t], starts[t + 1] - starts[t]
        product(h, n, recurrent, products)
        for i in range(n):
            gates = products[i, : 3 * u]
            for j in range(u):
                gates[2 * u + j] += bias[j]
            if len(saved):
                saved[start + i, 3 * u :] = gates[2 * u :]
            _gru_row(table[ids[start + i]], gates, half, h[i])
            if len(saved):
                saved[start + i, : 3 * u] = gates
        _collect(h, start, n, sequence, total, peak)
    first[:] = h[: len(first)]


def _lstm(  # type: ignore[no-untyped-def]
    table, ids, starts, recurrent, bias, half, out_at, new_at, reverse, first, c, sequence, saved, total, peak
):
    n_steps, u = len(starts) - 1, first.shape[1]
    h, products = _begin(first, recurrent)
    for k in range(n_steps):
        t = n_steps - 1 - k if reverse else k
        start, n = starts[t], starts[t + 1] - starts[t]
        product(h, n, recurrent, products)
        for i in range(n):
            gates = products[i, : 4 * u]
            if len(saved):
                saved[start + i, 4 * u :] = c[i]
            _lstm_row(table[ids[start + i]], gates, half, out_at, new_at, h[i], c[i])
            if len(saved):
                saved[start + i, : 4 * u] = gates
        _collect(h, start, n, sequence, total, peak)
    first[:] = h[: len(first)]


# -- backwards (backpropagation through time, Werbos 1990): dh (b, u) is the gradient of the last states and
# becomes that of the first, d_sequence (n_tokens, u) that of all states, dx (n_tokens, g u) becomes that of
# the input's share, d_rec that of the recurrent share (of a GRU: else they are one), before (n_tokens, u) the
# states that each step of each row began with; transposed is the recurrent kernel's transpose, in panels


@njit(**_OPTIONS)
def _states_before(starts, reverse, first, sequence, before):  # type: ignore[no-untyped-def]
    n_steps = len(starts) - 1
    for t in range(n_steps):
        other = t + 1 if reverse else t - 1
        n = starts[t + 1] - starts[t]
        known = min(n, starts[other + 1] - starts[other]) if 0 <= other < n_steps else 0
        if known:
            before[starts[t] : starts[t] + known] = sequence[starts[other] : starts[other] + known]
        before[starts[t] + known : starts[t + 1]] = first[known:n]


@njit(**_OPTIONS)
def _backward_gru_row(saved, h, d_state, dh, dx, d_rec):  # type: ignore[no-untyped-def]
    u = h.size
    z, r, new, inner = saved[:u], saved[u : 2 * u], saved[2 * u : 3 * u], saved[3 * u :]
    dz, dr, d_new = dx[:u], dx[u : 2 * u], dx[2 * u :]
    for j in range(u):
        dh[j] += d_state[j]
    for j in range(u):
        d_new[j] = dh[j] * (_ONE - z[j]) * (_ONE - new[j] * new[j])
    for j in range(u):
        dz[j] = dh[j] * (h[j] - new[j]) * z[j] * (_ONE - z[j])
    for j in range(u):
        dr[j] = d_new[j] * inner[j] * r[j] * (_ONE - r[j])
    d_rec[: 2 * u] = dx[: 2 * u]
    for j in range(u):
        d_rec[2 * u + j] = d_new[j] * r[j]
    for j in range(u):
        dh[j] *= z[j]


@njit(**_OPTIONS)
def _backward_lstm_row(saved, d_state, dh, dc, dx):  # type: ignore[no-untyped-def]
    u = dh.size
    i, f, new, o, c = saved[:u], saved[u : 2 * u], saved[2 * u : 3 * u], saved[3 * u : 4 * u], saved[4 * u :]
    di, df, d_new, do = dx[:u], dx[u : 2 * u], dx[2 * u : 3 * u], dx[3 * u :]
    for j in range(u):
        dh[j] += d_state[j]
    for j in range(u):
        do[j] = _tanh(f[j] * c[j] + i[j] * new[j])
    for j in range(u):
        dc[j] += dh[j] * o[j] * (_ONE - do[j] * do[j])
    for j in range(u):
        do[j] *= dh[j] * o[j] * (_ONE - o[j])
    for j in range(u):
        di[j] = dc[j] * new[j] * i[j] * (_ONE - i[j])
    for j in range(u):
        df[j] = dc[j] * c[j] * f[j] * (_ONE - f[j])
    for j in range(u):
        d_new[j] = dc[j] * i[j] * (_ONE - new[j] * new[j])
    for j in range(u):
        dc[j] *= f[j]


def _backward_simple_rnn(  # type: ignore[no-untyped-def]
    starts, transposed, reverse, first, sequence, saved, d_sequence, dh, dc, dx, d_rec, before
):
    n_steps, u = len(starts) - 1, dh.shape[1]
    _states_before(starts, reverse, first, sequence, before)
    d_gates = room(len(dh), dx.shape[1])
    through = room(len(dh), transposed.shape[0] * transposed.shape[2])
    for k in range(n_steps):
        t = k if reverse else n_steps - 1 - k
        start, n = starts[t], starts[t + 1] - starts[t]
        for i in range(n):
            for j in range(u):
                h = sequence[start + i, j]
                d_gates[i, j] = (dh[i, j] + d_sequence[start + i, j]) * (_ONE - h * h)
            dx[start + i] = d_gates[i]
        product(d_gates, n, transposed, through)
        dh[:n] = through[:n, :u]


def _backward_gru(  # type: ignore[no-untyped-def]
    starts, transposed, reverse, first, sequence, saved, d_sequence, dh, dc, dx, d_rec, before
):
    n_steps, u = len(starts) - 1, dh.shape[1]
    _states_before(starts, reverse, first, sequence, before)
    d_gates = room(len(dh), dx.shape[1])
    through = room(len(dh), transposed.shape[0] * transposed.shape[2])
    for k in range(n_steps):
        t = k if reverse else n_steps - 1 - k
        start, n = starts[t], starts[t + 1] - starts[t]
        for i in range(n):
            _backward_gru_row(
                saved[start + i], before[start + i], d_sequence[start + i], dh[i], dx[start + i], d_gates[i]
            )
            d_rec[start + i] = d_gates[i]
        product(d_gates, n, transposed, through)
        for i in range(n):
            for j in range(u):
                dh[i, j] += through[i, j]


def _backward_lstm(  # type: ignore[no-untyped-def]
    starts, transposed, reverse, first, sequence, saved, d_sequence, dh, dc, dx, d_rec, before
):
    n_steps, u = len(starts) - 1, dh.shape[1]
    _states_before(starts, reverse, first, sequence, before)
    d_gates = room(len(dh), dx.shape[1])
    through = room(len(dh), transposed.shape[0] * transposed.shape[2])
    for k in range(n_steps):
        t = k if reverse else n_steps - 1 - k
        start, n = starts[t], starts[t + 1] - starts[t]
        for i in range(n):
            _backward_lstm_row(saved[start + i], d_sequence[start + i], dh[i], dc[i], d_gates[i])
            dx[start + i] = d_gates[i]
        product(d_gates, n, transposed, through)
        dh[:n] = through[:n, :u]


_FORWARD = (
    _in(2), _in(1, types.int64), _in(1, types.int64), _in(3), _in(1), types.float32, types.int64, types.int64,
    types.boolean, _out(2), _out(2), _out(2), _out(2), _out(2), _out(2),
)  # fmt: skip
_BACKWARD = (
    _in(1, types.int64), _in(3), types.boolean, _in(2), _in(2), _in(2), _in(2), _out(2), _out(2), _out(2),
    _out(2), _out(2),
)  # fmt: skip


@cache
def loop(name: str) -> Callable:
    """Return a compiled loop, compiled at its first use on a machine and kept on its disk.

    Parameters
    ----------
    name : str
        A cell ("simple_rnn", "gru", "lstm"), or "backward_" and a cell.

    Returns
    -------
    loop : callable
        Of the arguments of the function of that name in this file.
    """
    signature = types.void(*(_BACKWARD if name.startswith("backward") else _FORWARD))
    return njit(signature, **_OPTIONS)(globals()[f"_{name}"])
