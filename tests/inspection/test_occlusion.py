"""Token importance by occlusion, compared with models whose weights are known."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.inspection import occlude
from skrnn.inspection.occlusion import value_name

TEXTS = ["good film", "bad film", "a very good one", "very bad"] * 3
LABELS = ["pos", "neg"] * 6
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "random_state": 0}


def word_count_pipeline(model, y=LABELS):
    """Return a fitted pipeline with one weight per word."""
    return make_pipeline(CountVectorizer(), model).fit(TEXTS, y)


LOGITS = {"response_method": "decision_function"}


def test_the_importance_for_a_classifier_is_the_decrease_of_the_probability():
    model = word_count_pipeline(LogisticRegression())
    tokens, importances, value, name = occlude(model, "good film")
    whole, *parts = model.predict_proba(["good film", " film", "good "])[:, 1]
    assert tokens == ["good", "film"] and name == "pos" and value == whole
    np.testing.assert_allclose(importances, whole - np.array(parts))
    np.testing.assert_allclose(occlude(model, "good film", target="neg")[1], -importances)
    assert occlude(model, "good film", target="neg")[2] == pytest.approx(1 - whole)
    assert value_name(model) == "probability" and value_name(model, "decision_function") == "decision value"
    assert value_name(word_count_pipeline(LinearSVC())) == "decision value"
    assert value_name(word_count_pipeline(Ridge(), range(12))) == "prediction"


def test_the_importance_for_a_forest_with_an_indicator_matrix_is_a_probability():
    indicator = np.array([[1, 0], [0, 1]] * 6)
    model = word_count_pipeline(RandomForestClassifier(10, random_state=0), indicator)
    _, importances, value, name = occlude(model, "good film", target=1)
    whole, without, _ = model.predict_proba(["good film", " film", "good "])[1][:, 1]
    assert name == "1" and value == whole and importances[0] == pytest.approx(whole - without)


def test_importance_in_a_linear_model_equals_the_weight_of_the_word():
    model = word_count_pipeline(LogisticRegression())
    weights = dict(zip(model[0].get_feature_names_out(), model[-1].coef_[0], strict=True))
    tokens, importances, value, name = occlude(model, "A good, good film!", **LOGITS)
    assert tokens == ["A", "good", ",", "good", "film", "!"] and name == "pos"
    expected = [0, weights["good"], 0, weights["good"], weights["film"], 0]
    np.testing.assert_allclose(importances, expected, atol=1e-12)
    assert value == model.decision_function(["A good, good film!"])[0]
    of_other_class = occlude(model, "A good, good film!", target="neg", **LOGITS)[1]
    np.testing.assert_allclose(of_other_class, -importances)
    of_replaced_tokens = occlude(model, "good film", hide="unknown", **LOGITS)[1]
    np.testing.assert_allclose(of_replaced_tokens, [weights["good"], weights["film"]])


def test_the_decision_value_with_three_classes_is_the_lead_over_the_second():
    model = make_pipeline(CountVectorizer(token_pattern="[a-z]"), LogisticRegression()).fit(
        ["a a", "b", "c d"], [0, 1, 2]
    )
    _, importances, value, name = occlude(model, "a b b", **LOGITS)
    before, after = model.decision_function(["a b b", "b b"])
    best = int(before.argmax())
    lead = before[best] - np.delete(before, best).max()
    assert name == str(best) and value == pytest.approx(lead)
    assert importances[0] == pytest.approx(value - (after[best] - np.delete(after, best).max()))


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
    for method in ("predict_proba", "decision_function"):
        scores = getattr(model, method)(["good", ""])
        found = occlude(model, "good", target=1, response_method=method)[1]
        assert found == pytest.approx([scores[0, 1] - scores[1, 1]], abs=1e-6)
    regressor = RNNTextRegressor(**TINY).fit(TEXTS, np.arange(12.0))
    outputs = regressor.predict(["good", ""])
    assert occlude(regressor, "good")[1] == pytest.approx([outputs[0] - outputs[1]], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        (["good"], {}, TypeError, "must be a str. Got list"),
        (" ", {}, ValueError, "must contain a token. Got ' '"),
        ("good", {"hide": "mask"}, ValueError, "'remove' or 'unknown'. Got 'mask'"),
        ("good", {"response_method": "logit"}, ValueError, "response_method of occlude .*Got 'logit'"),
        ("good", {"target": "maybe"}, ValueError, "one of the classes .*Got 'maybe'"),
    ],
)
def test_invalid_arguments_raise(text, options, error, message):
    with pytest.raises(error, match=message):
        occlude(word_count_pipeline(LogisticRegression()), text, **options)
