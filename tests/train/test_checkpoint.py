"""checkpoint=: an interrupted fit that continues gives the same weights, bit for bit."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score

import skrnn
from skrnn.storage import FileError, write
from skrnn.train import Checkpoint

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
    # Early stopping has a history to restore, and dropout in Keras has seeds.
    "classifier": skrnn.RNNTextClassifier(layer="gru", early_stopping=True, n_iter_no_change=2, **TINY),
    "classifier trained by Keras": skrnn.RNNTextClassifier(layer="gru", recurrent_dropout=0.3, **TINY),
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


class Interrupt(keras.callbacks.Callback):
    """Raises KeyboardInterrupt when an epoch begins.

    A method for batches would change the last bit of some weights: rows of the embedding would make up for
    missed steps after each batch.
    """

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def assert_same_fit(found, expected):
    assert found.history_ == expected.history_ and found.n_iter_ == expected.n_iter_
    assert found._weights.keys() == expected._weights.keys()
    for name in expected._weights:
        np.testing.assert_array_equal(found._weights[name], expected._weights[name], name)


def interrupt_fit(estimator, path):
    """Return an unfitted estimator whose fit was interrupted in its third epoch."""
    interrupted = clone(estimator).set_params(checkpoint=path, callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(TEXTS, LABELS)
    return interrupted.set_params(callbacks=None)


@pytest.fixture(scope="module")
def uninterrupted():
    """Return the classifier after a fit without a checkpoint."""
    return clone(ESTIMATORS["classifier"]).fit(TEXTS, LABELS)


def test_an_interrupted_fit_continues_and_other_fits_are_refused(uninterrupted, tmp_path):
    path = tmp_path / "fit.checkpoint"
    interrupted = interrupt_fit(ESTIMATORS["classifier"], path)
    assert os.listdir(tmp_path) == [path.name]
    modified, content = path.stat().st_mtime_ns, path.read_bytes()
    with pytest.raises(
        ValueError, match="another fit, which differs in the texts, targets or weights, "
    ) as info:
        clone(interrupted).fit(TEXTS, LABELS[::-1])
    assert "For several fits, for example those of a search, set checkpoint to an existing folder" in str(
        info.value
    )
    for name, value, difference in [
        ("learning_rate", 0.1, r"optimizer or learning_rate\. "),
        ("batch_size", 5, r"batch_size\. "),
        ("epochs", 9, r"epochs\. "),
        ("random_state", 1, "random_state, the initial weights"),
        ("rnn_units", 4, r"the initial weights, the architecture\. "),
        ("n_iter_no_change", 3, "n_iter_no_change"),
        ("dropout", 0.1, r"dropout, noise, r_drop or what is frozen\. "),
    ]:
        with pytest.raises(ValueError, match=f"{path} belongs to another fit, .* in .*{difference}"):
            clone(interrupted).set_params(**{name: value}).fit(TEXTS, LABELS)
    assert path.stat().st_mtime_ns == modified and path.read_bytes() == content
    assert_same_fit(interrupted.fit(TEXTS, LABELS), uninterrupted)
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier trained by Keras", "autoencoder", "seq2seq"])
def test_an_interrupted_fit_of_other_estimators_continues(name, tmp_path):
    uninterrupted = clone(ESTIMATORS[name]).fit(TEXTS, LABELS)
    interrupted = interrupt_fit(ESTIMATORS[name], str(tmp_path / "fit.checkpoint"))
    assert_same_fit(interrupted.fit(TEXTS, LABELS), uninterrupted)
    assert os.listdir(tmp_path) == []


def test_a_fit_that_is_killed_after_its_last_epoch_needs_no_more_training(
    uninterrupted, tmp_path, monkeypatch
):
    path = tmp_path / "fit.checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr("skrnn.train.checkpoint.Checkpoint.remove", lambda self: None)
        clone(uninterrupted).set_params(checkpoint=path).fit(TEXTS, LABELS)
    assert path.exists()
    monkeypatch.setattr("skrnn.train.fit._fit", None)
    assert_same_fit(clone(uninterrupted).set_params(checkpoint=path).fit(TEXTS, LABELS), uninterrupted)
    assert not path.exists()


def test_a_checkpoint_that_cannot_work_is_refused_before_training(tmp_path):
    estimator = clone(ESTIMATORS["classifier"]).set_params(checkpoint=tmp_path / "none" / "fit.checkpoint")
    message = "checkpoint of RNNTextClassifier must be a file in an existing folder"
    with pytest.raises(FileNotFoundError, match=message):
        estimator.fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="checkpoint of RNNTextClassifier needs a random_state"):
        estimator.set_params(random_state=None).fit(TEXTS, LABELS)


def test_a_file_that_is_no_checkpoint_is_not_overwritten(tmp_path):
    path = tmp_path / "model.skrnn"
    skrnn.save(skrnn.RNNTextEncoder(objective="random").fit(TEXTS), path)
    content = path.read_bytes()
    with pytest.raises(FileError, match="holds 'estimator', not 'checkpoint'"):
        clone(ESTIMATORS["classifier"]).set_params(checkpoint=path).fit(TEXTS, LABELS)
    assert path.read_bytes() == content


def test_each_fit_has_a_file_of_its_own_in_a_folder(uninterrupted, tmp_path):
    first = interrupt_fit(ESTIMATORS["classifier"], tmp_path)
    (name,) = os.listdir(tmp_path)
    assert re.fullmatch(r"RNNTextClassifier-[0-9a-f]{32}\.checkpoint", name)
    second = interrupt_fit(clone(ESTIMATORS["classifier"]).set_params(rnn_units=4), tmp_path)
    assert len(os.listdir(tmp_path)) == 2
    assert_same_fit(first.fit(TEXTS, LABELS), uninterrupted)
    assert len(os.listdir(tmp_path)) == 1 and name not in os.listdir(tmp_path)
    second.fit(TEXTS, LABELS)
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_folds_in_worker_processes_share_a_folder(tmp_path):
    """Each fold continues from its own file, which an earlier, interrupted search has left."""
    estimator = clone(ESTIMATORS["classifier"])
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS)]  # no two folds are equal
    expected = cross_val_score(estimator, texts, LABELS, cv=3)
    estimator.set_params(checkpoint=tmp_path)
    interrupted = clone(estimator).set_params(callbacks=[Interrupt(2)])
    for train, _ in StratifiedKFold(3).split(texts, LABELS):
        with pytest.raises(KeyboardInterrupt):
            clone(interrupted).fit([texts[i] for i in train], [LABELS[i] for i in train])
    assert len(os.listdir(tmp_path)) == 3
    found = cross_val_score(estimator, texts, LABELS, cv=3, n_jobs=2)
    np.testing.assert_array_equal(found, expected)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["epoch"], "x"), (["arrays"], [1]), (["identity"], 3), (["monitor"], None),
        (["monitor", "weights"], []),
        (["monitor", "history", "loss"], ["x"]), (["monitor", "best_epoch"], 0.5), ([], [1]),
    ],
    ids=str,
)  # fmt: skip
def test_a_checkpoint_with_wrong_content_is_refused(tmp_path, where, value):
    """The checksum of the file is right."""
    state = {
        "identity": {}, "epoch": 1, "stopped": False, "arrays": [],
        "monitor": {"history": {"loss": [1.0]}, "weights": {}, "best_epoch": 0, "best": 1.0, "waited": 0},
    }  # fmt: skip
    inside = state
    for key in where[:-1]:
        inside = inside[key]
    if where:
        inside[where[-1]] = value
    write(tmp_path / "file", "checkpoint", state if where else value)
    monitor = SimpleNamespace(validation=None, patience=3, tol=0.0, by_score=False, owner="RNNTextEncoder")
    with pytest.raises(FileError, match="a checkpoint has"):
        Checkpoint(tmp_path / "file", monitor).read({})


@pytest.mark.slow
def test_20_fits_that_are_killed_at_random_times_end_with_the_same_bits(tmp_path):
    """A process trains until it is killed; the next process continues to the end."""
    path, result = tmp_path / "fit.checkpoint", tmp_path / "result"
    code = (
        "import pickle, sys, pathlib, skrnn\n"
        f"texts, labels = {TEXTS * 20!r}, {LABELS * 20!r}\n"
        "fitted = skrnn.RNNTextClassifier(layer='gru', rnn_units=8, embedding_dim=8, epochs=150,\n"
        "    random_state=0, early_stopping=True, n_iter_no_change=150,\n"
        "    checkpoint=CHECKPOINT)\n"
        "fitted.fit(texts, labels)\n"
        f"pathlib.Path({str(result)!r}).write_bytes(pickle.dumps([fitted._weights, fitted.history_]))\n"
    )

    def start(checkpoint):
        return subprocess.Popen([sys.executable, "-c", code.replace("CHECKPOINT", repr(checkpoint))])

    begun = time.perf_counter()
    assert start(None).wait() == 0
    seconds = time.perf_counter() - begun
    expected, expected_history = pickle.loads(result.read_bytes())
    rng, n_continued = np.random.default_rng(0), 0
    for _ in range(20):
        result.unlink()
        process = start(str(path))
        time.sleep(rng.uniform(0.2, 0.8) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        n_continued += path.exists()
        assert start(str(path)).wait() == 0
        assert os.listdir(tmp_path) == ["result"]
        weights, history = pickle.loads(result.read_bytes())
        assert history == expected_history
        assert weights.keys() == expected.keys()
        assert all((weights[name] == expected[name]).all() for name in expected)
    assert n_continued >= 10
