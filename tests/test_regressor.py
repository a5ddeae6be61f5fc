"""The regressor: units of the targets, several columns, constant targets, invalid targets."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from skrnn import RNNTextRegressor

TEXTS = ["good film", "bad film", "good one", "so bad"] * 8
TINY = {
    "layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 20, "batch_size": 8,
    "learning_rate": 0.03, "early_stopping": False, "random_state": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def y():
    return np.array([1030.0, 970.0] * 16)


@pytest.fixture(scope="module")
def fitted(y):
    return RNNTextRegressor(**TINY).fit(TEXTS, y)


def test_predictions_have_the_unit_of_the_targets(fitted, y):
    found = fitted.predict(TEXTS)
    assert found.dtype == np.float64 and found.shape == (32,)
    np.testing.assert_allclose(found, y, atol=10)
    assert fitted.score(TEXTS, y) == pytest.approx(r2_score(y, found)) and fitted.score(TEXTS, y) > 0.9


def test_each_column_is_learned_in_its_own_unit(y):
    both = np.stack([y, 5e-4 - 1e-6 * y], axis=1)
    model = RNNTextRegressor(**TINY | {"epochs": 40}).fit(TEXTS, both)
    found = model.predict(TEXTS)
    assert found.shape == (32, 2)
    assert (abs(found - both) < both.std(axis=0) / 3).all()
    assert model.score(TEXTS, both) > 0.9
    assert model.fit(TEXTS, both[:, :1]).predict(TEXTS[:3]).shape == (3, 1)


def test_a_constant_target_is_predicted():
    model = RNNTextRegressor(**TINY | {"epochs": 1}).fit(TEXTS, np.full(32, 7.0))
    np.testing.assert_allclose(model.predict(TEXTS[:4]), 7, atol=1)


def test_the_score_of_constant_held_out_targets_is_zero_or_one_as_in_scikit_learn():
    model = RNNTextRegressor(**TINY | {"epochs": 2, "early_stopping": True})
    model.fit(TEXTS, np.tile([1.0, 2.0], 16), X_val=TEXTS[:4], y_val=np.full(4, 1.5))
    assert set(model.validation_scores_) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("y", "message"),
    [([1.0] * 31, "inconsistent"), ([np.nan] + [1.0] * 31, "NaN"), (["a"] * 32, "number")],
    ids=["too few", "NaN", "words"],
)
def test_invalid_targets_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        RNNTextRegressor(**TINY).fit(TEXTS, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_val": [1.0]}, "y_val of RNNTextRegressor.fit needs X_val"),
        ({"sample_weight_val": [1.0]}, "sample_weight_val of RNNTextRegressor.fit needs X_val"),
        ({"X_val": ["a"]}, "y_val to be passed"),
        ({"X_val": [], "y_val": []}, "X_val of RNNTextRegressor has 0 texts"),
        ({"X_val": ["a"], "y_val": [1.0, 2.0]}, "inconsistent"),
        (
            {"X_val": ["a"], "y_val": [1.0], "sample_weight_val": [0.0]},
            "sample_weight_val of .*Got only zeros",
        ),
        ({"X_val": ["a"], "y_val": [1.0]}, "early_stopping='score' of .* 2 held-out texts or more"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_incomplete_held_out_data_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RNNTextRegressor(**TINY | {"early_stopping": "score"}).fit(TEXTS, [1.0, 2.0] * 16, **arguments)


@pytest.mark.parametrize("scale", [1e-300, 1e149])
def test_predictions_of_tiny_and_huge_targets_are_finite(scale):
    y = np.array([1.0, 3.0] * 16) * scale
    found = RNNTextRegressor(**TINY).fit(TEXTS, y).predict(TEXTS)
    np.testing.assert_allclose(found / scale, y / scale, atol=1)
