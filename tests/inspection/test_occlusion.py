"""Token importance by occlusion, compared with models whose weights are known."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.inspection import occlude

TEXTS = ["good film", "bad film", "a very good one", "very bad"] * 3
LABELS = ["pos", "neg"] * 6
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "random_state": 0}


def word_count_pipeline(model, y=LABELS):
    """Return a fitted pipeline with one weight per word."""
    return make_pipeline(CountVectorizer(), model).fit(TEXTS, y)


def test_importance_in_a_linear_model_equals_the_weight_of_the_word():
    model = word_count_pipeline(LogisticRegression())
    weights = dict(zip(model[0].get_feature_names_out(), model[-1].coef_[0], strict=True))
    tokens, importances, value, name = occlude(model, "A good, good film!")
    assert tokens == ["A", "good", ",", "good", "film", "!"] and name == "pos"
    expected = [0, weights["good"], 0, weights["good"], weights["film"], 0]
    np.testing.assert_allclose(importances, expected, atol=1e-12)
    assert value == model.decision_function(["A good, good film!"])[0]
    of_other_class = occlude(model, "A good, good film!", target="neg")[1]
    np.testing.assert_allclose(of_other_class, -importances)
    of_replaced_tokens = occlude(model, "good film", hide="unknown")[1]
    np.testing.assert_allclose(of_replaced_tokens, [weights["good"], weights["film"]])


def test_value_with_three_classes_is_the_lead_over_the_second():
    model = make_pipeline(CountVectorizer(token_pattern="[a-z]"), MultinomialNB()).fit(
        ["a a", "b", "c d"], [0, 1, 2]
    )
    _, importances, value, name = occlude(model, "a b b")
    before, after = np.sort(model.predict_proba(["a b b", "b b"]), axis=1), model.predict_proba(["b b"])
    assert name == "1" and value == pytest.approx(before[0, -1] - before[0, -2])
    assert importances[0] == pytest.approx(value - (after[0, 1] - np.delete(after[0], 1).max()))


def test_target_selects_a_column_of_a_regressor():
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 3)
    model = word_count_pipeline(Ridge(), targets)
    names = model[0].get_feature_names_out().tolist()
    for column in (0, 1):
        _, (importance,), _, name = occlude(model, "good", target=column)
        assert importance == pytest.approx(model[-1].coef_[column, names.index("good")])
        assert name == f"output {column}"
    with pytest.raises(IndexError):
        occlude(model, "good", target=2)
    assert occlude(word_count_pipeline(Ridge(), targets[:, 0]), "good")[3] is None


def test_indicator_matrix_and_regressor_of_skrnn():
    indicator = np.array([[1, 0, 0], [0, 1, 1]] * 6)
    model = RNNTextClassifier(**TINY).fit(TEXTS, indicator)
    scores = model.decision_function(["good", ""])
    assert occlude(model, "good", target=1)[1] == pytest.approx([scores[0, 1] - scores[1, 1]], abs=1e-6)
    regressor = RNNTextRegressor(**TINY).fit(TEXTS, np.arange(12.0))
    outputs = regressor.predict(["good", ""])
    assert occlude(regressor, "good")[1] == pytest.approx([outputs[0] - outputs[1]], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        (["good"], {}, TypeError, "must be a str. Got list"),
        (" ", {}, ValueError, "must contain a token. Got ' '"),
        ("good", {"hide": "mask"}, ValueError, "'remove' or 'unknown'. Got 'mask'"),
        ("good", {"target": "maybe"}, ValueError, "one of the classes .*Got 'maybe'"),
    ],
)
def test_invalid_arguments_raise(text, options, error, message):
    with pytest.raises(error, match=message):
        occlude(word_count_pipeline(LogisticRegression()), text, **options)
