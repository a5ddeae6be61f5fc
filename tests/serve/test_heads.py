import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from skrnn.serve.heads import log_softmax, row_losses, score, sigmoid

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, 20)
CLASSES = RNG.integers(0, 4, 20)
MANY = RNG.integers(0, 2, (20, 4)).astype(np.float32)
NUMBERS = RNG.normal(0, 2, (20, 4)).astype(np.float32)
EXTREME = np.array([-1e4, -800.0, -40.0, 0.0, 40.0, 800.0, 1e4], np.float32)


def test_sigmoid_and_softmax_hold_at_the_extremes():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(sigmoid(EXTREME), [0, 0, np.exp(-40.0), 0.5, 1, 1, 1], rtol=1e-5)
        logs = log_softmax(np.stack([EXTREME, EXTREME[::-1]]))
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(log_softmax(OUTPUTS + 100), log_softmax(OUTPUTS), atol=1e-4)


def test_sigmoid_is_the_softmax_of_two():
    two = np.stack([np.zeros(20, np.float32), OUTPUTS[:, 0]], axis=1)
    np.testing.assert_allclose(sigmoid(OUTPUTS[:, 0]), np.exp(log_softmax(two))[:, 1], rtol=1e-5)


def test_losses_are_those_of_scikit_learn():
    mean = np.average(row_losses("softmax", OUTPUTS, CLASSES), weights=WEIGHTS)
    expected = log_loss(CLASSES, np.exp(log_softmax(OUTPUTS.astype(float))), sample_weight=WEIGHTS)
    assert mean == pytest.approx(expected, rel=1e-5)
    found = row_losses("sigmoid", OUTPUTS, MANY)
    columns = [
        [log_loss([t], [p], labels=[0, 1]) for t, p in zip(MANY[:, i], sigmoid(OUTPUTS[:, i]), strict=True)]
        for i in range(4)
    ]
    np.testing.assert_allclose(found, np.mean(columns, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        np.average(row_losses("linear", OUTPUTS, NUMBERS), weights=WEIGHTS),
        mean_squared_error(NUMBERS, OUTPUTS, sample_weight=WEIGHTS),
        rtol=1e-5,
    )


def test_losses_are_those_of_keras():
    import keras

    for head, targets, loss in (
        ("softmax", CLASSES, keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)),
        ("sigmoid", MANY, keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)),
        ("linear", NUMBERS, keras.losses.MeanSquaredError(reduction=None)),
    ):
        expected = keras.ops.convert_to_numpy(loss(targets, OUTPUTS))
        np.testing.assert_allclose(row_losses(head, OUTPUTS, targets), expected, rtol=1e-4, atol=1e-6)


def test_losses_hold_at_the_extremes():
    found = row_losses("sigmoid", np.array([[1e4], [-1e4]], np.float32), np.array([[0.0], [0.0]]))
    np.testing.assert_allclose(found, [1e4, 0])
    assert np.isfinite(row_losses("softmax", np.array([[1e4, -1e4]], np.float32), np.array([1]))).all()


def test_scores_are_those_of_scikit_learn():
    assert score("softmax", OUTPUTS, CLASSES, WEIGHTS) == pytest.approx(
        accuracy_score(CLASSES, OUTPUTS.argmax(axis=1), sample_weight=WEIGHTS)
    )
    assert score("sigmoid", OUTPUTS, MANY, WEIGHTS) == pytest.approx(
        accuracy_score(MANY, OUTPUTS > 0, sample_weight=WEIGHTS)
    )
    assert score("linear", OUTPUTS, NUMBERS, WEIGHTS) == pytest.approx(
        r2_score(NUMBERS, OUTPUTS, sample_weight=WEIGHTS), rel=1e-4
    )


def test_a_score_of_numbers_that_are_all_equal_is_finite():
    assert np.isfinite(score("linear", OUTPUTS, np.ones_like(OUTPUTS), WEIGHTS))
