"""partial_fit: one pass over a chunk, going on from the one before."""

import gc
import pickle
import tracemalloc

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone, is_regressor

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextRegressor, load, save
from skrnn.train import fit as training

TEXTS = ["good film", "bad film", "a very good film", "very bad", "so good", "so very bad"]
LABELS = [1, 0, 1, 0, 1, 0]
TINY = {"layer": "simple_rnn", "rnn_units": 4, "embedding_dim": 4, "random_state": 0, "bidirectional": False}
KINDS = {
    "classifier": RNNTextClassifier(**TINY),
    "regressor": RNNTextRegressor(**TINY),
    "autoencoder": RNNTextEncoder(objective="autoencoder", **TINY),
    "supervised": RNNTextEncoder(objective="supervised", **TINY),
}


def feed(estimator, n_chunks, start=0):
    """Hand chunks of the texts to an estimator, turned a little further each time."""
    for i in range(start, start + n_chunks):
        texts, y = np.roll(TEXTS, i).tolist(), np.roll(LABELS, i)
        if isinstance(estimator, RNNTextClassifier):
            estimator.partial_fit(texts, y, classes=[0, 1])
        else:
            y = y.astype(float) if is_regressor(estimator) else y
            estimator.partial_fit(texts, *[y] * (getattr(estimator, "objective", "") != "autoencoder"))
    return estimator


def same_weights(one, two):
    return all(np.array_equal(array, two._weights[name]) for name, array in one._weights.items())


@pytest.fixture(scope="module", params=KINDS)
def streamed(request):
    """Return an estimator that has seen two chunks; no test may change it."""
    return feed(clone(KINDS[request.param]), 2)


def test_the_same_chunks_give_the_same_bits_with_a_file_and_a_pickle_in_between(streamed, tmp_path):
    again = feed(clone(streamed), 1)
    assert not same_weights(again, streamed)
    training._kept.clear()  # as in another process
    save(again, tmp_path / "stream.skrnn")
    again = pickle.loads(pickle.dumps(load(tmp_path / "stream.skrnn")))
    assert same_weights(feed(again, 1, start=1), streamed)


def test_the_optimizer_goes_on(streamed):
    forgetful = feed(clone(streamed), 1)
    del forgetful._progress
    assert not same_weights(feed(forgetful, 1, start=1), streamed)
    slots = streamed._progress["slots"]
    assert int(next(value for name, value in slots.items() if "iteration" in name)) == 2


def test_a_stream_keeps_what_the_first_chunk_fixed(streamed):
    before = dict(streamed.vocabulary_)
    assert streamed.n_iter_ == len(streamed.loss_curve_) == 2
    assert streamed.sequence_length_ == 400
    other = pickle.loads(pickle.dumps(streamed))
    y = [1.0, 0.0] if is_regressor(other) else [1, 0]
    other.partial_fit(["quite new words"] * 2, *[y] * (getattr(other, "objective", "") != "autoencoder"))
    assert other.vocabulary_ == before == streamed.vocabulary_ and other.n_iter_ == 3


def test_a_fit_ends_the_stream(streamed):
    other = pickle.loads(pickle.dumps(streamed)).set_params(epochs=1)
    y = [1.0, 0.0] * 3 if is_regressor(other) else LABELS
    state = vars(other.fit(TEXTS, *[y] * (getattr(other, "objective", "") != "autoencoder")))
    assert "_progress" not in state and other.n_iter_ == 1


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_a_chunk_that_fails_changes_nothing(streamed):
    other = pickle.loads(pickle.dumps(streamed)).set_params(callbacks=[Interrupt()])
    before = joblib.hash(other.__getstate__() | {"callbacks": None})
    for X in (["good", 3], []):
        with pytest.raises((TypeError, ValueError)):
            other.partial_fit(X, [0, 1])
    with pytest.raises(KeyboardInterrupt):
        feed(other, 1)
    assert joblib.hash(other.__getstate__() | {"callbacks": None}) == before
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        feed(other.set_params(callbacks=None, learning_rate=float("nan"), optimizer="sgd"), 1)
    assert same_weights(other, streamed) and other.n_iter_ == 2
    feed(other.set_params(learning_rate=0.004, optimizer="adam"), 1, start=2)
    assert same_weights(other, feed(pickle.loads(pickle.dumps(streamed)), 1, start=2))


def test_fit_forgets_the_stream_and_a_stream_goes_on_from_fit(streamed):
    y = [float(label) for label in LABELS] if is_regressor(streamed) else LABELS
    fitted = clone(streamed).set_params(epochs=1).fit(TEXTS, y)
    again = pickle.loads(pickle.dumps(streamed)).set_params(epochs=1).fit(TEXTS, y)
    assert same_weights(again, fitted) and "_progress" not in vars(again)
    weights = fitted._weights
    feed(fitted, 1)
    changes = [np.abs(fitted._weights[name] - array).max() for name, array in weights.items()]
    assert 0 < max(changes) < 0.1 and fitted.n_iter_ == 2


def test_classes_are_fixed_by_the_first_call():
    classifier = clone(KINDS["classifier"])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="two classes or more"):
        classifier.partial_fit(TEXTS, [1] * 6, classes=[1])
    with pytest.raises(ValueError, match=r"1 label\(s\).*not among the classes.*2 at position 1"):
        classifier.partial_fit(["a", "b"], [1, 2], classes=[0, 1])
    assert not classifier.__sklearn_is_fitted__()
    classifier.partial_fit(["good", "bad"], ["b", "b"], classes=["c", "a", "b"])  # not all are there
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert classifier.predict_proba(TEXTS).shape == (6, 3)
    with pytest.raises(ValueError, match="not those of the training"):
        classifier.partial_fit(["good"], ["a"], classes=["a", "b"])
    with pytest.raises(ValueError, match=r"not among the classes.*'d' at position 0"):
        classifier.partial_fit(["good"], ["d"])
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*partial_fit"):
        classifier.set_params(class_weight="balanced").partial_fit(["good"], ["a"])


def test_an_indicator_matrix_comes_in_chunks():
    classifier = clone(KINDS["classifier"])
    Y = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0]])
    classifier.partial_fit(TEXTS[:3], Y).partial_fit(TEXTS[3:], Y)
    assert classifier.predict(TEXTS).shape == (6, 3) and classifier.n_iter_ == 2
    with pytest.raises(ValueError, match="3 column"):
        classifier.partial_fit(TEXTS[:2], [[1, 0], [0, 1]])


def test_a_random_encoder_takes_chunks():
    encoder = RNNTextEncoder(objective="random", **TINY).partial_fit(TEXTS)
    expected = encoder.transform(TEXTS)
    np.testing.assert_array_equal(encoder.partial_fit(["other words"]).transform(TEXTS), expected)


def test_a_stream_is_learned_in_bounded_memory():
    """The chunks of a generator leave nothing behind: neither texts nor networks."""
    rng = np.random.default_rng(0)
    classifier = RNNTextClassifier(**TINY | {"sequence_length": 3, "learning_rate": 0.03})

    def stream():
        for _ in range(9):
            y = rng.integers(0, 2, 200)
            yield [f"{('bad', 'good')[label]} film {'x' * 1000}{rng.random()}" for label in y], y

    sizes = []
    tracemalloc.start()
    for texts, y in stream():
        classifier.partial_fit(texts, y, classes=[0, 1])
        del texts
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert (sizes[-1] - sizes[3]) / 5 < 50_000  # the texts of a chunk are 200 kB
    assert len(training._kept) == 1
    assert classifier.score(["good film", "bad film"], [1, 0]) == 1.0
