"""The displays: what they hold, and that what they draw is that."""

import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextRegressor, RNNTextSeq2Seq
from skrnn.displays import AttentionDisplay, EncodingDisplay, TokenImportanceDisplay, TrainingCurveDisplay
from skrnn.inspection.occlusion import occlude

plt = pytest.importorskip("matplotlib.pyplot")

TEXTS = ["good film", "bad film", "a very good one", "very bad"] * 3
LABELS = ["pos", "neg"] * 6
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classifier():
    return RNNTextClassifier(early_stopping=True, **TINY).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def encoder():
    return RNNTextEncoder(objective="random", random_state=0).fit(TEXTS)


def counting(model, X=TEXTS, y=LABELS):
    """Return a pipeline whose weights are known by word."""
    return make_pipeline(CountVectorizer(), model).fit(X, y)


def tick_names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_the_curve_of_a_training(classifier):
    display = TrainingCurveDisplay.from_estimator(classifier)
    lines = {line.get_label(): line for line in [*display.ax_.lines, *display.score_ax_.lines]}
    np.testing.assert_array_equal(lines["training loss"].get_ydata(), classifier.loss_curve_)
    np.testing.assert_array_equal(lines["validation loss"].get_ydata(), classifier.history_["val_loss"])
    np.testing.assert_array_equal(lines["validation score"].get_ydata(), classifier.validation_scores_)
    best = int(np.argmin(classifier.history_["val_loss"]))
    assert lines["weights kept"].get_xdata()[0] == display.best_epoch_ == best + 1
    assert classifier.best_validation_score_ == classifier.validation_scores_[best]
    assert display.ax_.get_title() == "RNNTextClassifier" and display.figure_ is display.ax_.figure


def test_the_curve_of_a_training_without_validation():
    display = TrainingCurveDisplay({"loss": [3.0, 2.0]}).plot()
    assert display.best_epoch_ is None and display.score_ax_ is None
    assert display.ax_.lines[0].get_xdata().tolist() == [1, 2]


def test_a_curve_needs_a_fit_and_a_history():
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(RNNTextClassifier())
    with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
        TrainingCurveDisplay.from_estimator(counting(LogisticRegression()))


def test_importances_of_a_linear_model_are_its_weights():
    model = counting(LogisticRegression())
    weights = dict(zip(model[0].get_feature_names_out(), model[-1].coef_[0], strict=True))
    tokens, importances, value, name = occlude(model, "A good, good film!")
    assert tokens == ["A", "good", ",", "good", "film", "!"] and name == "pos"
    expected = [0, weights["good"], 0, weights["good"], weights["film"], 0]
    np.testing.assert_allclose(importances, expected, atol=1e-12)
    assert value == model.decision_function(["A good, good film!"])[0]
    other = occlude(model, "A good, good film!", target="neg")
    np.testing.assert_allclose(other[1], -importances)
    np.testing.assert_allclose(
        occlude(model, "good film", hide="unknown")[1], [weights["good"], weights["film"]]
    )


def test_importances_of_several_labels_are_those_of_the_lead():
    model = make_pipeline(CountVectorizer(token_pattern="[a-z]"), MultinomialNB()).fit(
        ["a a", "b", "c d"], [0, 1, 2]
    )
    _, importances, value, name = occlude(model, "a b b")
    before, after = np.sort(model.predict_proba(["a b b", "b b"]), axis=1), model.predict_proba(["b b"])
    assert name == "1" and value == pytest.approx(before[0, -1] - before[0, -2])
    assert importances[0] == pytest.approx(value - (after[0, 1] - np.delete(after[0], 1).max()))


def test_importances_of_columns():
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 3)
    model = counting(Ridge(), y=targets)
    names = model[0].get_feature_names_out().tolist()
    for column in (0, 1):
        _, (importance,), _, name = occlude(model, "good", target=column)
        assert importance == pytest.approx(model[-1].coef_[column, names.index("good")])
        assert name == f"output {column}"
    assert occlude(counting(Ridge(), y=targets[:, 0]), "good")[3] is None


def test_importances_of_a_network(classifier):
    text = "a very good film"
    display = TokenImportanceDisplay.from_estimator(classifier, text, target="pos", max_tokens=2)
    values = classifier.decision_function([text, "a very  film"])
    assert display.tokens == text.split()
    assert display.importances[2] == pytest.approx(values[0] - values[1], abs=1e-6)
    drawn = np.sort(np.argsort(-np.abs(display.importances), kind="stable")[:2])
    assert tick_names(display.ax_.yaxis) == [display.tokens[i] for i in drawn]
    np.testing.assert_allclose([bar.get_width() for bar in display.ax_.patches], display.importances[drawn])
    assert "2 more tokens" in display.ax_.get_xlabel() and display.ax_.get_title().startswith("pos: ")
    assert display.ax_.yaxis_inverted()  # the first token is at the top


