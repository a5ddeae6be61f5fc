"""Adam on rows that are read now and then, against Adam on all rows in float64."""

import numpy as np
import pytest

pytest.importorskip("numba")

from skrnn.train.adam import EMBEDDING, Adam

N_ROWS, WIDTH, N_STEPS = 30, 5, 400


def dense_adam(w, gradients, rates):
    """Return weights after steps with dense gradients, by the formula of Kingma & Ba (2015)."""
    w, m, v = w.astype(np.float64), np.zeros(w.shape), np.zeros(w.shape)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        g = g / max(np.sqrt((g**2).sum()), 1.0)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        w = w - rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    return w


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6], ids=["clipped", "small", "as small as epsilon"])
def test_rows_make_up_for_the_steps_that_they_have_missed(scale):
    rng = np.random.default_rng(0)
    start = rng.normal(0, 1, (N_ROWS, WIDTH)).astype(np.float32)
    weights = {EMBEDDING: start.copy()}
    first, second = ({EMBEDDING: np.zeros_like(start)} for _ in range(2))
    adam = Adam(weights, first, second, 0, embedding_rate=1.0)
    rates, gradients, often = np.linspace(0.01, 0, N_STEPS), [], rng.random(N_ROWS) ** 4
    for i, rate in enumerate(rates):
        rows = np.flatnonzero(rng.random(N_ROWS) < often)
        gradient = np.zeros_like(start)
        gradient[rows] = scale * rng.normal(0, 1, (len(rows), WIDTH))
        gradients.append(gradient)
        adam.read(rows)
        adam.step({}, [(rows, gradient[rows])], rate)
        if i == N_STEPS // 2:
            adam.read_all()
            halfway = dense_adam(start, gradients, rates[: i + 1])
            assert np.abs(weights[EMBEDDING] - halfway).max() < 1e-4 * np.abs(halfway - start).max()
    adam.read_all()
    expected = dense_adam(start, gradients, rates)
    assert adam.n_steps == N_STEPS
    assert np.abs(weights[EMBEDDING] - expected).max() < 1e-4 * np.abs(expected - start).max()


def test_gradients_of_one_id_in_several_parts_are_added():
    found = []
    for parts in ([([1, 1, 2], [[1.0], [2.0], [4.0]])], [([1], [[3.0]]), ([2], [[4.0]])]):
        weights, first, second = ({EMBEDDING: np.zeros((4, 1), np.float32)} for _ in range(3))
        adam = Adam(weights, first, second, 0, embedding_rate=0.5)
        adam.read(np.array([1, 2]))
        adam.step({}, [(np.array(ids), np.array(values, np.float32)) for ids, values in parts], 0.1)
        found.append(first[EMBEDDING][:, 0])
        np.testing.assert_allclose(weights[EMBEDDING][:, 0], [0, -0.05, -0.05, 0], rtol=1e-4)
    np.testing.assert_allclose(found, [[0, 0.06, 0.08, 0]] * 2, rtol=1e-6)  # clipped: (3, 4) / 5, times 0.1
