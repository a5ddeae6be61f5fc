"""The callbacks of scikit-learn: each epoch is a subtask that hands over a fitted estimator."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextRegressor, RNNTextSeq2Seq, load, save

callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")

TEXTS = ["good film", "bad film", "very good", "very bad"] * 6
LABELS = ["yes", "no"] * 12
TINY = {
    "layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 3, "batch_size": 8,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


class RecordScores:
    """Records the score after each epoch and stops the training after `max_epochs`."""

    def __init__(self, max_epochs=9):
        self.max_epochs, self.scores, self.calls = max_epochs, [], []

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
            return len(self.scores) == self.max_epochs


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (RNNTextClassifier(**TINY), LABELS),
        (RNNTextRegressor(**TINY), [1.0, 2.0] * 12),
        (RNNTextSeq2Seq(analyzer="word", **TINY), LABELS),
    ],
    ids=["classifier", "regressor", "seq2seq"],
)
def test_callbacks_get_a_fitted_estimator_after_each_epoch(estimator, y):
    record, weights = RecordScores(), np.ones(24)
    plain = clone(estimator).fit(TEXTS, y)
    fitted = clone(estimator).set_callbacks(record).fit(TEXTS, y, sample_weight=weights)
    assert record.calls == ["setup", "begin fit", *["begin epoch", "end epoch"] * 3, "end fit", "teardown"]
    assert record.metadata["sample_weight"] is weights
    assert record.scores[-1] == fitted.score(TEXTS, y) == plain.score(TEXTS, y)
    np.testing.assert_array_equal(record.last.predict(TEXTS), plain.predict(TEXTS))
    assert not hasattr(fitted, "_callback_fit_ctx")


def test_a_callback_can_stop_the_training():
    record = RecordScores(max_epochs=2)
    fitted = RNNTextClassifier(**TINY).set_callbacks(record).fit(TEXTS, LABELS)
    assert fitted.n_iter_ == 2 and record.calls[-2:] == ["end fit", "teardown"]


def test_files_contain_no_callbacks(tmp_path):
    fitted = RNNTextClassifier(**TINY).set_callbacks(RecordScores()).fit(TEXTS, LABELS)
    save(fitted, tmp_path / "file")
    loaded = load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.predict(TEXTS), fitted.predict(TEXTS))
    assert hasattr(fitted, "_skl_callbacks") and not hasattr(loaded, "_skl_callbacks")
    assert pickle.loads(pickle.dumps(fitted)).n_iter_ == 3


def test_a_failed_fit_calls_teardown():
    record = RecordScores()
    record.on_fit_task_end = None
    with pytest.raises(TypeError):
        RNNTextClassifier(**TINY).set_callbacks(record).fit(TEXTS, LABELS)
    assert record.calls[-1] == "teardown"


def test_callbacks_of_scikit_learn_work_in_a_grid_search(capsys):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(RNNTextClassifier(**TINY), {"rnn_units": [2, 3]}, cv=2)
    search.estimator.set_callbacks(monitor)
    search.fit(TEXTS, LABELS)
    assert len(monitor.get_logs(select="all")) and search.best_estimator_.n_iter_ == 3
    RNNTextClassifier(**TINY).set_callbacks(callback.ProgressBar()).fit(TEXTS, LABELS)
    assert "RNNTextClassifier" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{}, {"early_stopping": True}], ids=["all texts", "held-out texts"])
@pytest.mark.parametrize(
    ("cls", "y"),
    [(RNNTextClassifier, LABELS), (RNNTextRegressor, [1.0, 2.0] * 12), (RNNTextEncoder, None)],
    ids=["classifier", "regressor", "encoder"],
)
def test_the_progress_bar_works_with_epochs_auto(cls, y, changes, capsys, tmp_path):
    estimator = cls(rnn_units=2, embedding_dim=2, layer="simple_rnn", random_state=0, **changes)
    estimator.set_params(checkpoint=tmp_path / "checkpoint").set_callbacks(callback.ProgressBar())
    if y is None:
        estimator.set_params(objective="autoencoder")
    estimator.fit(TEXTS, y)
    assert estimator.epochs == "auto" and cls.__name__ in capsys.readouterr().out
    estimator.partial_fit(TEXTS, *(() if y is None else (y,)))


def test_a_random_encoder_accepts_callbacks():
    encoder = RNNTextEncoder(objective="random", random_state=0).set_callbacks(callback.ProgressBar())
    assert encoder.fit(TEXTS).n_iter_ == 0
