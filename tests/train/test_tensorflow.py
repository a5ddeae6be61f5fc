"""The parts of training that are tuned for TensorFlow equal those of Keras: recurrent layers and Adam."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from skrnn.serve.cells import CELLS
from skrnn.spec import Spec
from skrnn.train.layers import KERAS_LAYERS
from skrnn.train.recipe import Recipe
from skrnn.train.tensorflow import make_optimizer, recurrent_layer

pytest.importorskip("numba")
LENGTHS = [5, 1, 7, 7, 2, 0]
U, D, T = 6, 4, 9
ARGUMENTS = {"return_sequences": True, "return_state": True, "dtype": "float32"}


def layer_class(layer, *, training, rnn_activation="tanh", recurrent_dropout=0.0):
    spec = Spec(n_ids=5, embedding_dim=D, layer=layer, rnn_units=U, rnn_activation=rnn_activation)
    return (
        recurrent_layer(spec, Recipe(recurrent_dropout=recurrent_dropout))
        if training
        else KERAS_LAYERS[layer]
    )


def make_tensors(layer):
    """Return random inputs, first states, and factors of the outputs in the loss."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return tf.Variable(rng.standard_normal(shape).astype(np.float32))

    states = [draw(len(LENGTHS), n * U) for n in CELLS[layer].states.values()]
    factors = [draw(len(LENGTHS), T, U), *(draw(*state.shape) for state in states)]
    return draw(len(LENGTHS), T, D), states, factors


def states_and_gradients(layer, x, states, factors):
    mask = tf.constant(np.arange(T) < np.array(LENGTHS)[:, None])
    real = tf.cast(mask, tf.float32)[..., None]
    real = real[:, ::-1] if layer.go_backwards else real
    with tf.GradientTape() as tape:
        sequence, *last = layer(x, mask=mask, initial_state=states)
        sequence *= real  # the states of padding are not defined
        loss = sum(tf.reduce_sum(a * b) for a, b in zip([sequence, *last], factors, strict=True))
    gradients = tape.gradient(loss, [x, *states, *(v.value for v in layer.trainable_variables)])
    return [sequence, *last], [tf.convert_to_tensor(g) for g in gradients]


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("layer", CELLS)
def test_states_and_gradients_equal_those_of_keras(layer, reverse):
    x, states, factors = make_tensors(layer)
    own, other = (
        layer_class(layer, training=training)(U, go_backwards=reverse, **ARGUMENTS)
        for training in (True, False)
    )
    assert type(own) is not type(other) and isinstance(own, type(other))
    for built in (own, other):
        built(x, mask=tf.ones((len(LENGTHS), T), bool), initial_state=states)
    rng = np.random.default_rng(1)
    for a, b in zip(own.weights, other.weights, strict=True):
        value = rng.standard_normal(a.shape) * 0.4
        a.assign(value)
        b.assign(value)
    (found, gradients), (expected, expected_gradients) = (
        states_and_gradients(built, x, states, factors) for built in (own, other)
    )
    for a, b in zip([*found, *gradients], [*expected, *expected_gradients], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", CELLS)
def test_results_do_not_depend_on_how_a_batch_is_divided_among_threads(layer, monkeypatch):
    x, states, factors = make_tensors(layer)
    built = layer_class(layer, training=True)(U, **ARGUMENTS)
    built(x, mask=tf.ones((len(LENGTHS), T), bool), initial_state=states)
    found = []
    for min_rows in (2, len(LENGTHS)):
        monkeypatch.setattr("skrnn.threads.MIN_ROWS", min_rows)
        sequences, gradients = states_and_gradients(built, x, states, factors)
        found.append([*sequences, *gradients])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[0][0], found[1][0])  # a row's bits do not depend on other rows


@pytest.mark.parametrize(
    "options",
    [
        {"rnn_activation": "relu"},
        {"recurrent_dropout": 0.1},
    ],
    ids=["relu", "recurrent dropout"],
)
def test_keras_runs_the_layers_that_have_no_compiled_loop(options):
    assert layer_class("gru", training=True, **options) is keras.layers.GRU


def test_keras_runs_all_layers_without_compiled_loops(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setenv("SKRNN_COMPILED", "never")
    assert layer_class("gru", training=True) is keras.layers.GRU


def test_adam_takes_the_same_steps_as_adam_of_keras():
    start = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    results = []
    for training in (True, False):
        adam, variable = make_optimizer("adam", 0.1, training=training), keras.Variable(start)
        assert (type(adam) is keras.optimizers.Adam) == (not training)
        for seed in range(5):
            gradient = np.random.default_rng(seed).standard_normal(start.shape).astype(np.float32)
            adam.apply([tf.constant(gradient)], [variable])
        results.append(np.array(variable))
    assert np.abs(results[0] - start).min() > 0.01
    np.testing.assert_allclose(*results, rtol=0, atol=1e-5)


def test_adam_updates_only_the_rows_of_a_large_embedding_that_a_batch_has_read(monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((7, 3)).astype(np.float32)
    rows, values = [4, 1, 4], rng.standard_normal((3, 3)).astype(np.float32)
    found = {}
    for many_rows in (7, 8):
        monkeypatch.setattr("skrnn.train.tensorflow.MANY_ROWS", many_rows)
        adam, variable = make_optimizer("adam", 0.1, training=True), keras.Variable(start)
        for _ in range(3):
            gradient = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([7, 3]))
            adam.apply([gradient], [variable])
        found[many_rows] = np.array(variable)
        gradient = tf.IndexedSlices(tf.constant(values[:1]), tf.constant([2]), tf.constant([7, 3]))
        adam.apply([gradient], [variable])
        unchanged = (np.array(variable)[[1, 4]] == found[many_rows][[1, 4]]).all()
        assert unchanged == (many_rows == 7)  # Adam of Keras changes all rows in each step
    np.testing.assert_allclose(found[7], found[8], rtol=0, atol=1e-5)
    assert (found[7][[0, 2, 3, 5, 6]] == start[[0, 2, 3, 5, 6]]).all()
    assert np.abs(found[7] - start)[[1, 4]].min() > 0.1


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop", "nadam", "adagrad"])
def test_other_optimizers_are_those_of_keras(name):
    optimizer = make_optimizer(name, 0.1, training=True)
    assert type(optimizer) is type(keras.optimizers.get(name))
    assert optimizer.global_clipnorm == 1.0
