"""The NumPy network against the Keras network."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from skrnn.ragged import Ragged
from skrnn.serve.cell import Cell
from skrnn.serve.cells import CELLS
from skrnn.serve.forward import Forward
from skrnn.serve.layers import LAYERS
from skrnn.serve.pooling import POOLINGS
from skrnn.spec import ACTIVATIONS


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_vectors_equal_those_of_keras(
    layer, bidirectional, n_layers, pooling, make_spec, make_weights, make_texts, keras_network
):
    spec = make_spec(layer=layer, bidirectional=bidirectional, n_layers=n_layers, pooling=pooling)
    weights, texts = make_weights(spec), make_texts()
    expected = keras_network(spec, weights).predict(texts.pad(15), verbose=0)
    np.testing.assert_allclose(Forward(spec, weights).encode(texts), expected, rtol=0, atol=1e-5)


def test_three_layers_equal_those_of_keras(make_spec, make_weights, make_texts, keras_network):
    spec = make_spec(n_layers=3, bidirectional=True)
    weights, texts = make_weights(spec), make_texts()
    expected = keras_network(spec, weights).predict(texts.pad(), verbose=0)
    np.testing.assert_allclose(Forward(spec, weights).encode(texts), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_activations_equal_those_of_keras(
    layer, activation, make_spec, make_weights, make_texts, keras_network
):
    spec = make_spec(layer=layer, rnn_activation=activation, activation=activation, n_components=3)
    weights, texts = make_weights(spec), make_texts()
    expected = keras_network(spec, weights).predict(texts.pad(), verbose=0)
    np.testing.assert_allclose(Forward(spec, weights).encode(texts), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", ["multiclass", "multilabel", "regression"])
def test_heads_equal_those_of_keras(head, make_spec, make_weights, make_texts, keras_network):
    spec = make_spec(head=head, n_outputs=3, n_components=6, activation="relu", pooling="concat")
    weights, texts = make_weights(spec), make_texts()
    forward = Forward(spec, weights)
    outputs = forward.outputs(texts)
    activate = {"multiclass": lambda x: softmax(x, axis=1), "multilabel": expit, "regression": np.asarray}
    expected = keras_network(spec, weights).predict(texts.pad(), verbose=0)
    np.testing.assert_allclose(activate[head](outputs), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", CELLS)
def test_compiled_loops_equal_numpy(layer, pooling, make_spec, make_weights, make_texts, monkeypatch):
    pytest.importorskip("numba")
    spec = make_spec(layer=layer, bidirectional=True, n_layers=2, pooling=pooling)
    weights, texts = make_weights(spec), make_texts()
    forward = Forward(spec, weights)
    vectors, states = forward.encode(texts), forward.states(texts)
    calls = []
    monkeypatch.setattr("skrnn.serve.recurrent.use_compiled", lambda cell, activation, n_tokens: True)
    own = Cell._run_compiled
    monkeypatch.setattr(Cell, "_run_compiled", lambda *args: calls.append(own(*args)))
    forward = Forward(spec, weights)
    np.testing.assert_allclose(forward.encode(texts), vectors, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.concatenate(forward.states(texts)), np.concatenate(states), atol=1e-6)
    assert len(calls) == 2 * 2 * 2  # layers, directions, calls


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("pooling", ["concat", "attention"])
def test_other_texts_their_order_and_threads_change_nothing(
    layer, pooling, make_spec, make_weights, make_texts
):
    spec = make_spec(layer=layer, pooling=pooling, bidirectional=True, rnn_units=16)
    weights, texts = make_weights(spec), make_texts()
    together = Forward(spec, weights).encode(texts)
    for i in range(len(texts)):
        alone = Forward(spec, weights).encode(texts.take(np.array([i])))
        np.testing.assert_allclose(alone[0], together[i], rtol=0, atol=1e-6)
    many = np.random.default_rng(0).integers(0, len(texts), 700)
    forward = Forward(spec, weights)
    one, two = (forward.encode(texts.take(many), n_jobs) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, together[many], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_states_are_the_vectors_of_prefixes(n_jobs, make_spec, make_weights, make_texts):
    spec = make_spec(pooling="last")
    forward, texts = Forward(spec, make_weights(spec)), make_texts()
    vectors, states = forward.encode_and_states(texts, n_jobs)
    np.testing.assert_array_equal(vectors, forward.encode(texts, n_jobs))
    for one, other in zip(states, forward.states(texts, n_jobs), strict=True):
        np.testing.assert_array_equal(one, other)
    for row, h in zip(texts.rows(), states, strict=True):
        prefixes = Ragged.from_rows([row[: n + 1] for n in range(len(row))])
        np.testing.assert_allclose(h, forward.encode(prefixes), rtol=0, atol=1e-6)


def test_folding_the_whole_vocabulary_changes_nothing(make_spec, make_weights, make_texts):
    spec = make_spec(n_ids=30)
    forward, texts = Forward(spec, make_weights(spec)), make_texts()
    assert forward._tables is None
    before = forward.encode(texts.take(np.array([0, 1])))
    for _ in range(2):
        after = forward.encode(texts)
    assert forward._tables is not None
    np.testing.assert_allclose(before, after[:2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_weights_stay_unchanged(layer, make_spec, make_weights, make_texts):
    spec = make_spec(layer=layer, n_heads=1, pooling="attention", n_components=2)
    weights = make_weights(spec)
    copies = {name: array.copy() for name, array in weights.items()}
    for array in weights.values():
        array.flags.writeable = False
    Forward(spec, weights).encode(make_texts())
    for name, array in weights.items():
        np.testing.assert_array_equal(array, copies[name])


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("layer", "simple_rnn, gru, lstm"),
        ("rnn_activation", "tanh, relu"),
        ("pooling", "last, mean, max, attention, concat"),
        ("activation", "tanh, relu"),
        ("head", "none, contrastive, binary, multiclass"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(field, known, make_spec, make_weights):
    weights = make_weights(make_spec())
    with pytest.raises(ValueError, match=f"{field} in Spec: 'sum'.*{known}"):
        Forward(make_spec(**{field: "sum"}), weights)


def test_a_head_of_labels_has_no_decoder(make_spec, make_weights):
    spec = make_spec(head="multiclass", n_outputs=3)
    with pytest.raises(ValueError, match="'multiclass' does not predict token ids"):
        _ = Forward(spec, make_weights(spec)).decoder
