"""partial_fit: each call trains for one epoch on a chunk and continues from the previous one."""

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
    "contrastive": RNNTextEncoder(objective="contrastive", **TINY),
    "supervised": RNNTextEncoder(objective="supervised", **TINY),
}


def targets(estimator, labels=LABELS):
    """Return the arguments after the texts: no targets without labels, numbers for a regressor."""
    if getattr(estimator, "objective", "") in ("autoencoder", "contrastive"):
        return ()
    return ([float(label) for label in labels] if is_regressor(estimator) else labels,)


def feed(estimator, n_chunks, start=0):
    """Pass chunks to partial_fit; each has the same texts in another order."""
    for i in range(start, start + n_chunks):
        texts, labels = np.roll(TEXTS, i).tolist(), np.roll(LABELS, i).tolist()
        options = {"classes": [0, 1]} if isinstance(estimator, RNNTextClassifier) else {}
        estimator.partial_fit(texts, *targets(estimator, labels), **options)
    return estimator


def copy_of(estimator):
    return pickle.loads(pickle.dumps(estimator))


def same_weights(one, two):
    return all(np.array_equal(array, two._weights[name]) for name, array in one._weights.items())


@pytest.fixture(scope="module", params=KINDS)
def streamed(request):
    """Return an estimator after two chunks; tests must not change it."""
    return feed(clone(KINDS[request.param]), 2)


def test_the_same_chunks_give_the_same_bits_also_through_a_file_and_a_pickle(streamed, tmp_path):
    again = feed(clone(streamed), 1)
    assert not same_weights(again, streamed)
    training._last_model.clear()  # as in a new process
    save(again, tmp_path / "stream.skrnn")
    again = copy_of(load(tmp_path / "stream.skrnn"))
    assert same_weights(feed(again, 1, start=1), streamed)


def test_the_state_of_the_optimizer_is_kept_between_chunks(streamed):
    without_state = feed(clone(streamed), 1)
    del without_state._progress
    assert not same_weights(feed(without_state, 1, start=1), streamed)
    state = streamed._progress["state"]
    assert int(next(value for name, value in state.items() if "iteration" in name)) == 2


def test_another_optimizer_starts_with_a_new_state(streamed):
    other = copy_of(streamed).set_params(optimizer="sgd")
    state = feed(other, 1, start=2)._progress["state"]
    assert int(next(value for name, value in state.items() if "iteration" in name)) == 1
    assert other.n_iter_ == 3 and not same_weights(other, streamed)


def test_the_first_chunk_fixes_the_vocabulary_and_the_length(streamed):
    before = dict(streamed.vocabulary_)
    assert streamed.n_iter_ == len(streamed.loss_curve_) == 2
    assert streamed.sequence_length_ == 400
    other = copy_of(streamed)
    other.partial_fit(["quite new words"] * 2, *targets(other, [1, 0]))
    assert other.vocabulary_ == before == streamed.vocabulary_ and other.n_iter_ == 3


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_a_chunk_that_fails_changes_nothing(streamed):
    other = copy_of(streamed).set_params(callbacks=[Interrupt()])
    before = joblib.hash(other.__getstate__() | {"callbacks": None})
    for X in (["good", 3], []):
        with pytest.raises((TypeError, ValueError)):
            other.partial_fit(X, *targets(other, [0, 1]))
    with pytest.raises(KeyboardInterrupt):
        feed(other, 1)
    assert joblib.hash(other.__getstate__() | {"callbacks": None}) == before
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        feed(other.set_params(callbacks=None, learning_rate=float("nan"), optimizer="sgd"), 1)
    assert same_weights(other, streamed) and other.n_iter_ == 2
    feed(other.set_params(learning_rate=0.004, optimizer="adam"), 1, start=2)
    assert same_weights(other, feed(copy_of(streamed), 1, start=2))


def test_fit_starts_anew_after_partial_fit(streamed):
    fitted = clone(streamed).set_params(epochs=1).fit(TEXTS, *targets(streamed))
    again = copy_of(streamed).set_params(epochs=1).fit(TEXTS, *targets(streamed))
    assert same_weights(again, fitted) and again.n_iter_ == 1
    assert "_progress" not in vars(again)


def test_partial_fit_continues_after_fit(streamed):
    fitted = clone(streamed).set_params(epochs=1).fit(TEXTS, *targets(streamed))
    before = fitted._weights
    feed(fitted, 1)
    changes = [np.abs(fitted._weights[name] - array).max() for name, array in before.items()]
    assert 0 < max(changes) < 0.1 and fitted.n_iter_ == 2


def test_the_first_call_fixes_the_classes():
    classifier = clone(KINDS["classifier"])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="two classes or more"):
        classifier.partial_fit(TEXTS, [1] * 6, classes=[1])
    with pytest.raises(ValueError, match=r"1 label\(s\).*not among the classes.*2 at position 1"):
        classifier.partial_fit(["a", "b"], [1, 2], classes=[0, 1])
    assert not classifier.__sklearn_is_fitted__()
    classifier.partial_fit(["good", "bad"], ["b", "b"], classes=["c", "a", "b"])  # a and c come later
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert classifier.predict_proba(TEXTS).shape == (6, 3)
    with pytest.raises(ValueError, match="not those of the training"):
        classifier.partial_fit(["good"], ["a"], classes=["a", "b"])
    with pytest.raises(ValueError, match=r"not among the classes.*'d' at position 0"):
        classifier.partial_fit(["good"], ["d"])
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*partial_fit"):
        classifier.set_params(class_weight="balanced").partial_fit(["good"], ["a"])


def test_chunks_can_have_an_indicator_matrix():
    classifier = clone(KINDS["classifier"])
    Y = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0]])
    classifier.partial_fit(TEXTS[:3], Y).partial_fit(TEXTS[3:], Y)
    assert classifier.predict(TEXTS).shape == (6, 3) and classifier.n_iter_ == 2
    with pytest.raises(ValueError, match="3 column"):
        classifier.partial_fit(TEXTS[:2], [[1, 0], [0, 1]])


def test_a_random_encoder_does_not_change_after_the_first_chunk():
    encoder = RNNTextEncoder(objective="random", **TINY).partial_fit(TEXTS)
    expected = encoder.transform(TEXTS)
    np.testing.assert_array_equal(encoder.partial_fit(["other words"]).transform(TEXTS), expected)


def test_a_stream_needs_bounded_memory():
    """No chunk of a generator is kept, neither its texts nor a network."""
    rng = np.random.default_rng(0)
    classifier = RNNTextClassifier(**TINY | {"sequence_length": 3, "learning_rate": 0.03})

    def stream():
        for _ in range(9):
            y = rng.integers(0, 2, 50)
            yield [f"{('bad', 'good')[label]} film {'x' * 4000}{rng.random()}" for label in y], y

    sizes = []
    tracemalloc.start()
    for texts, y in stream():
        classifier.partial_fit(texts, y, classes=[0, 1])
        del texts
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert (sizes[-1] - sizes[3]) / 5 < 50_000  # the texts of a chunk are 200 kB
    assert len(training._last_model) == 1
    assert classifier.score(["good film", "bad film"], [1, 0]) == 1.0
