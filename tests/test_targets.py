"""The losses and scores of the heads against scikit-learn and Keras."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from skrnn.targets import Binary, Multiclass, Multilabel, Regression

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, 20)
CLASSES = RNG.integers(0, 4, 20)
INDICATORS = RNG.integers(0, 2, (20, 4)).astype(np.float32)
NUMBERS = RNG.normal(0, 2, (20, 4)).astype(np.float32)
EXTREME = np.array([-1e4, -800.0, -40.0, 0.0, 40.0, 800.0, 1e4], np.float32)


def test_probabilities_of_extreme_outputs_are_finite():
    binary, multiclass = Binary(1, np.arange(2)), Multiclass(7, np.arange(7))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        second = binary.probabilities(EXTREME[:, None])[:, 1]
        logs = multiclass.log_probabilities(np.stack([EXTREME, EXTREME[::-1]]))
    np.testing.assert_allclose(second, [0, 0, np.exp(-40.0), 0.5, 1, 1, 1], rtol=1e-5)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-6)


def test_binary_equals_multiclass_with_two_outputs():
    two = np.stack([np.zeros(20, np.float32), OUTPUTS[:, 0]], axis=1)
    labels = np.array(["no", "yes"])
    binary, multiclass = Binary(1, labels), Multiclass(2, labels)
    one = OUTPUTS[:, :1]
    np.testing.assert_allclose(binary.probabilities(one), multiclass.probabilities(two), rtol=1e-5)
    np.testing.assert_allclose(
        binary.log_probabilities(one), multiclass.log_probabilities(two), rtol=0, atol=1e-6
    )
    np.testing.assert_array_equal(binary.predict(one), multiclass.predict(two))
    targets = INDICATORS[:, :1]
    np.testing.assert_allclose(
        binary.losses(one, targets), multiclass.losses(two, targets[:, 0].astype(int)), rtol=1e-4, atol=1e-6
    )


def test_losses_equal_those_of_scikit_learn():
    found = np.average(Multiclass.losses(OUTPUTS, CLASSES), weights=WEIGHTS)
    expected = log_loss(CLASSES, softmax(OUTPUTS.astype(float), axis=1), sample_weight=WEIGHTS)
    assert found == pytest.approx(expected, rel=1e-5)
    columns = [
        [
            log_loss([t], [p], labels=[0, 1])
            for t, p in zip(INDICATORS[:, i], expit(OUTPUTS[:, i]), strict=True)
        ]
        for i in range(4)
    ]
    found = Multilabel.losses(OUTPUTS, INDICATORS)
    np.testing.assert_allclose(found, np.mean(columns, axis=0), rtol=1e-4, atol=1e-6)
    found = np.average(Regression.losses(OUTPUTS, NUMBERS), weights=WEIGHTS)
    assert found == pytest.approx(mean_squared_error(NUMBERS, OUTPUTS, sample_weight=WEIGHTS), rel=1e-5)


@pytest.mark.parametrize(
    ("head", "targets", "from_logits"),
    [
        (Multiclass, CLASSES, {"from_logits": True}),
        (Multilabel, INDICATORS, {"from_logits": True}),
        (Regression, NUMBERS, {}),
    ],
)
def test_losses_equal_the_keras_loss_that_a_head_names(head, targets, from_logits):
    import keras

    loss = keras.losses.get(head.loss)(targets, OUTPUTS, **from_logits)
    expected = keras.ops.convert_to_numpy(loss)
    np.testing.assert_allclose(head.losses(OUTPUTS, targets), expected, rtol=1e-4, atol=1e-6)


def test_losses_of_extreme_outputs_are_finite():
    found = Multilabel.losses(np.array([[1e4], [-1e4]], np.float32), np.array([[0.0], [0.0]]))
    np.testing.assert_allclose(found, [1e4, 0])
    assert np.isfinite(Multiclass.losses(np.array([[1e4, -1e4]], np.float32), np.array([1]))).all()


def test_scores_equal_those_of_scikit_learn():
    assert Multiclass.score(OUTPUTS, CLASSES, WEIGHTS) == pytest.approx(
        accuracy_score(CLASSES, OUTPUTS.argmax(axis=1), sample_weight=WEIGHTS)
    )
    assert Multilabel.score(OUTPUTS, INDICATORS, WEIGHTS) == pytest.approx(
        accuracy_score(INDICATORS, OUTPUTS > 0, sample_weight=WEIGHTS)
    )
    assert Regression.score(OUTPUTS, NUMBERS, WEIGHTS) == pytest.approx(
        r2_score(NUMBERS, OUTPUTS, sample_weight=WEIGHTS), rel=1e-4
    )


def test_the_score_of_equal_numbers_is_finite():
    assert np.isfinite(Regression.score(OUTPUTS, np.ones_like(OUTPUTS), WEIGHTS))


@pytest.mark.parametrize("value", [0.1, 1.1, 1e9 + 0.1])
def test_the_score_of_a_constant_column_is_0_in_float32(value):
    targets = np.full((7, 1), value, np.float32)
    outputs = targets + np.linspace(1, 2, 7, dtype=np.float32)[:, None] * targets
    assert Regression.score(outputs, targets, WEIGHTS[:7]) == 0
    assert Regression.score(targets, targets, WEIGHTS[:7]) == 1
