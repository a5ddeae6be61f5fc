"""What is tuned of training, against Keras: states and gradients of the compiled loops, steps of Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from skrnn.spec import N_GATES, Spec
from skrnn.train.tensorflow import optimizer, recurrent_layer

pytest.importorskip("numba")
COUNTS = [5, 1, 7, 7, 2, 0]
U, D, T = 6, 4, 9
ARGUMENTS = {"return_sequences": True, "return_state": True, "dtype": "float32"}


def spec_of(layer, **parameters):
    return Spec(n_ids=5, embedding_dim=D, layer=layer, rnn_units=U, **parameters)


def tensors(layer, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: tf.Variable(rng.standard_normal(shape).astype(np.float32))  # noqa: E731
    states = [draw(len(COUNTS), U) for _ in range(2 if layer == "lstm" else 1)]
    goals = [draw(len(COUNTS), T, U), *(draw(len(COUNTS), U) for _ in states)]
    return draw(len(COUNTS), T, D), states, goals


def states_and_gradients(cell, x, states, goals):
    mask = tf.constant(np.arange(T) < np.array(COUNTS)[:, None])
    seen = tf.cast(mask, tf.float32)[..., None]
    seen = seen[:, ::-1] if cell.go_backwards else seen
    with tf.GradientTape() as tape:
        sequence, *last = cell(x, mask=mask, initial_state=states)
        sequence *= seen  # what stands where a row has ended is nobody's business
        loss = sum(tf.reduce_sum(a * b) for a, b in zip([sequence, *last], goals, strict=True))
    gradients = tape.gradient(loss, [x, *states, *(v.value for v in cell.trainable_variables)])
    return [sequence, *last], [tf.convert_to_tensor(g) for g in gradients]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("layer", N_GATES)
def test_states_and_gradients_equal_those_of_keras(layer, reverse):
    x, states, goals = tensors(layer)
    own, other = (
        recurrent_layer(spec_of(layer), training=training)(U, go_backwards=reverse, **ARGUMENTS)
        for training in (True, False)
    )
    assert type(own) is not type(other) and isinstance(own, type(other))
    rng = np.random.default_rng(1)
    for cell in (own, other):
        cell(x, mask=tf.ones((len(COUNTS), T), bool), initial_state=states)
    for a, b in zip(own.weights, other.weights, strict=True):
        value = rng.standard_normal(a.shape) * 0.4
        a.assign(value)
        b.assign(value)
    (found, gradients), (expected, expected_gradients) = (
        states_and_gradients(cell, x, states, goals) for cell in (own, other)
    )
    for a, b in zip([*found, *gradients], [*expected, *expected_gradients], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", N_GATES)
def test_parts_of_a_batch_give_what_the_whole_gives(layer, monkeypatch):
    x, states, goals = tensors(layer)
    cell = recurrent_layer(spec_of(layer), training=True)(U, **ARGUMENTS)
    cell(x, mask=tf.ones((len(COUNTS), T), bool), initial_state=states)
    found = []
    for least in (2, len(COUNTS)):
        monkeypatch.setattr("skrnn.train.tensorflow.MIN_ROWS", least)
        sequences, gradients = states_and_gradients(cell, x, states, goals)
        found.append([*sequences, *gradients])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[0][0], found[1][0])  # a row's bits do not depend on the others


@pytest.mark.parametrize(
    ("parameters", "training"),
    [({"rnn_activation": "relu"}, True), ({"recurrent_dropout": 0.1}, True), ({}, False)],
)
def test_keras_runs_what_is_unusual(parameters, training):
    assert recurrent_layer(spec_of("gru", **parameters), training=training) is keras.layers.GRU


def test_keras_runs_all_without_numba(monkeypatch):
    monkeypatch.setattr("skrnn.train.tensorflow.find_spec", lambda name: None)
    assert recurrent_layer(spec_of("gru"), training=True) is keras.layers.GRU


def test_adam_takes_the_steps_of_keras():
    rng = np.random.default_rng(0)
    start = rng.standard_normal((7, 3)).astype(np.float32)
    variables = []
    for training in (True, False):
        adam, variable = optimizer("adam", 0.1, training=training), keras.Variable(start)
        assert (type(adam) is keras.optimizers.Adam) == (not training)
        for seed in range(5):
            gradient = np.random.default_rng(seed).standard_normal(start.shape).astype(np.float32)
            adam.apply([tf.constant(gradient)], [variable])
        variables.append(np.array(variable))
    assert np.abs(variables[0] - start).min() > 0.01
    np.testing.assert_allclose(*variables, rtol=0, atol=1e-5)


def test_adam_moves_the_rows_of_a_large_embedding_that_were_read(monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((7, 3)).astype(np.float32)
    rows, values = [4, 1, 4], rng.standard_normal((3, 3)).astype(np.float32)
    found = {}
    for many in (7, 8):
        monkeypatch.setattr("skrnn.train.tensorflow.MANY_ROWS", many)
        adam, variable = optimizer("adam", 0.1, training=True), keras.Variable(start)
        for _ in range(3):
            gradient = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([7, 3]))
            adam.apply([gradient], [variable])
        found[many] = np.array(variable)
        gradient = tf.IndexedSlices(tf.constant(values[:1]), tf.constant([2]), tf.constant([7, 3]))
        adam.apply([gradient], [variable])
        still = (np.array(variable)[[1, 4]] == found[many][[1, 4]]).all()
        assert still == (many == 7)  # Keras' Adam moves on the rows that it does not see
    np.testing.assert_allclose(found[7], found[8], rtol=0, atol=1e-5)
    assert (found[7][[0, 2, 3, 5, 6]] == start[[0, 2, 3, 5, 6]]).all()
    assert np.abs(found[7] - start)[[1, 4]].min() > 0.1


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop"])
def test_other_optimizers_are_those_of_keras(name):
    own = optimizer(name, 0.1, training=True)
    assert type(own) is type(keras.optimizers.get(name))
    assert own.global_clipnorm == 1.0
