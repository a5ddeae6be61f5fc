"""scikit-learn's callbacks are told of each epoch, with an estimator as if the fit had ended there."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNTextClassifier, RNNTextRegressor, RNNTextSeq2Seq, load, save

callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")

TEXTS = ["good film", "bad film", "very good", "very bad"] * 6
LABELS = ["yes", "no"] * 12
TINY = {
    "layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 3, "batch_size": 8,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


class Scores:
    """Notes the score after each epoch, and ends the training after so many."""

    def __init__(self, most=9):
        self.most, self.scores, self.calls = most, [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
            self.last, self.metadata = fitted_estimator, metadata
            return len(self.scores) == self.most


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (RNNTextClassifier(**TINY), LABELS),
        (RNNTextRegressor(**TINY), [1.0, 2.0] * 12),
        (RNNTextSeq2Seq(analyzer="word", **TINY), LABELS),
    ],
    ids=["classifier", "regressor", "seq2seq"],
)
def test_each_epoch_has_a_fitted_estimator(estimator, y):
    told, weights = Scores(), np.ones(24)
    plain = clone(estimator).fit(TEXTS, y)
    fitted = clone(estimator).set_callbacks(told).fit(TEXTS, y, sample_weight=weights)
    assert told.calls == ["setup", "begin fit", *["begin epoch", "end epoch"] * 3, "end fit", "teardown"]
    assert told.metadata["sample_weight"] is weights
    assert told.scores[-1] == fitted.score(TEXTS, y) == plain.score(TEXTS, y)
    np.testing.assert_array_equal(told.last.predict(TEXTS), plain.predict(TEXTS))
    assert not hasattr(fitted, "_callback_fit_ctx")


def test_a_callback_ends_the_training(tmp_path):
    told = Scores(most=2)
    fitted = RNNTextClassifier(**TINY).set_callbacks(told).fit(TEXTS, LABELS)
    assert fitted.n_iter_ == 2 and told.calls[-2:] == ["end fit", "teardown"]
    save(fitted, tmp_path / "file")  # callbacks serve a fit and stay out
    loaded = load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.predict(TEXTS), fitted.predict(TEXTS))
    assert not hasattr(loaded, "_skl_callbacks") and hasattr(pickle.loads(pickle.dumps(fitted)), "n_iter_")


def test_a_fit_that_fails_is_torn_down():
    told = Scores()
    told.on_fit_task_end = None
    with pytest.raises(TypeError):
        RNNTextClassifier(**TINY).set_callbacks(told).fit(TEXTS, LABELS)
    assert told.calls[-1] == "teardown"


def test_scikit_learns_own_are_handed_down_by_a_search(capsys):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(RNNTextClassifier(**TINY), {"rnn_units": [2, 3]}, cv=2)
    search.estimator.set_callbacks(monitor)
    search.fit(TEXTS, LABELS)
    log = monitor.get_logs(select="all")
    assert len(log) and search.best_estimator_.n_iter_ == 3
    RNNTextClassifier(**TINY).set_callbacks(callback.ProgressBar()).fit(TEXTS, LABELS)
    assert "RNNTextClassifier" in capsys.readouterr().out