def test_importances_of_an_indicator_matrix_and_of_numbers():
    indicator = np.array([[1, 0, 0], [0, 1, 1]] * 6)
    model = RNNTextClassifier(**TINY).fit(TEXTS, indicator)
    scores = model.decision_function(["good", ""])
    assert occlude(model, "good", target=1)[1] == pytest.approx([scores[0, 1] - scores[1, 1]], abs=1e-6)
    regressor = RNNTextRegressor(**TINY).fit(TEXTS, np.arange(12.0))
    numbers = regressor.predict(["good", ""])
    assert occlude(regressor, "good")[1] == pytest.approx([numbers[0] - numbers[1]], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        (["good"], {}, TypeError, "must be one str. Got list"),
        (" ", {}, ValueError, "needs a text with a token"),
        ("good", {"hide": "mask"}, ValueError, "'remove' or 'unknown'. Got 'mask'"),
        ("good", {"target": "maybe"}, ValueError, "one of the classes .*Got 'maybe'"),
    ],
)
def test_what_cannot_be_occluded(text, options, error, message):
    with pytest.raises(error, match=message):
        occlude(counting(LogisticRegression()), text, **options)


def test_attention():
    model = RNNTextSeq2Seq(analyzer="char", **TINY).fit(["ab c", "ba", "$a$"] * 2, ["x y", "yx", "$"] * 2)
    display = AttentionDisplay.from_estimator(model, "ab c", "x y")
    ((read, wrote, weights),) = model.attend(["ab c"], ["x y"])
    assert (display.source, display.target) == (read, wrote)
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert tick_names(display.ax_.xaxis) == ["a", "b", "\u2423", "c"]
    assert tick_names(display.ax_.yaxis) == ["x", "\u2423", "y", "(end)"]
    with pytest.raises(TypeError, match="one str"):
        AttentionDisplay.from_estimator(model, ["ab c"])


def test_hard_tokens_are_drawn_as_they_are():
    tokens = ["$x$", "a_b^", "\n", "\\frac", "w" * 99, "\u05e9\u05dc\u05d5\u05dd"]
    display = TokenImportanceDisplay(tokens, np.arange(6.0), value=1.0, target_name="$").plot()
    display.figure_.canvas.draw()  # mathematics that cannot be parsed would raise here
    assert tick_names(display.ax_.yaxis) == ["$x$", "a_b^", "\\n", "\\frac", "w" * 23 + "\u2026", tokens[-1]]


def test_encodings(encoder):
    texts = TEXTS[:4]
    display = EncodingDisplay.from_estimator(encoder, texts, ["a", "b", "a", "b"])
    expected = PCA(2).fit_transform(encoder.transform(texts))
    np.testing.assert_allclose(display.points, expected, atol=1e-5)
    of_a, of_b = display.ax_.collections
    np.testing.assert_array_equal(of_a.get_offsets(), display.points[[0, 2]])
    np.testing.assert_array_equal(of_b.get_offsets(), display.points[[1, 3]])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["a", "b"]
    assert display.ax_.get_xlabel() == "PCA 1"


def test_encodings_coloured_by_numbers_or_not_at_all(encoder):
    points = np.random.default_rng(0).normal(size=(30, 2))
    scale = EncodingDisplay(points, np.arange(30.0)).plot()
    np.testing.assert_array_equal(scale.ax_.collections[0].get_array(), np.arange(30.0))
    assert len(scale.figure_.axes) == 2  # a colour bar
    _, ax = plt.subplots()
    plain = EncodingDisplay.from_estimator(encoder, TEXTS, projection=PCA(2), ax=ax)
    assert plain.ax_ is ax and plain.ax_.get_legend() is None and plain.labels is None


def test_twenty_one_groups_differ():
    labels = np.repeat([f"{i:02}" for i in range(21)], 2)
    display = EncodingDisplay(np.zeros((42, 2)), labels).plot()
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.ax_.collections
    }
    assert len(looks) == 21


@pytest.mark.parametrize(
    ("texts", "y", "projection", "message"),
    [
        (TEXTS, LABELS[:3], None, r"must have shape \(12,\)"),
        (TEXTS[:1], None, None, "two texts or more"),
        (TEXTS, None, PCA(3), "set n_components=2"),
    ],
)
def test_what_cannot_be_projected(encoder, texts, y, projection, message):
    with pytest.raises(ValueError, match=message):
        EncodingDisplay.from_estimator(encoder, texts, y, projection=projection)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    display = AttentionDisplay(["a"], ["b"], np.ones((2, 1)))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"AttentionDisplay.plot needs matplotlib.*skrnn\[plot\]"):
        display.plot()
