"""checkpoint=: a fit that was broken off ends as one that was not, to the bit."""

import os
import pickle
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from sklearn.base import clone

import skrnn
from skrnn.storage.encoding import FileError

TEXTS = [
    "good film",
    "bad film",
    "a very good film indeed",
    "very bad",
    "so so",
    "",
    "12 men",
    "one more",
] * 3
LABELS = ["b", "a", "b", "a", "b", "a", "b", "a"] * 3
TINY = {"rnn_units": 3, "embedding_dim": 3, "epochs": 3, "batch_size": 8, "random_state": 0}
ESTIMATORS = {
    # dropout, whose seeds must go on, and early stopping, which must remember
    "classifier": skrnn.RNNTextClassifier(
        layer="gru", recurrent_dropout=0.3, early_stopping=True, n_iter_no_change=2, **TINY
    ),
    "autoencoder": skrnn.RNNTextEncoder(
        layer="simple_rnn",
        objective="autoencoder",
        noise=0.2,
        early_stopping=False,
        optimizer="nadam",
        **TINY,
    ),
    "seq2seq": skrnn.RNNTextSeq2Seq(analyzer="word", layer="lstm", early_stopping=False, **TINY),
}


class Stop(keras.callbacks.Callback):
    """Raise in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def assert_same_fit(a, b):
    assert a.history_ == b.history_ and a.n_iter_ == b.n_iter_
    assert a._weights.keys() == b._weights.keys()
    for name in a._weights:
        np.testing.assert_array_equal(a._weights[name], b._weights[name], name)


@pytest.fixture(scope="module")
def whole():
    """Return the classifier, fitted without a checkpoint or an interruption."""
    return clone(ESTIMATORS["classifier"]).fit(TEXTS, LABELS)


@pytest.fixture
def broken_off(tmp_path):
    """Return a classifier whose fit was broken off in its third epoch."""
    path = tmp_path / "fit.checkpoint"
    broken = clone(ESTIMATORS["classifier"]).set_params(checkpoint=path, callbacks=[Stop(2)])
    with pytest.raises(KeyboardInterrupt):
        broken.fit(TEXTS, LABELS)
    return broken.set_params(callbacks=None)


def test_a_fit_goes_on_and_a_wrong_one_is_refused(whole, broken_off):
    path = broken_off.checkpoint
    assert os.listdir(path.parent) == [path.name]
    before, kept = path.stat().st_mtime_ns, path.read_bytes()
    with pytest.raises(ValueError, match=r"another fit, which differs in the texts, targets or weights"):
        clone(broken_off).fit(TEXTS, LABELS[::-1])
    for name, value, reason in [
        ("learning_rate", 0.1, "optimizer or learning_rate. "),
        ("batch_size", 5, "batch_size. "),
        ("epochs", 9, "epochs. "),
        ("random_state", 1, "random_state, the weights that are started from"),
        ("rnn_units", 4, "the weights that are started from, the network. "),
        ("n_iter_no_change", 3, "n_iter_no_change, tol or what stops early. "),
    ]:
        with pytest.raises(ValueError, match=f"{path} is that of another fit, which differs in .*{reason}"):
            clone(broken_off).set_params(**{name: value}).fit(TEXTS, LABELS)
    assert path.stat().st_mtime_ns == before and path.read_bytes() == kept
    assert_same_fit(broken_off.fit(TEXTS, LABELS), whole)
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["autoencoder", "seq2seq"])
def test_other_estimators_go_on(name, tmp_path):
    whole = clone(ESTIMATORS[name]).fit(TEXTS, LABELS)
    again = clone(ESTIMATORS[name]).set_params(checkpoint=str(tmp_path / "kept"), callbacks=[Stop(2)])
    with pytest.raises(KeyboardInterrupt):
        again.fit(TEXTS, LABELS)
    assert_same_fit(again.set_params(callbacks=None).fit(TEXTS, LABELS), whole)
    assert os.listdir(tmp_path) == []


def test_a_fit_killed_after_its_last_epoch_trains_no_more(whole, tmp_path, monkeypatch):
    path = tmp_path / "kept"
    with monkeypatch.context() as patch:
        patch.setattr("skrnn.train.checkpoint.Checkpoint.end", lambda self: None)
        clone(whole).set_params(checkpoint=path).fit(TEXTS, LABELS)
    assert path.exists()
    monkeypatch.setattr(keras.Model, "fit", None)
    assert_same_fit(clone(whole).set_params(checkpoint=path).fit(TEXTS, LABELS), whole)
    assert not path.exists()


def test_what_cannot_work_is_said_before_the_training(tmp_path):
    estimator = clone(ESTIMATORS["classifier"]).set_params(checkpoint=tmp_path / "none" / "kept")
    with pytest.raises(FileNotFoundError, match="checkpoint of RNNTextClassifier must be a file in a folder"):
        estimator.fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="checkpoint of RNNTextClassifier needs a random_state"):
        estimator.set_params(random_state=None).fit(TEXTS, LABELS)


def test_another_file_is_not_overwritten(tmp_path):
    path = tmp_path / "model.skrnn"
    skrnn.save(skrnn.RNNTextEncoder(objective="random").fit(TEXTS), path)
    kept = path.read_bytes()
    with pytest.raises(FileError, match="holds 'estimator', not 'checkpoint'"):
        clone(ESTIMATORS["classifier"]).set_params(checkpoint=path).fit(TEXTS, LABELS)
    assert path.read_bytes() == kept


@pytest.mark.slow
def test_20_fits_killed_at_any_moment_end_the_same(tmp_path):
    """R4. Each process trains until it is killed; the next one goes on; after at most ten, all is done."""
    path, result = tmp_path / "kept", tmp_path / "result"
    code = (
        "import pickle, sys, pathlib, skrnn\n"
        f"texts, labels = {TEXTS * 20!r}, {LABELS * 20!r}\n"
        "fitted = skrnn.RNNTextClassifier(layer='gru', rnn_units=8, embedding_dim=8, epochs=60,\n"
        "    random_state=0, early_stopping=True, n_iter_no_change=60,\n"
        "    checkpoint=CHECKPOINT)\n"
        "fitted.fit(texts, labels)\n"
        f"pathlib.Path({str(result)!r}).write_bytes(pickle.dumps([fitted._weights, fitted.history_]))\n"
    )

    def start(checkpoint):
        return subprocess.Popen([sys.executable, "-c", code.replace("CHECKPOINT", repr(checkpoint))])

    begun = time.perf_counter()
    assert start(None).wait() == 0
    seconds, expected = time.perf_counter() - begun, result.read_bytes()
    rng, resumed = np.random.default_rng(0), 0
    for _ in range(20):
        result.unlink()
        process = start(str(path))
        time.sleep(rng.uniform(0.2, 0.8) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        resumed += path.exists()
        assert start(str(path)).wait() == 0
        assert os.listdir(tmp_path) == ["result"]
        (a, history), (b, other_history) = pickle.loads(expected), pickle.loads(result.read_bytes())
        assert history == other_history
        assert all((a[name] == b[name]).all() for name in a)
    assert resumed >= 10
