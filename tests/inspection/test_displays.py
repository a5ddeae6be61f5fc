"""The displays: the data they hold, and that the plots show these data."""

import html
import re
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextSeq2Seq
from skrnn.displays import AttentionDisplay, EncodingDisplay, TokenImportanceDisplay, TrainingCurveDisplay
from skrnn.inspection.axes import _installed_fonts, drawable

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


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_training_curve_plots_losses_and_scores(classifier):
    display = TrainingCurveDisplay.from_estimator(classifier)
    lines = {line.get_label(): line for line in [*display.ax_.lines, *display.score_ax_.lines]}
    np.testing.assert_array_equal(lines["training loss"].get_ydata(), classifier.loss_curve_)
    np.testing.assert_array_equal(lines["validation loss"].get_ydata(), classifier.history_["val_loss"])
    np.testing.assert_array_equal(lines["validation score"].get_ydata(), classifier.validation_scores_)
    best = int(np.argmin(classifier.history_["val_loss"]))
    assert lines["lowest validation loss"].get_xdata()[0] == display.best_epoch_ == best + 1
    assert classifier.best_validation_score_ == classifier.validation_scores_[best]
    assert display.ax_.get_title() == "RNNTextClassifier" and display.figure_ is display.ax_.figure


def test_training_curve_without_held_out_texts():
    display = TrainingCurveDisplay({"loss": [3.0, 2.0]}).plot()
    assert display.best_epoch_ is None and display.score_ax_ is None
    assert display.ax_.lines[0].get_xdata().tolist() == [1, 2]


def test_training_curve_marks_the_epoch_whose_weights_were_kept():
    history = {"loss": [3.0] * 4, "val_loss": [2.0, 1.0, 3.0, 3.0], "val_score": [np.nan, 0.5, 0.7, 0.7]}
    assert TrainingCurveDisplay(history).best_epoch_ == 2
    display = TrainingCurveDisplay(history, by_score=True).plot()
    assert display.best_epoch_ == 3
    assert display.ax_.lines[-1].get_label() == "highest validation score"
    fitted = RNNTextClassifier(**TINY | {"early_stopping": "score", "epochs": 4}).fit(
        TEXTS, LABELS, X_val=TEXTS[:3], y_val=LABELS[:3]
    )
    best = TrainingCurveDisplay.from_estimator(fitted).best_epoch_
    assert best == int(np.argmax(fitted.validation_scores_)) + 1
    assert fitted.best_validation_score_ == fitted.validation_scores_[best - 1]


def test_training_curve_needs_a_fitted_estimator_with_history():
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(RNNTextClassifier())
    with pytest.raises(TypeError, match=r"Got LogisticRegression .* pipeline\[-1\]"):
        TrainingCurveDisplay.from_estimator(LogisticRegression().fit([[0], [1]], [0, 1]))


def test_token_importance_plots_the_largest_importances(classifier):
    text = "a very good film"
    display = TokenImportanceDisplay.from_estimator(classifier, text, target="pos", max_tokens=2)
    values = classifier.predict_proba([text, "a very  film"])[:, 1]
    assert display.tokens == text.split()
    assert display.importances[2] == pytest.approx(values[0] - values[1], abs=1e-6)
    drawn = np.sort(np.argsort(-np.abs(display.importances), kind="stable")[:2])
    assert tick_labels(display.ax_.yaxis) == [display.tokens[i] for i in drawn]
    np.testing.assert_allclose([bar.get_width() for bar in display.ax_.patches], display.importances[drawn])
    assert display.ax_.get_xlabel() == "decrease of the probability without the token (tokens not shown: 2)"
    assert display.ax_.get_title() == f"pos: probability {values[0]:.3g}"
    assert display.ax_.yaxis_inverted()  # the first token is at the top


def test_token_importance_shows_the_text_as_html(classifier):
    text = "a  very <good>\nfilm"
    page = TokenImportanceDisplay.from_estimator(classifier, text)._repr_html_()
    plain = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert plain == TokenImportanceDisplay.from_estimator(classifier, text).ax_.get_title() + text
    display = TokenImportanceDisplay(["b", "a"], [-0.1, 0.2], value=1.0, text="b, a")
    shown = re.findall(r'rgba\((.+?)\)" title="(.+?)">(.)</span>(.?)', display._repr_html_())
    assert shown == [("255, 127, 14, 0.38", "-0.1", "b", ","), ("31, 119, 180, 0.75", "0.2", "a", "<")]
    without_text = TokenImportanceDisplay(["b", "a"], [0.0, 0.0], value=1.0)._repr_html_()
    assert re.sub(r"<[^>]+>", "", without_text) == "value 1b a"


def test_attention_plots_the_weights_of_the_estimator():
    model = RNNTextSeq2Seq(analyzer="char", **TINY).fit(["ab c", "ba", "$a$"] * 2, ["x y", "yx", "$"] * 2)
    display = AttentionDisplay.from_estimator(model, "ab c", "x y")
    ((source, target, weights),) = model.alignments(["ab c"], ["x y"])
    assert (display.source, display.target) == (source, target)
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert tick_labels(display.ax_.xaxis) == ["a", "b", "\u2423", "c"]
    assert tick_labels(display.ax_.yaxis) == ["x", "\u2423", "y", "(end)"]
    with pytest.raises(TypeError, match=r"must be a str\. Got list"):
        AttentionDisplay.from_estimator(model, ["ab c"])


