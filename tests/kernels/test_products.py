"""Products in tiles."""

import numpy as np
import pytest

pytest.importorskip("numba")
from skrnn.kernels.products import panels, product, room


@pytest.mark.parametrize(("rows", "depth", "columns"), [(1, 3, 5), (4, 16, 64), (7, 1, 65), (32, 20, 130)])
def test_product_equals_numpy_and_each_row_is_independent(rows, depth, columns):
    rng = np.random.default_rng(rows)
    x = room(rows, depth)
    kernel = rng.standard_normal((depth, columns)).astype(np.float32)
    cut = panels(kernel)
    out = room(rows, cut.shape[0] * cut.shape[2])
    x[:rows] = rng.standard_normal((rows, depth))
    product(x, rows, cut, out)
    np.testing.assert_allclose(out[:rows, :columns], x[:rows] @ kernel, rtol=1e-5, atol=1e-5)
    whole = out.copy()
    for i in range(rows):
        x[0] = x[i]
        product(x, 1, cut, out)
        np.testing.assert_array_equal(out[0], whole[i])


def test_empty_kernel_has_no_panels():
    kernel = np.empty((3, 0), np.float32)
    assert panels(kernel).shape[:2] == (0, 3)
    assert panels(kernel.T).shape[:2] == (0, 0)
    out = np.full((4, 5), 7, np.float32)
    product(room(4, 3), 4, panels(kernel), out)
    np.testing.assert_array_equal(out, 7)
