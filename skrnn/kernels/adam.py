"""Adam (Kingma & Ba 2015), compiled.

Step t with gradient g and learning rate r changes a weight w and its moments
m and v, which begin as zero::

    m = b1 m + (1 - b1) g
    v = b2 v + (1 - b2) g^2
    w = w - a_t m / (sqrt(v) + epsilon),   a_t = r sqrt(1 - b2^t) / (1 - b1^t)

A batch reads few rows of an embedding. The gradient of the others is zero,
but Adam moves them, too. Here a row makes up for the steps that it has missed
when a batch reads it again: over n steps, m and v shrink by b1^n and b2^n,
and w changes by ``m sum_j a_{t+j} b1^j / (sqrt(b2^j v) + epsilon)``. The sum
has weight on few j, for which b2^j hardly changes. So the denominator is
taken at the weighted mean of j. This changes the sum by less than 1e-4.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import njit, types

from skrnn.kernels.compiling import compiled, constant, mutable
from skrnn.kernels.gates import ONE, OPTIONS

B1, B2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-7)  # the defaults of Keras


@njit(inline="always", **OPTIONS)
def _step_row(w, m, v, g, scale, rate):
    for j in range(w.size):
        x = g[j] * scale
        m[j] += (x - m[j]) * (ONE - B1)
        v[j] += (x * x - v[j]) * (ONE - B2)
        w[j] -= rate * m[j] / (np.sqrt(v[j]) + EPSILON)


def step(w, m, v, g, scale, rate):
    """Update weights in place.

    Parameters
    ----------
    w, m, v : array of float32 of shape (n, d)
        Weights and their moments; updated.
    g : array of float32 of shape (n, d)
        Gradient.
    scale : float
        Factor of the gradient.
    rate : float
        ``a_t`` above.
    """
    for i in range(w.shape[0]):
        _step_row(w[i], m[i], v[i], g[i], scale, rate)


def catch_up(w, m, v, rows, done, rates):
    """Make up for missed steps of some rows, in place.

    Parameters
    ----------
    w, m, v : array of float32 of shape (n, d)
        Weights and their moments; updated.
    rows : array of int64 of shape (k,)
        Numbers of rows.
    done : array of int64 of shape (n,)
        How many steps each row has made; updated.
    rates : array of float64 of shape (t,)
        ``a_1`` to ``a_t`` above.
    """
    t, b1, b2 = rates.size, np.float64(B1), np.float64(B2)
    total, mean = np.zeros(t + 1), np.zeros(t + 1)  # the sum of a_{s+j} b1^j over j, and its mean j
    moment = 0.0
    for s in range(t - 1, -1, -1):
        moment = b1 * (rates[s] + total[s + 1] + moment)
        total[s] = b1 * (rates[s] + total[s + 1])
        mean[s] = moment / total[s] if total[s] > 0 else 0.0
    for k in range(rows.size):
        i = rows[k]
        s, missed = done[i], t - done[i]
        done[i] = t
        if not missed:
            continue
        change, later = np.float32(total[s]), np.float32(b2 ** (mean[s] / 2))
        f1, f2 = np.float32(b1**missed), np.float32(b2**missed)
        for j in range(w.shape[1]):
            w[i, j] -= change * m[i, j] / (np.sqrt(v[i, j]) * later + EPSILON)
            m[i, j] *= f1
            v[i, j] *= f2


def step_rows(w, m, v, g, scale, rate, rows, done):
    """Update some rows of an embedding in place; arguments as of `step` and `catch_up`, g (k, d)."""
    for k in range(rows.size):
        i = rows[k]
        done[i] += 1
        _step_row(w[i], m[i], v[i], g[k], scale, rate)


def add_rows(values, places, out):
    """Add each row of values (n, d) to the row of out (k, d) that places (n,) names."""
    for i in range(places.size):
        for j in range(out.shape[1]):
            out[places[i], j] += values[i, j]


_rows, _float = constant(1, types.int64), types.float32
_weights = (mutable(2), mutable(2), mutable(2))
step = compiled(step, types.void(*_weights, constant(2), _float, _float))
catch_up = compiled(
    catch_up, types.void(*_weights, _rows, mutable(1, types.int64), constant(1, types.float64))
)
step_rows = compiled(
    step_rows,
    types.void(*_weights, constant(2), _float, _float, _rows, mutable(1, types.int64)),
)
add_rows = compiled(add_rows, types.void(constant(2), _rows, mutable(2)))