def test_tick_labels_are_not_parsed_as_formulas():
    tokens = ["$x$", "a_b^", "\n", "\\frac", "w" * 99, "\u05e9\u05dc\u05d5\u05dd"]
    display = TokenImportanceDisplay(tokens, np.arange(6.0), value=1.0, target_name="$").plot()
    display.figure_.canvas.draw()  # an invalid formula would raise here
    expected = ["$x$", "a_b^", "\\n", "\\frac", "w" * 23 + "\u2026", tokens[-1]]
    assert tick_labels(display.ax_.yaxis) == expected


def test_encoding_plots_the_points_of_each_label(encoder):
    texts = TEXTS[:4]
    display = EncodingDisplay.from_estimator(encoder, texts, ["a", "b", "a", "b"])
    expected = PCA(2).fit_transform(encoder.transform(texts))
    np.testing.assert_allclose(display.points, expected, atol=1e-5)
    of_a, of_b = display.ax_.collections
    np.testing.assert_array_equal(of_a.get_offsets(), display.points[[0, 2]])
    np.testing.assert_array_equal(of_b.get_offsets(), display.points[[1, 3]])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["a", "b"]
    assert display.ax_.get_xlabel() == "PCA 1"


def test_encoding_with_numeric_labels_and_without_labels(encoder):
    points = np.random.default_rng(0).normal(size=(30, 2))
    numeric = EncodingDisplay(points, np.arange(30.0)).plot()
    np.testing.assert_array_equal(numeric.ax_.collections[0].get_array(), np.arange(30.0))
    assert len(numeric.figure_.axes) == 2  # the second is the colour bar
    _, ax = plt.subplots()
    plain = EncodingDisplay.from_estimator(encoder, TEXTS, projection=PCA(2), ax=ax)
    assert plain.ax_ is ax and plain.ax_.get_legend() is None and plain.labels is None


def test_encoding_distinguishes_21_groups():
    labels = np.repeat([f"{i:02}" for i in range(21)], 2)
    display = EncodingDisplay(np.zeros((42, 2)), labels).plot()
    colours_and_markers = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.ax_.collections
    }
    assert len(colours_and_markers) == 21


@pytest.mark.parametrize(
    ("texts", "y", "projection", "message"),
    [
        (TEXTS, LABELS[:3], None, r"must have shape \(12,\)"),
        (TEXTS[:1], None, None, "at least two texts"),
        (TEXTS, None, PCA(3), "set n_components=2"),
    ],
)
def test_encoding_rejects_invalid_arguments(encoder, texts, y, projection, message):
    with pytest.raises(ValueError, match=message):
        EncodingDisplay.from_estimator(encoder, texts, y, projection=projection)


def test_plot_without_matplotlib_names_the_package(monkeypatch):
    display = AttentionDisplay(["a"], ["b"], np.ones((2, 1)))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"AttentionDisplay.plot needs matplotlib.*pip install matplotlib"):
        display.plot()


def test_characters_that_no_font_has_become_boxes_with_one_warning(monkeypatch):
    monkeypatch.setattr("skrnn.inspection.axes._installed_fonts", list)
    tokens = ["\u7535\u5f71", "good", "\u0938\u0941", "a"]
    display = TokenImportanceDisplay(tokens, np.arange(4.0), value=1.0, target_name="\u597d")
    with pytest.warns(
        UserWarning, match="No installed font has 4 of the characters: \u0938\u597d\u5f71\u7535"
    ) as found:
        display.plot()
    assert len(found) == 1 and "fontManager.addfont(path)" in str(found[0].message)
    display.figure_.canvas.draw()  # matplotlib itself would warn here
    assert tick_labels(display.ax_.yaxis) == ["\u25a1\u25a1", "good", "\u25a1", "a"]
    assert display.ax_.get_title() == "\u25a1: value 1"


def test_a_font_that_has_the_characters_is_chosen(monkeypatch):
    characters = {"other": {"b"}, "right": {"\u7535"}}
    monkeypatch.setattr("skrnn.inspection.axes._characters", lambda file: characters.get(file, {"a"}))
    monkeypatch.setattr(
        "skrnn.inspection.axes._installed_fonts", lambda: [("Other", "other"), ("Right", "right")]
    )
    labels, families = drawable(["\u7535a"])
    assert labels == ["\u7535a"] and families == [*plt.rcParams["font.family"], "Right"]
    assert drawable(["a"]) == (["a"], plt.rcParams["font.family"])


def test_fonts_that_draw_boxes_or_formulas_are_not_chosen():
    names = [name for name, _ in _installed_fonts()]
    assert "DejaVu Sans" in names and not [name for name in names if name.startswith(("cm", "Last Resort"))]
    assert drawable(["good \u05e9"]) == (["good \u05e9"], plt.rcParams["font.family"])
