"""The NumPy twin against the Keras network, and against the formulas."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.cells import Cell
from skrnn.serve.forward import Forward, over_batches
from skrnn.serve.heads import log_softmax, sigmoid
from skrnn.spec import ACTIVATIONS, LAYERS, N_GATES, POOLINGS, Spec, initial_weights, weight_shapes

COUNTS = [7, 1, 4, 12, 1, 7, 3, 5]


def ragged(seed=0, n_ids=11):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(COUNTS)])
    return Ragged(rng.integers(1, n_ids, offsets[-1]).astype(np.int32), offsets)


def weights_of(spec, seed=0):
    """Return weights well away from the simple ones: no bias zero, no gate near one half."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.standard_normal(shape) * 0.4).astype(np.float32)
        for name, shape in weight_shapes(spec).items()
    }


def spec_of(**parameters):
    defaults = {"n_ids": 11, "embedding_dim": 5, "layer": "gru", "rnn_units": 4, "n_heads": 2}
    return Spec(**defaults | parameters)


def keras_predict(spec, weights, inputs):
    from skrnn.train.door import keras_half

    return keras_half("network", wanted_by="a test").network(spec, weights).predict(inputs, verbose=0)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_vectors_equal_those_of_keras(layer, bidirectional, n_layers, pooling):
    spec = spec_of(layer=layer, bidirectional=bidirectional, n_layers=n_layers, pooling=pooling)
    weights, sequences = weights_of(spec), ragged()
    expected = keras_predict(spec, weights, sequences.pad(15))
    np.testing.assert_allclose(Forward(spec, weights).encode(sequences), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layer", N_GATES)
def test_input_shares_looked_up_step_by_step_are_the_same(layer, monkeypatch):
    spec = spec_of(layer=layer, bidirectional=True, pooling="concat")
    weights, sequences = weights_of(spec), ragged()
    expected = Forward(spec, weights).encode(sequences)
    monkeypatch.setattr("skrnn.serve.cells.FEW", 0)
    np.testing.assert_array_equal(Forward(spec, weights).encode(sequences), expected)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", N_GATES)
def test_compiled_loops_equal_numpy(layer, pooling, monkeypatch):
    pytest.importorskip("numba")
    spec = spec_of(layer=layer, bidirectional=True, n_layers=2, pooling=pooling)
    weights, sequences = weights_of(spec), ragged()
    expected = Forward(spec, weights)
    vectors, states = expected.encode(sequences), expected.states(sequences)
    ran = []
    monkeypatch.setattr("skrnn.serve.forward.MANY", 1)
    monkeypatch.setattr(Cell, "run_compiled", lambda *a, own=Cell.run_compiled: ran.append(own(*a)))
    forward = Forward(spec, weights)
    np.testing.assert_allclose(forward.encode(sequences), vectors, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.concatenate(forward.states(sequences)), np.concatenate(states), atol=1e-6)
    assert len(ran) == 2 * 2 * 2  # layers, directions, calls


def test_three_layers_equal_those_of_keras():
    spec = spec_of(n_layers=3, bidirectional=True)
    weights, sequences = weights_of(spec), ragged()
    expected = keras_predict(spec, weights, sequences.pad())
    np.testing.assert_allclose(Forward(spec, weights).encode(sequences), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_activations_equal_those_of_keras(layer, activation):
    spec = spec_of(layer=layer, rnn_activation=activation, activation=activation, n_components=3)
    weights, sequences = weights_of(spec), ragged()
    expected = keras_predict(spec, weights, sequences.pad())
    np.testing.assert_allclose(Forward(spec, weights).encode(sequences), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
def test_heads_equal_those_of_keras(head):
    spec = spec_of(head=head, n_outputs=3, n_components=6, activation="relu", pooling="concat")
    weights, sequences = weights_of(spec), ragged()
    forward = Forward(spec, weights)
    outputs = forward.outputs(forward.encode(sequences))
    decoded = {"softmax": lambda x: np.exp(log_softmax(x)), "sigmoid": sigmoid, "linear": np.asarray}
    expected = keras_predict(spec, weights, sequences.pad())
    np.testing.assert_allclose(decoded[head](outputs), expected, rtol=0, atol=1e-5)


def keras_log_likelihoods(spec, weights, sequences):
    from skrnn.train.door import keras_half

    previous = sequences.prepend(BOUNDARY).pad()
    following = sequences.append(BOUNDARY).pad()
    network = keras_half("network", wanted_by="a test").network(spec, weights, training=True)
    if spec.head == "autoencoder":
        inputs = (sequences.pad(), previous)
    else:
        inputs = (previous, following) if spec.bidirectional else previous
    log_probabilities = log_softmax(network.predict(inputs, verbose=0)[:, : following.shape[1]])
    chosen = np.take_along_axis(log_probabilities, following[:, :, None], axis=2)[:, :, 0]
    return (chosen * (following != 0)).sum(axis=1)


PREDICTING = [
    {"head": "autoencoder", "pooling": "mean", "n_components": 3},
    {"head": "autoencoder", "bidirectional": True, "n_layers": 2},
    {"head": "language_model"},
    {"head": "language_model", "tied_embeddings": False},
    {"head": "autoencoder", "tied_embeddings": False},
    {"head": "language_model", "n_layers": 2},
    {"head": "language_model", "bidirectional": True, "pooling": "concat"},
]
CASES = [
    (layer, parameters)
    for layer in LAYERS
    for parameters in PREDICTING
    if layer != "self_attention"
    or parameters["head"] != "language_model"
    or "bidirectional" not in parameters
]


@pytest.mark.parametrize(("layer", "parameters"), CASES)
def test_log_likelihoods_equal_those_of_keras(layer, parameters):
    spec = spec_of(layer=layer, n_outputs=11, **parameters)
    weights, sequences = weights_of(spec), ragged()
    expected = keras_log_likelihoods(spec, weights, sequences)
    np.testing.assert_allclose(Forward(spec, weights).log_likelihood(sequences), expected, rtol=1e-5)


@pytest.mark.parametrize(("layer", "parameters"), CASES)
def test_the_step_of_a_search_gives_the_same_log_likelihoods(layer, parameters):
    spec = spec_of(layer=layer, n_outputs=11, **parameters)
    weights, sequences = weights_of(spec), ragged()
    forward = Forward(spec, weights)
    vectors = forward.encode(sequences) if spec.head == "autoencoder" else None
    step, states = forward.stepper(len(COUNTS), vectors)
    following = sequences.append(BOUNDARY).pad()
    total, ids = np.zeros(len(COUNTS)), np.full(len(COUNTS), BOUNDARY)
    for column in following.T:
        log_probs, states = step(ids, states)
        total += np.where(column != 0, log_probs[np.arange(len(column)), column], 0)
        ids = column
    np.testing.assert_allclose(total, forward.log_likelihood(sequences), rtol=1e-5)


def by_hand(layer, weights, x, units):
    """Return the state after each step of one text, in the formulas of the papers; x is (t, d)."""
    kernel, recurrent, bias = (
        weights[f"forward_0/{part}"].astype(float) for part in ("kernel", "recurrent_kernel", "bias")
    )
    h, c, states = np.zeros(units), np.zeros(units), []
    for x_t in x:
        if layer == "simple_rnn":
            h = np.tanh(x_t @ kernel + h @ recurrent + bias)
        elif layer == "lstm":
            i, f, g, o = np.split(x_t @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            a, b = np.split(x_t @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
            z, r = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
            h = z * h + (1 - z) * np.tanh(a[2] + r * b[2])
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("layer", N_GATES)
def test_states_follow_the_formulas(layer):
    spec = spec_of(layer=layer)
    weights, sequences = weights_of(spec), ragged()
    states = Forward(spec, weights).states(sequences)
    for i, found in enumerate(states):
        ids = sequences.take(np.array([i])).ids
        expected = by_hand(layer, weights, weights["embedding/embeddings"][ids].astype(float), 4)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_states_hold_what_pooling_sees():
    spec = spec_of(bidirectional=True, n_layers=2, pooling="concat")
    weights, sequences = weights_of(spec), ragged()
    forward = Forward(spec, weights)
    vectors = forward.encode(sequences)
    for states, vector in zip(forward.states(sequences), vectors, strict=True):
        last = np.concatenate([states[-1, :4], states[0, 4:]])
        expected = np.concatenate([last, states.mean(axis=0), states.max(axis=0)])
        np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("pooling", ["concat", "attention"])
def test_neighbours_order_and_threads_change_nothing(layer, pooling):
    spec = spec_of(layer=layer, pooling=pooling, bidirectional=True, rnn_units=16)
    weights, sequences = weights_of(spec), ragged()
    together = Forward(spec, weights).encode(sequences)
    for i in range(len(COUNTS)):
        alone = Forward(spec, weights).encode(sequences.take(np.array([i])))
        np.testing.assert_allclose(alone[0], together[i], rtol=0, atol=1e-6)
    many = np.random.default_rng(0).integers(0, len(COUNTS), 700)
    forward = Forward(spec, weights)
    one, two = (forward.encode(sequences.take(many), n_jobs) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, together[many], rtol=0, atol=1e-6)


def test_log_likelihoods_of_many_are_those_of_each():
    spec = spec_of(head="language_model", n_outputs=11)
    forward, sequences = Forward(spec, weights_of(spec)), ragged()
    expected = forward.log_likelihood(sequences)
    many = np.random.default_rng(0).integers(0, len(COUNTS), 700)
    found = forward.log_likelihood(sequences.take(many))
    np.testing.assert_allclose(found, expected[many], rtol=1e-5)
    np.testing.assert_array_equal(forward.log_likelihood(sequences.take(many), 2), found)


def test_likelihoods_over_many_ids_are_had_in_chunks():
    spec = spec_of(head="language_model", n_ids=200_000, n_outputs=200_000)  # 41 tokens a chunk, of 48
    forward, sequences = Forward(spec, weights_of(spec)), ragged(n_ids=200_000)
    alone = [forward.log_likelihood(sequences.take(np.array([i])))[0] for i in range(len(COUNTS))]
    np.testing.assert_allclose(forward.log_likelihood(sequences), alone, rtol=1e-5)


def test_the_folded_table_changes_nothing():
    spec = spec_of(n_ids=30)
    weights, sequences = weights_of(spec), ragged()
    forward = Forward(spec, weights)
    assert forward._tables is None
    before = forward.encode(sequences.take(np.array([0, 1])))
    for _ in range(2):
        after = forward.encode(sequences)
    assert forward._tables is not None
    np.testing.assert_allclose(before, after[:2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_weights_are_left_as_they_are(layer):
    spec = spec_of(layer=layer, n_heads=1, pooling="attention", n_components=2)
    weights = weights_of(spec)
    copies = {name: array.copy() for name, array in weights.items()}
    for array in weights.values():
        array.flags.writeable = False
    Forward(spec, weights).encode(ragged())
    for name, array in weights.items():
        np.testing.assert_array_equal(array, copies[name])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_states_are_the_vectors_of_beginnings(n_jobs):
    spec = spec_of(pooling="last")
    forward, sequences = Forward(spec, weights_of(spec)), ragged()
    vectors, states = forward.encode_and_states(sequences, n_jobs)
    np.testing.assert_array_equal(vectors, forward.encode(sequences, n_jobs))
    for one, other in zip(states, forward.states(sequences, n_jobs), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = np.split(sequences.ids, sequences.offsets[1:-1])
    assert [len(part) for part in states] == [len(row) for row in rows]
    for row, part in zip(rows, states, strict=True):
        beginnings = Ragged.from_rows([row[: n + 1] for n in range(len(row))])
        np.testing.assert_allclose(part, forward.encode(beginnings), atol=1e-6)


def test_blas_has_one_thread_while_batches_have_several():
    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen = []
    with threadpool_limits(2, "blas"):  # the tests may run with one
        over_batches(lambda rows: seen.append(blas()), np.array([5] * 9000), 2)
        assert blas() and set(blas()) == {2}
    assert len(seen) > 1 and all(set(counts) <= {1} for counts in seen)


def test_a_cell_is_one_step():
    spec = spec_of(layer="lstm")
    cell = Cell(spec, weights_of(spec), "forward_0")
    states = cell.start(2)
    cell.step(cell.inputs(np.ones((2, 5), np.float32)), *states)
    assert [state.shape for state in states] == [(2, 4), (2, 4)]
    assert not np.array_equal(states[0], np.zeros((2, 4)))


def test_start_weights_are_those_of_the_keras_layers():
    spec = spec_of(layer="lstm", rnn_units=64, embedding_dim=32)
    weights = initial_weights(spec, np.random.default_rng(0))
    recurrent = weights["forward_0/recurrent_kernel"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)
    limit = np.sqrt(6 / (32 + 256))
    kernel = weights["forward_0/kernel"]
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_array_equal(weights["forward_0/bias"], np.repeat([0, 1, 0, 0], 64))
    again = initial_weights(replace(spec), np.random.default_rng(0))
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert ragged().lengths.tolist() == COUNTS
