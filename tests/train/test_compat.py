"""The private attributes of Keras optimizers that training uses.

A failure here means that a version of Keras has moved one of them: adapt skrnn/train/compat.py.
"""

import inspect

import keras
import numpy as np
import pytest

from skrnn.train import compat

OPTIMIZERS = ["adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"]


def built(name):
    """Return an optimizer of Keras, built for two weights, and the weights."""
    layer = keras.layers.Dense(3, name="dense")
    layer.build((None, 2))
    optimizer = keras.optimizers.get(name)
    optimizer.build(layer.trainable_variables)
    return optimizer, layer.trainable_variables


def require(owner, *names):
    """Fail with the names that this version of Keras does not have."""
    missing = [name for name in names if not hasattr(owner, name)]
    assert not missing, (
        f"Keras {keras.__version__}: {type(owner).__name__} has no {', '.join(missing)}. "
        "Adapt skrnn/train/compat.py."
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_variables_of_an_optimizer_are_found_except_the_learning_rate(name):
    optimizer, weights = built(name)
    require(optimizer, "_learning_rate", "variables", *["_u_product"] * (name == "nadam"))
    found = compat.optimizer_variables(optimizer)
    assert all(variable is not optimizer._learning_rate for variable in found.values())
    assert any("iteration" in key for key in found)
    n_slots = {"adam": 2, "adamw": 2, "nadam": 2, "rmsprop": 1, "sgd": 0, "adagrad": 1}[name]
    with_weight_shape = [v for v in found.values() if len(v.shape)]
    assert len(with_weight_shape) == n_slots * len(weights), (
        f"Keras {keras.__version__}: {name} has other state variables than before: {list(found)}."
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_with_restored_variables_continues_like_the_original(name):
    gradients = [np.full((2, 3), 0.5, np.float32), np.full(3, -0.5, np.float32)]
    results = []
    for restored in (False, True):
        optimizer, weights = built(name)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        if restored:
            values = {k: np.array(v) for k, v in compat.optimizer_variables(optimizer).items()}
            optimizer, other = built(name)
            for weight, value in zip(other, weights, strict=True):
                weight.assign(value)
            for key, variable in compat.optimizer_variables(optimizer).items():
                variable.assign(values[key])
            weights = other
        else:
            first = [np.array(weight) for weight in weights]
        for weight, value in zip(weights, first, strict=True):
            weight.assign(value)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        results.append([np.array(weight) for weight in weights])
    for found, expected, start in zip(results[1], results[0], first, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert not np.array_equal(found, start)


def test_variables_have_a_path_and_an_order():
    optimizer, weights = built("adam")
    require(optimizer, "_get_variable_index", "_trainable_variables")
    assert [compat.variable_path(optimizer, weight) for weight in weights] == ["dense/kernel", "dense/bias"]
    found = compat.trainable_variables(optimizer)
    assert len(found) == 2 and all(a is b for a, b in zip(found, weights, strict=True))


def test_adam_stores_two_moments_for_each_variable():
    optimizer, weights = built("adam")
    require(optimizer, "_momentums", "_velocities")
    gradients = [np.full((2, 3), 0.5, np.float32), np.full(3, -0.25, np.float32)]
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
    for weight, gradient in zip(weights, gradients, strict=True):
        first, second = compat.adam_moments(optimizer, weight)
        np.testing.assert_allclose(np.array(first), (1 - optimizer.beta_1) * gradient, rtol=1e-5)
        np.testing.assert_allclose(np.array(second), (1 - optimizer.beta_2) * gradient**2, rtol=1e-4)


def test_subclasses_can_override_the_step_and_the_clipping():
    """Adam for TensorFlow overrides `update_step` and `_clip_gradients`; Keras must call both."""
    calls = []

    class Recording(keras.optimizers.Adam):
        def _clip_gradients(self, gradients):
            calls.append("clip")
            return gradients

        def update_step(self, gradient, variable, learning_rate):
            calls.append("step")

    require(keras.optimizers.Adam(), "_clip_gradients", "update_step", "global_clipnorm")
    parameters = list(inspect.signature(keras.optimizers.Adam.update_step).parameters)
    assert parameters == ["self", "gradient", "variable", "learning_rate"]
    optimizer, weight = Recording(global_clipnorm=1.0), keras.Variable(np.zeros(2, np.float32))
    optimizer.apply([keras.ops.ones(2)], [weight])
    assert calls == ["clip", "step"], f"Keras {keras.__version__} calls {calls} instead of clip, step."


def test_a_recurrent_layer_calls_its_inner_loop():
    """The compiled loops override `inner_loop` of Keras' recurrent layers."""
    for cls in (keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM):
        parameters = list(inspect.signature(cls.inner_loop).parameters)
        assert parameters == ["self", "sequences", "initial_state", "mask", "training"], (
            f"Keras {keras.__version__}: {cls.__name__}.inner_loop takes {parameters}."
        )
        calls = []

        def inner_loop(self, *arguments, own=cls.inner_loop, calls=calls, **options):
            calls.append(len(arguments) + len(options))
            return own(self, *arguments, **options)

        layer = type(cls.__name__, (cls,), {"inner_loop": inner_loop})(2)
        layer(np.zeros((1, 3, 2), np.float32))
        assert calls, f"Keras {keras.__version__}: {cls.__name__} does not call inner_loop."
