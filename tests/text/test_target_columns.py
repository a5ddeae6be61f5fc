"""Targets as arrays: labels, numbers, and errors whose remedy works."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MultiLabelBinarizer

from skrnn.targets import classification_head, head_for, regression_head

TEXTS = ["good", "bad"] * 4
DATES = pd.to_datetime(["2020-01-01", "2021-01-01"] * 4)


def learned(head, y):
    """Return the predictions of a network whose outputs are the encoded targets."""
    return head.predict(head.encode(y, TEXTS, owner="Owner").astype(np.float64))


@pytest.mark.parametrize(
    "y",
    [
        [["a", "b"], ["a"]] * 4,
        [{"a", "b"}, {"a"}] * 4,
        [("a", "b"), ()] * 4,
        pd.Series([["a", "b"], ["a"]] * 4),
        [["a", "b"], ["b", "c"]] * 4,
        np.array([["a", "b"], ["b", "c"]] * 4),
        [np.array(["a"]), np.array(["a", "b"])] * 4,
    ],
    ids=["lists", "sets", "tuples", "Series", "equal lists", "matrix", "arrays"],
)
@pytest.mark.parametrize("make_head", [classification_head, head_for])
def test_several_labels_of_a_text_need_the_multi_label_binarizer(make_head, y):
    with pytest.raises(ValueError, match=r"^y of Owner.*MultiLabelBinarizer\(\)\.fit_transform\(y\)\.$"):
        make_head(y, TEXTS, owner="Owner")
    indicator = MultiLabelBinarizer().fit_transform(y)
    assert make_head(indicator, TEXTS, owner="Owner").name == "multilabel"


def test_several_columns_of_labels_are_refused_and_one_column_is_not():
    with pytest.raises(ValueError, match=r"Got shape \(8, 2\).*MultiOutputClassifier\(Owner"):
        classification_head([[1, 2], [0, 3]] * 4, TEXTS, owner="Owner")
    with pytest.warns(UserWarning, match="column-vector"):
        assert classification_head([["a"], ["b"]] * 4, TEXTS, owner="Owner").classes.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "pair",
    [
        [1e-300, 3e-300], [1e-320, 3e-320], [1e149, -1e149], [1e9 + 0.1, 1e9 - 0.1], [0.1, 0.1],
        [2**62, 2**62 + 2**40], [2**64 - 1, 5], [2**70, 1], [Decimal("1.5"), Decimal(2)],
        [Fraction(1, 3), Fraction(2)], [True, False], [[1e-200, 1e100], [2e-200, -1e100]],
    ],
    ids=str,
)  # fmt: skip
def test_numbers_of_any_scale_are_standardised_and_restored(pair):
    y = pair * 4
    head = regression_head(y, TEXTS, owner="Owner")
    expected = np.array(y, dtype=np.float64)
    np.testing.assert_allclose(learned(head, y), expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-6)
    if pair[0] != pair[1]:
        assert np.abs(head.encode(y, TEXTS, owner="Owner")).max() == pytest.approx(1, rel=1e-3)


def test_a_constant_column_has_its_value_as_mean_and_the_scale_1():
    head = regression_head([0.1] * 8, TEXTS, owner="Owner")
    assert head.mean.tolist() == [0.1] and head.scale.tolist() == [1]


@pytest.mark.parametrize("largest", [1e155, 1e308])
def test_numbers_whose_squares_overflow_are_refused(largest):
    y = [largest, -largest] * 4
    with pytest.raises(ValueError, match=r"y of Owner.*Divide y by a constant.*numpy\.divide"):
        regression_head(y, TEXTS, owner="Owner")
    scaled = np.divide(y, largest)
    np.testing.assert_allclose(learned(regression_head(scaled, TEXTS, owner="Owner"), scaled), scaled)


def test_numbers_of_another_unit_than_the_training_targets_are_refused():
    head = regression_head([1e-300, 2e-300] * 4, TEXTS, owner="Owner")
    with pytest.raises(ValueError, match=r"y_val of Owner has 1\.0 at position 2.*the unit of y_val"):
        head.encode([1e-300, 2e-300, 1.0, *[0.0] * 5], TEXTS, owner="Owner", name="y_val")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1.0, 2.0], [3.0]] * 4, r"rows of equal length\. Got the row \[1\.0, 2\.0\]"),
        (pd.Series([[1.0, 2.0], [3.0, 4.0]] * 4), r"numpy\.stack\(y\)"),
        ([10**400, 1] * 4, "too large"),
        ([1j, 2] * 4, "must hold numbers"),
        (["a", "b"] * 4, "must hold numbers"),
    ],
    ids=["ragged", "Series of lists", "huge int", "complex", "words"],
)
def test_targets_that_are_no_numbers_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        regression_head(y, TEXTS, owner="Owner")


@pytest.mark.parametrize(
    "y",
    [DATES, pd.Series(DATES), DATES.tz_localize("UTC"), DATES.to_pydatetime().tolist(), DATES.to_numpy()],
    ids=["index", "Series", "time zone", "datetime", "datetime64"],
)
def test_dates_are_refused_and_the_remedy_gives_days(y):
    with pytest.raises(ValueError, match="dates or durations") as raised:
        regression_head(y, TEXTS, owner="Owner")
    remedy = str(raised.value).partition("days: ")[2].rstrip(".")
    days = eval(remedy, {"pandas": pd, "y": y})
    head = regression_head(days, TEXTS, owner="Owner")
    assert head.mean[0] == (18262 + 18628) / 2


def test_durations_are_refused_and_the_remedy_gives_days():
    y = pd.Series(pd.to_timedelta([1, 2] * 4, unit="D"))
    with pytest.raises(ValueError, match=r"pandas\.to_timedelta\(y\) / pandas\.Timedelta\(days=1\)"):
        regression_head(y, TEXTS, owner="Owner")
    assert regression_head(pd.to_timedelta(y) / pd.Timedelta(days=1), TEXTS, owner="Owner").mean[0] == 1.5
