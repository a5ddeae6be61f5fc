"""Each folded and each compiled cell against its textbook formula."""

import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.serve.batches import pack
from skrnn.serve.cell import ACTIVATE, cell_weights
from skrnn.serve.cells import CELLS
from skrnn.spec import ACTIVATIONS

NEEDS = ("sequence", "total", "peak")


@pytest.fixture(params=CELLS)
def layer(request):
    return request.param


def run_textbook(cell, weights, rows, reverse):
    """Return the hidden states of each row of inputs, in the order of reading."""
    found = []
    for x in rows:
        states = [np.zeros((1, n * 4)) for n in cell.states.values()]
        hidden = []
        for x_t in x[::-1] if reverse else x:
            states = cell.textbook(x_t[None], states, weights, np.tanh)
            hidden.append(states[0][0])
        found.append(np.array(hidden))
    return found


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_follows_the_textbook(layer, activation, make_spec, make_weights):
    spec = make_spec(layer=layer, rnn_activation=activation)
    weights = make_weights(spec)
    cell = CELLS[layer](spec, weights, "forward_0")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5)).astype(np.float32)
    states = [rng.normal(size=(3, n * 4)).astype(np.float32) for n in cell.states.values()]

    def f(x):
        return ACTIVATE[activation](x, out=np.empty_like(x))

    expected = cell.textbook(x, states, cell_weights(weights, "forward_0"), f)
    cell.step(cell.inputs(x), *states)
    for found, state in zip(states, expected, strict=True):
        np.testing.assert_allclose(found, state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_over_a_batch_follows_the_textbook(layer, compiled, reverse, make_spec, make_weights):
    if compiled:
        pytest.importorskip("numba")
    spec = make_spec(layer=layer)
    weights = make_weights(spec)
    cell = CELLS[layer](spec, weights, "forward_0")
    embeddings = weights["embedding/embeddings"]
    rows = Ragged.from_rows([[3, 4, 5, 6], [7, 3], [9]])
    packed = pack(rows)
    hidden = cell.run(cell.inputs(embeddings), packed, NEEDS, reverse=reverse, compiled=compiled)
    own = {name: array.astype(float) for name, array in cell_weights(weights, "forward_0").items()}
    inputs = [embeddings[row].astype(float) for row in rows.rows()]
    expected = run_textbook(cell, own, inputs, reverse)
    for i, (states, h) in enumerate(zip(packed.split(hidden.sequence), expected, strict=True)):
        np.testing.assert_allclose(states, h[::-1] if reverse else h, rtol=0, atol=1e-6)
        np.testing.assert_allclose(hidden.last[i], h[-1], rtol=0, atol=1e-6)
        np.testing.assert_allclose(hidden.total[i], h.sum(axis=0), rtol=0, atol=1e-5)
        np.testing.assert_allclose(hidden.peak[i], h.max(axis=0), rtol=0, atol=1e-6)


def test_only_needed_states_are_kept(layer, make_spec, make_weights):
    spec = make_spec(layer=layer)
    weights = make_weights(spec)
    cell = CELLS[layer](spec, weights, "forward_0")
    hidden = cell.run(cell.inputs(weights["embedding/embeddings"]), pack(Ragged.from_rows([[3, 4]])), [])
    assert [len(states) for states in hidden] == [1, 0, 0, 0]


def test_looking_up_inputs_step_by_step_changes_nothing(layer, make_spec, make_weights, monkeypatch):
    spec = make_spec(layer=layer)
    weights = make_weights(spec)
    cell = CELLS[layer](spec, weights, "forward_0")
    table, packed = cell.inputs(weights["embedding/embeddings"]), pack(Ragged.from_rows([[3, 4, 5], [6]]))
    extra = np.random.default_rng(0).normal(size=(2, table.shape[1])).astype(np.float32)
    expected = cell.run(table, packed, NEEDS, extra=extra)
    monkeypatch.setattr("skrnn.serve.cell.FEW", 0)
    for found, states in zip(cell.run(table, packed, NEEDS, extra=extra), expected, strict=True):
        np.testing.assert_array_equal(found, states)


def test_the_input_may_come_in_two_parts(layer, make_spec, make_weights):
    spec = make_spec(layer=layer)
    cell = CELLS[layer](spec, make_weights(spec), "forward_0")
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    parts = cell.inputs(x[:, :2]) + cell.further_inputs(x[:, 2:], first=2)
    np.testing.assert_allclose(parts, cell.inputs(x), rtol=0, atol=1e-6)


def test_a_run_may_start_from_a_hidden_state(layer, make_spec, make_weights):
    spec = make_spec(layer=layer)
    cell = CELLS[layer](spec, make_weights(spec), "forward_0")
    first, *others = cell.start(2, np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(first, np.ones((2, 4)))
    assert all(not state.any() for state in others)
    assert [state.shape for state in cell.start(2)] == [(2, n * 4) for n in cell.states.values()]


def test_the_compiled_tanh_is_exact_and_keeps_nan():
    pytest.importorskip("numba")
    from skrnn.kernels.loops import _tanh_row

    x = np.concatenate([np.linspace(-12, 12, 20001), [np.inf, -np.inf, np.nan]]).astype(np.float32)
    out = np.zeros_like(x)
    _tanh_row(x, out)
    np.testing.assert_allclose(out, np.tanh(x.astype(np.float64)), rtol=4e-7, atol=0)
