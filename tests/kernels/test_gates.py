"""Activations of the compiled loops."""

import numpy as np
import pytest

pytest.importorskip("numba")
from skrnn.kernels.gates import sigmoid_row, tanh_row

X = np.concatenate([np.linspace(-12, 12, 20001), [np.inf, -np.inf, np.nan]]).astype(np.float32)


def test_tanh_is_accurate_and_passes_nan_on():
    out = np.zeros_like(X)
    tanh_row(X, out)
    np.testing.assert_allclose(out, np.tanh(X.astype(np.float64)), rtol=4e-7, atol=0)


@pytest.mark.parametrize("half", [0.5, 1.0])
def test_sigmoid_is_accurate_and_passes_nan_on(half):
    out = np.ones_like(X)
    sigmoid_row(X, np.float32(half), out)
    expected = 1 / (1 + np.exp(-(X.astype(np.float64) + 1) * 2 * half))
    np.testing.assert_allclose(out, expected, rtol=0, atol=4e-7)
