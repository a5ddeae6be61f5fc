"""Compiled loops against the formulas in float64, and their gradients against numerical ones."""

import numpy as np
import pytest

pytest.importorskip("numba")
from skrnn.kernels.loops import loop, panels, saved_per_unit
from skrnn.serve.cells import CELLS

U = 3
LENGTHS = np.array([5, 5, 3, 1])
STARTS = np.concatenate([[0], np.cumsum((LENGTHS[:, None] > np.arange(5)).sum(axis=0))])
N = int(STARTS[-1])
HALF, OUTPUT_AT, CANDIDATE_AT = np.float32(0.5), 3 * U, 2 * U  # the weights of the Keras layers
NOTHING = np.empty((0, U), np.float32)
# Widths of the input's share of the gates, and of the second state.
INPUT_WIDTH = {"simple_rnn": U, "gru": 3 * U, "lstm": 4 * U, "qrnn": 4 * U}
MEMORY_WIDTH = {"lstm": U, "qrnn": 2 * U}

every_cell = pytest.mark.parametrize("cell", CELLS)
both_directions = pytest.mark.parametrize("reverse", [False, True])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_rnn(x, h, memory, recurrent, bias):
    return np.tanh(x + h @ recurrent), memory


def gru(x, h, memory, recurrent, bias):
    x, inner = np.split(x, 3), np.split(h @ recurrent, 3)
    z, r = sigmoid(x[0] + inner[0]), sigmoid(x[1] + inner[1])
    return z * h + (1 - z) * np.tanh(x[2] + r * (inner[2] + bias)), memory


def lstm(x, h, memory, recurrent, bias):
    i, f, n, o = np.split(x + h @ recurrent, 4)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(n)
    return sigmoid(o) * np.tanh(memory), memory


def qrnn(x, h, memory, recurrent, bias):
    now, following = np.split(x, 2)
    f, z = np.split(now + memory, 2)
    return sigmoid(f) * h + (1 - sigmoid(f)) * np.tanh(z), following


STEP = {"simple_rnn": simple_rnn, "gru": gru, "lstm": lstm, "qrnn": qrnn}


def arrays_of(cell):
    """Return the inputs of a loop: x, the recurrent kernel, the bias inside a gate and the first states."""
    rng = np.random.default_rng(len(cell))
    b, width = len(LENGTHS), INPUT_WIDTH[cell]
    arrays = {
        "x": rng.standard_normal((N, width)),
        "recurrent": rng.standard_normal((U, 0 if cell == "qrnn" else width)),
        "bias": rng.standard_normal(U),
        "h": rng.standard_normal((b, U)),
        "memory": rng.standard_normal((b, MEMORY_WIDTH.get(cell, 0))),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def read(cell, reverse, x, recurrent, bias, h, memory):
    """Return all hidden states and the last states, by the formulas."""
    sequence, h, memory = np.empty((N, U)), h.copy(), memory.copy()
    for i, length in enumerate(LENGTHS):
        for t in reversed(range(length)) if reverse else range(length):
            token = STARTS[t] + i
            h[i], memory[i] = STEP[cell](x[token], h[i], memory[i], recurrent, bias)
            sequence[token] = h[i]
    return sequence, h, memory


def read_compiled(cell, reverse, x, recurrent, bias, h, memory, saved=NOTHING, pools=(NOTHING, NOTHING)):
    """Return the same by the compiled loop."""
    sequence, h, memory = np.empty((N, U), np.float32), h.copy(), memory.copy()
    loop(cell)(
        x, np.arange(N), STARTS, panels(recurrent), bias, HALF, OUTPUT_AT, CANDIDATE_AT, reverse,
        h, memory, sequence, saved, *pools,
    )  # fmt: skip
    return sequence, h, memory


@both_directions
@every_cell
def test_states_follow_the_formulas(cell, reverse):
    arrays = arrays_of(cell)
    expected = read(cell, reverse, **{name: array.astype(float) for name, array in arrays.items()})
    pools = np.zeros((len(LENGTHS), U), np.float32), np.full((len(LENGTHS), U), -np.inf, np.float32)
    found = read_compiled(cell, reverse, **arrays, pools=pools)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
    for i, length in enumerate(LENGTHS):
        own = expected[0][STARTS[:length] + i]
        np.testing.assert_allclose(pools[0][i], own.sum(axis=0), rtol=0, atol=1e-5)
        np.testing.assert_allclose(pools[1][i], own.max(axis=0), rtol=0, atol=2e-6)


@both_directions
@every_cell
def test_gradients_equal_numerical_ones(cell, reverse):
    arrays, rng = arrays_of(cell), np.random.default_rng(1)
    width = arrays["x"].shape[1]
    goals = [rng.standard_normal(a.shape).astype(np.float32) for a in read(cell, reverse, **arrays)]

    saved = np.empty((N, saved_per_unit(cell) * U), np.float32)
    sequence, *_ = read_compiled(cell, reverse, **arrays, saved=saved)
    dx, previous = np.full((N, width), np.nan, np.float32), np.empty((N, U), np.float32)
    d_recurrent = np.full_like(dx, np.nan) if cell == "gru" else dx
    dh, d_memory = goals[1].copy(), goals[2].copy()
    loop(f"backward_{cell}")(
        STARTS, panels(arrays["recurrent"].T), reverse, arrays["h"], sequence, saved,
        goals[0], dh, d_memory, dx, d_recurrent, previous,
    )  # fmt: skip
    found = {"x": dx, "h": dh, "memory": d_memory}
    if cell != "qrnn":
        found["recurrent"] = previous.T @ d_recurrent
    if cell == "gru":
        found["bias"] = d_recurrent[:, 2 * U :].sum(axis=0)

    exact = {name: array.astype(float) for name, array in arrays.items()}

    def loss():
        return sum(np.sum(a * b) for a, b in zip(read(cell, reverse, **exact), goals, strict=True))

    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, numerical(loss, exact[name]), rtol=1e-4, atol=1e-5, err_msg=name)


def numerical(loss, array, step=1e-5):
    """Return the gradient of a function of an array, by central differences."""
    gradient = np.empty_like(array)
    for place in np.ndindex(array.shape):
        value = array[place]
        array[place] = value + step
        above = loss()
        array[place] = value - step
        gradient[place] = (above - loss()) / (2 * step)
        array[place] = value
    return gradient


@every_cell
def test_rows_do_not_depend_on_each_other(cell):
    arrays = arrays_of(cell)
    sequence, *_ = read_compiled(cell, False, **arrays)
    alone = {name: arrays[name][:1] for name in ("h", "memory")}
    steps = STARTS[:-1]  # tokens of the first row
    first, h = np.empty((len(steps), U), np.float32), alone["h"].copy()
    loop(cell)(
        arrays["x"], steps, np.arange(len(steps) + 1), panels(arrays["recurrent"]), arrays["bias"], HALF,
        OUTPUT_AT, CANDIDATE_AT, False, h, alone["memory"].copy(), first, NOTHING, NOTHING, NOTHING,
    )  # fmt: skip
    np.testing.assert_array_equal(first, sequence[steps])
    np.testing.assert_array_equal(h[0], first[-1])


def test_unknown_cell_has_no_loop():
    with pytest.raises(ValueError, match="no compiled loop for cell 'qru', only for simple_rnn, gru, "):
        loop("backward_qru")
