"""Callbacks of Keras: what they see, and what they can change."""

import keras
import numpy as np
import pytest

from skrnn import RNNTextClassifier, RNNTextRegressor

TEXTS, LABELS = ["good film", "bad film"] * 8, [0, 1] * 8
HELD_OUT = {"X_val": TEXTS[:4], "y_val": LABELS[:4]}
TINY = {
    "layer": "simple_rnn", "rnn_units": 2, "embedding_dim": 2, "epochs": 3, "batch_size": 8,
    "random_state": 0, "r_drop": 0.0,
}  # fmt: skip


class Record(keras.callbacks.Callback):
    """Records the logs and the output layer of each epoch."""

    def __init__(self):
        super().__init__()
        self.logs, self.heads = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.heads.append(self.model.get_layer("head").get_weights()[0])


def fit(callbacks, held_out=HELD_OUT, **changes):
    """Return a classifier that was fitted with callbacks, and what a last callback has recorded."""
    record = Record()
    classifier = RNNTextClassifier(callbacks=[*callbacks, record], **TINY | changes)
    return classifier.fit(TEXTS, LABELS, **held_out), record


def test_the_logs_of_an_epoch_are_its_values_in_the_history():
    classifier, record = fit([])
    assert [list(logs) for logs in record.logs] == [["loss", "val_loss", "val_score"]] * 3
    for name, values in classifier.history_.items():
        assert [logs[name] for logs in record.logs] == values
    assert list(fit([], held_out={})[1].logs[0]) == ["loss"]


@pytest.mark.parametrize("held_out", [{}, {"X_val": TEXTS[:4], "y_val": LABELS[:4]}], ids=["all", "held out"])
@pytest.mark.parametrize("estimator", [RNNTextClassifier, RNNTextRegressor])
def test_a_callback_that_changes_nothing_leaves_the_fit_as_it_is(estimator, held_out):
    """The n-grams beside the network, which are on by default, stay in the model too."""
    parameters = {"epochs": 2, "random_state": 0}
    plain = estimator(**parameters).fit(TEXTS, LABELS, **held_out)
    watched = estimator(callbacks=[keras.callbacks.Callback()], **parameters).fit(TEXTS, LABELS, **held_out)
    assert plain._weights.keys() == watched._weights.keys() and plain._spec.n_ngrams > 0
    np.testing.assert_array_equal(watched.predict(TEXTS), plain.predict(TEXTS))
    for name, array in plain._weights.items():
        np.testing.assert_array_equal(watched._weights[name], array, err_msg=name)


def test_early_stopping_of_keras_sees_the_validation_loss():
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=1, min_delta=10, mode="min")
    classifier, _ = fit([stop], epochs=9)
    assert classifier.n_iter_ == stop.stopped_epoch + 1 == 2


def test_callbacks_that_monitor_the_validation_write_their_files(tmp_path):
    files = tmp_path / "log.csv", tmp_path / "best.weights.h5"
    logger = keras.callbacks.CSVLogger(files[0])
    best = keras.callbacks.ModelCheckpoint(
        files[1], monitor="val_score", mode="max", save_best_only=True, save_weights_only=True
    )
    classifier, _ = fit([logger, best])
    header, first, *_ = files[0].read_text().splitlines()
    assert header == "epoch,loss,val_loss,val_score" and len(classifier.history_["val_loss"]) == 3
    assert float(first.split(",")[2]) == classifier.history_["val_loss"][0] and files[1].exists()


def test_weights_that_a_callback_restores_at_the_end_are_kept():
    restore = keras.callbacks.EarlyStopping(monitor="loss", mode="max", patience=9, restore_best_weights=True)
    classifier, record = fit([restore], held_out={}, learning_rate=0.1, schedule="constant")
    worst = int(np.argmax(classifier.loss_curve_))
    assert worst < 2 and classifier.n_iter_ == 3
    np.testing.assert_array_equal(classifier._weights["head/kernel"], record.heads[worst])


class StopInEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


class StopInBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True


@pytest.mark.parametrize(("callback", "n_epochs"), [(StopInEpoch, 2), (StopInBatch, 1)])
def test_callbacks_can_stop_the_training_at_any_time(callback, n_epochs):
    assert fit([callback()])[0].n_iter_ == n_epochs


def test_a_learning_rate_that_one_cycle_overwrites_is_noticed_once():
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1)
    with pytest.warns(UserWarning, match='schedule="constant"') as caught:
        fit([schedule])
    assert len([w for w in caught if "one_cycle" in str(w.message)]) == 1
    _, record = fit([schedule], schedule="constant")
    assert record.logs[-1]["learning_rate"] == pytest.approx(0.1)
    fit([])  # without such a callback there is no warning
