"""Text to text: the NumPy twin against Keras, what is written, and the estimator."""

import pickle
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skrnn.train.seq2seq import Attention, Pairs, SmoothedCrossentropy, network, train, variables

from skrnn import RNNTextEncoder, RNNTextSeq2Seq
from skrnn.ragged import BOUNDARY, PAD, Ragged
from skrnn.serve.decoders import Decoder
from skrnn.serve.search import Rules, beam, greedy
from skrnn.spec import LAYERS, Spec, initial_weights, weight_shapes
from skrnn.train.network import IdsHead

TINY = {
    "rnn_units": 3,
    "embedding_dim": 3,
    "epochs": 1,
    "analyzer": "word",
    "early_stopping": False,
    "random_state": 0,
}
DIGITS = dict(zip(["one", "two", "three", "four"], "1234", strict=True))


def spec_of(**options):
    return Spec(**{
        "n_ids": 9, "embedding_dim": 4, "layer": "gru", "rnn_units": 3, "bidirectional": True,
        "head": "seq2seq", "n_outputs": 7, "attention": "general", "pooling": "concat", "n_heads": 3,
    } | options)  # fmt: skip


def random_weights(spec):
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in weight_shapes(spec).items()}


def ragged(counts, n_ids, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, n_ids, sum(counts)).astype(np.int32)
    return Ragged(ids, np.concatenate([[0], np.cumsum(counts)]))


SOURCES, TARGETS = ragged([3, 1, 6, 2], 9, 1), ragged([2, 5, 0, 3], 7, 2)


def keras_log_likelihood(spec, weights):
    previous = TARGETS.prepend(BOUNDARY).pad(8)  # wider than it need be
    following = TARGETS.append(BOUNDARY).pad(8)
    output = np.array(network(spec, weights)([SOURCES.pad(9), previous]))
    chosen = np.take_along_axis(output, following[:, :, None].astype(int), axis=2)[:, :, 0]
    return (np.log(chosen) * (following != PAD)).sum(axis=1)


@pytest.mark.parametrize(
    "options",
    [
        *[{"layer": layer, "n_layers": 2} for layer in LAYERS],
        *[
            {"attention": kind, "tied_embeddings": tied}
            for kind in (None, "additive")
            for tied in (True, False)
        ],
        {"bidirectional": False, "pooling": "last"},
        {"pooling": "attention", "n_components": 5, "attention": None, "n_layers": 2},
        {"layer": "lstm", "pooling": "mean", "attention": "additive"},
    ],
    ids=str,
)
def test_the_log_likelihood_is_that_of_keras(options):
    spec = spec_of(**options)
    weights = random_weights(spec)
    model = network(spec, weights)
    assert {name: tuple(v.shape) for name, v in variables(model).items()} == weight_shapes(spec)
    ours = Decoder(spec, weights).log_likelihood(SOURCES, TARGETS)
    np.testing.assert_allclose(ours, keras_log_likelihood(spec, weights), rtol=1e-5, atol=1e-5)
    alone = [
        Decoder(spec, weights).log_likelihood(*(one_row(s, i) for s in (SOURCES, TARGETS)))[0]
        for i in range(4)
    ]
    np.testing.assert_allclose(alone, ours, rtol=1e-6)


def one_row(sequences, i):
    start, stop = sequences.offsets[i : i + 2]
    return Ragged(sequences.ids[start:stop], np.array([0, stop - start]))


@pytest.mark.parametrize("options", [{}, {"layer": "lstm", "n_layers": 2}, {"attention": None}], ids=str)
def test_what_is_written_has_the_log_likelihood_it_says(options):
    spec = spec_of(**options)
    decoder = Decoder(spec, random_weights(spec))
    rules = Rules(max_length=6)

    def search_greedy(step, states):
        return greedy(step, states, rules)

    def search_beam(step, states):
        return beam(step, states, rules, width=4, n_best=2)

    for search, n_best in ((search_greedy, 1), (search_beam, 2)):
        found = decoder.write(SOURCES, search, n_beams=4)
        sources = [one_row(SOURCES, i // n_best) for i in range(4 * n_best)]
        each = [
            decoder.log_likelihood(source, one_row(found.sequences, i))[0] for i, source in enumerate(sources)
        ]
        np.testing.assert_allclose(found.log_probabilities, each, rtol=1e-5)
        threads = decoder.write(SOURCES, search, n_beams=100, n_jobs=2)  # batches of two rows
        np.testing.assert_array_equal(threads.sequences.ids, found.sequences.ids)


@pytest.mark.parametrize("kind", ["general", "additive"])
def test_attention_is_that_of_keras_and_sees_no_padding(kind):
    spec = spec_of(attention=kind)
    decoder = Decoder(spec, random_weights(spec))
    weights = decoder.attention(SOURCES, TARGETS)
    for part, n_read, n_written in zip(weights, [3, 1, 6, 2], [2, 5, 0, 3], strict=True):
        assert part.shape == (n_written + 1, n_read)
        np.testing.assert_allclose(part.sum(axis=1), 1, rtol=1e-5)
    layer = Attention(kind)
    rng = np.random.default_rng(0)
    query, memory = rng.normal(size=(2, 4, 3)).astype("f4"), rng.normal(size=(2, 5, 6)).astype("f4")
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    layer.build(query.shape, memory.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    before = np.array(layer(query, memory, memory_mask=mask))
    memory[1, 2:] = 1000.0
    np.testing.assert_array_equal(np.array(layer(query, memory, memory_mask=mask)), before)
    assert Attention.from_config(layer.get_config()).kind == kind


def test_smoothed_crossentropy_by_its_formula():
    rng = np.random.default_rng(0)
    logits, ids = rng.normal(size=(2, 3, 5)).astype("f4"), rng.integers(0, 5, (2, 3))
    log_probs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    goal = np.eye(5)[ids] * 0.8 + 0.2 / 5
    found = float(SmoothedCrossentropy(0.2)(ids, logits))
    np.testing.assert_allclose(found, -(goal * log_probs).sum(), rtol=1e-5)


def test_a_tied_head_trains_the_embedding():
    spec = spec_of(dropout=0.2)
    weights = initial_weights(spec, np.random.default_rng(0))
    seen = {}

    def after_epoch(epoch, loss, read):
        seen.update(read())
        return True

    train(
        spec, weights, Pairs(SOURCES, TARGETS, np.ones(4, np.float32)),
        optimizer="sgd", learning_rate=0.5, schedule="constant", label_smoothing=0.1, epochs=1, batch_size=2,
        max_tokens=100, seed=0, callbacks=(), after_epoch=after_epoch,
    )  # fmt: skip
    assert seen.keys() == weights.keys() and "head/kernel" not in seen
    row = 6  # of an id that is never read: only the head reaches it
    assert 6 not in TARGETS.ids or row == 6
    for name, value in seen.items():
        assert not np.array_equal(value, weights[name]), f"{name} has not learned"
    head = IdsHead(4, keras.layers.Embedding(4, 3))
    assert not [v for v in head.weights if v.name == "embeddings"]


@pytest.fixture(scope="module")
def digits():
    """Train on numbers spelt out, backwards: the second word is written first."""
    rng = np.random.default_rng(0)
    rows = [rng.choice(list(DIGITS), rng.integers(1, 5)) for _ in range(600)]
    X = [" ".join(row) for row in rows]
    y = [" ".join(DIGITS[word] for word in row[::-1]) for row in rows]
    model = RNNTextSeq2Seq(
        analyzer="word", rnn_units=24, embedding_dim=16, dropout=0.0, learning_rate=0.02, epochs=8,
        batch_size=24, beam_width=3, n_iter_no_change=8, random_state=0,
    )  # fmt: skip
    return model.fit(X, y)


NEW = ["one two three four", "four", "two two one", "three one"]


def test_numbers_spelt_backwards(digits):
    assert digits.predict(NEW).tolist() == ["4 3 2 1", "4", "1 2 2", "1 3"]
    assert digits.predict(NEW).dtype == object
    assert digits.n_iter_ == len(digits.validation_scores_) <= 8
    assert digits.best_validation_score_ == max(digits.validation_scores_) > -0.2
    np.testing.assert_allclose(digits.history_["val_loss"], -np.array(digits.validation_scores_))


def test_texts_come_back_in_order_whatever_the_batch(digits):
    many = NEW * 3 + ["one"] + NEW
    written = digits.predict(many).tolist()
    assert written == [digits.predict([text])[0] for text in many]
    assert digits.predict([]).shape == (0,)
    assert digits.predict(pd.Series(NEW)).tolist() == digits.predict(np.array(NEW)).tolist()
    assert clone(digits).set_params(n_jobs=1).get_params()["n_jobs"] == 1


def test_an_empty_and_an_unknown_source_are_no_error(digits):
    written = digits.predict(["", "   ", "never seen words"])
    assert all(isinstance(text, str) for text in written)


def test_a_long_source_is_cut(digits):
    assert digits.sequence_length_ == 4 and digits.target_sequence_length_ == 4
    assert digits.predict(["one two three four two two"])[0] == digits.predict(["one two three four"])[0]


def test_n_best(digits):
    found = digits.predict_n_best([*NEW, NEW[0]], n_best=4)
    assert [row[0][0] for row in found[:4]] == digits.predict(NEW).tolist()
    assert found[0] == found[4]
    for text, row in zip(NEW, found, strict=False):
        values = [value / (len(written.split()) + 1) for written, value in row]
        assert values == sorted(values, reverse=True)
        assert len({written for written, _ in row}) == len(row) == 4
        again = digits.score_samples([text] * len(row), [written for written, _ in row])
        np.testing.assert_allclose(again, [value for _, value in row], rtol=1e-4)


@pytest.mark.parametrize("n_best", [0, -1, 1.5, "2"])
def test_n_best_is_an_int_of_one_or_more(digits, n_best):
    with pytest.raises(ValueError, match=rf"n_best of .* must be an int >= 1. Got {n_best!r} instead"):
        digits.predict_n_best(NEW, n_best)


def test_pairs_may_come_from_generators(digits):
    goals = ["4 3 2 1", "4", "1 2 2", "1 3"]
    once = digits.score_samples(iter(NEW), iter(goals))
    np.testing.assert_array_equal(once, digits.score_samples(NEW, goals))
    assert len(digits.attend(iter(NEW), iter(goals))) == 4


def test_pairs_that_do_not_fit_are_refused(digits):
    for method in (digits.score_samples, digits.attend, digits.score):
        with pytest.raises(ValueError, match=r"y of RNNTextSeq2Seq must have one text a text. Got 1 for 4"):
            method(NEW, ["1"])
    with pytest.raises(TypeError, match=r"y of .* the first is 3 \(int\) at position 0"):
        digits.score_samples(NEW[:1], [3])
    with pytest.raises(ValueError, match="score of RNNTextSeq2Seq needs a text or more"):
        digits.score([], [])


def test_the_attention_is_on_the_word_that_is_written(digits):
    (source, target, weights), *_ = digits.attend(NEW)
    assert source == ["one", "two", "three", "four"] and target == ["4", "3", "2", "1"]
    assert weights.shape == (5, 4)
    ((_, given, other),) = digits.attend(NEW[:1], ["1 2"])
    assert given == ["1", "2"] and other.shape == (3, 4)
    assert weights[:4].argmax(axis=1).tolist() == [3, 2, 1, 0]


def test_score_samples(digits):
    right = digits.score_samples(NEW, ["4 3 2 1", "4", "1 2 2", "1 3"])
    wrong = digits.score_samples(NEW, ["1 2 3 4", "1", "2 2 1", "3 1"])
    assert right.shape == (4,) and (right > wrong + 1).all() and (right <= 0).all()
    source, target = np.array(digits.padded_ids(NEW[:1])), digits._target_ids(["4 3 2 1"], 1)
    previous = target.prepend(BOUNDARY).pad()
    output = np.array(digits.model_([source, previous]))[0]
    ids = [*target.ids.tolist(), BOUNDARY]
    np.testing.assert_allclose(np.log(output[np.arange(5), ids]).sum(), right[0], rtol=1e-4, atol=1e-5)


def test_score(digits):
    pytest.importorskip("sacrebleu")
    goals = ["4 3 2 1", "4", "1 2 2", "1 3"]
    assert digits.score(NEW, goals) == pytest.approx(1)
    assert digits.score(NEW, ["x"] * 4) < 0.3
    other = pickle.loads(pickle.dumps(digits)).set_params(scoring="bleu")
    assert other.score(NEW, goals) == pytest.approx(1)
    assert other.score(NEW, ["4 3 2 2", *goals[1:]]) < 1
    with pytest.raises(ValueError, match="'scoring' parameter of RNNTextSeq2Seq"):
        other.set_params(scoring="rouge").score(NEW, goals)


@pytest.mark.parametrize("scoring", ["chrf", "bleu"])
def test_the_weights_kept_are_those_of_the_best_score(scoring, tmp_path):
    pytest.importorskip("sacrebleu")
    X = ["one two one two", "two one one one", "two two two one", "one one two two"] * 6
    y = [" ".join(DIGITS[word] for word in text.split()) for text in X]
    model = RNNTextSeq2Seq(**TINY | {
        "epochs": 6, "rnn_units": 8, "embedding_dim": 8, "learning_rate": 0.06, "early_stopping": "score",
        "scoring": scoring, "n_iter_no_change": 6, "checkpoint": tmp_path / "fit",
    })  # fmt: skip
    model.fit(X, y, X_val=X[:4], y_val=y[:4])
    assert model.n_iter_ == 6
    assert model.best_validation_score_ == max(model.validation_scores_) > min(model.validation_scores_)
    assert model.score(X[:4], y[:4]) == model.best_validation_score_
    assert model.history_["val_loss"] == sorted(model.history_["val_loss"], reverse=True)  # not by these


def test_stopping_by_the_score_needs_sacrebleu_before_the_first_epoch(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match=r"pip install 'skrnn\[metrics\]'"):
        RNNTextSeq2Seq(**TINY | {"early_stopping": "score"}).fit(NEW, NEW)


def test_score_names_the_extra(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match=r"pip install 'skrnn\[metrics\]'"):
        digits.score(NEW, NEW)


def test_lengths_and_repeats(digits):
    searched = pickle.loads(pickle.dumps(digits))  # whose parameters may be changed
    searched.set_params(min_length=3, no_repeat=1)
    for text in searched.predict(NEW):
        words = text.split()
        assert len(words) >= 3 and len(set(words)) == len(words)
    searched.set_params(min_length=0, no_repeat=0, beam_width=1)
    assert searched.predict(NEW).tolist() == digits.predict(NEW).tolist()


def test_a_search_chooses_by_the_score():
    pytest.importorskip("sacrebleu")
    X, y = list(DIGITS) * 4, list(DIGITS.values()) * 4
    search = GridSearchCV(RNNTextSeq2Seq(**TINY), {"beam_width": [1, 2], "scoring": ["bleu"]}, cv=2)
    search.fit(X, y)
    best = search.best_estimator_
    assert best.beam_width == search.best_params_["beam_width"]
    assert search.score(X, y) == best.score(X, y)


@pytest.mark.parametrize("max_length", [1, 2])
def test_no_text_is_longer_than_it_may_be(max_length):
    X, y = ["one two three", "two"] * 4, ["1 2 3", "2 2 2"] * 4
    model = RNNTextSeq2Seq(**TINY, target_sequence_length=max_length, min_length=3).fit(X, y)
    assert [len(text.split()) for text in model.predict(X[:2])] == [max_length] * 2


def test_pickle_and_state(digits):
    digits.predict(NEW)
    state = pickle.dumps(digits)
    assert b"keras" not in state and "_decoder" not in digits.__getstate__()
    assert pickle.loads(state).predict(NEW).tolist() == digits.predict(NEW).tolist()
    assert digits.transform(NEW).shape == (4, len(digits.get_feature_names_out()))


def test_unknown_words_are_copied():
    """An unknown word is written as the word of the source that the attention is on."""
    pytest.importorskip("sacrebleu")
    rng = np.random.default_rng(0)
    names = [f"name{i}" for i in range(200)]
    X = [f"{name} {word}" for name, word in zip(names, rng.choice(list(DIGITS), 200), strict=True)]
    y = [f"{DIGITS[text.split()[1]]} {text.split()[0]}" for text in X]
    model = RNNTextSeq2Seq(
        analyzer="word", min_df=2, rnn_units=16, embedding_dim=16, dropout=0.0, learning_rate=0.03, epochs=8,
        batch_size=20, early_stopping=False, beam_width=2, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.predict(["newname two", "other three"]).tolist() == ["2 newname", "3 other"]
    cut = pickle.loads(pickle.dumps(model))  # reads the last two words only
    cut._truncation = "start"
    assert cut.predict(["more and more newname two"]).tolist() == ["2 newname"]
    plain = clone(model).set_params(attention=None, epochs=1).fit(X[:20], y[:20])
    assert "<unk>" not in " ".join(plain.predict(X))
    with pytest.raises(AttributeError, match="needs a network with attention"):
        plain.attend(X[:1])


def test_the_same_seed_gives_the_same_bits():
    X, y = ["a b", "b", "b a a"] * 3, ["x", "y x", "y"] * 3
    first, second = (RNNTextSeq2Seq(**TINY).fit(X, y) for _ in range(2))
    for name, value in first._weights.items():
        np.testing.assert_array_equal(value, second._weights[name])


def test_a_frozen_encoder_and_a_warm_start():
    X, y = ["a b", "b", "b a a"] * 3, ["x", "y x", "y"] * 3
    encoder = RNNTextEncoder(objective="random", rnn_units=3, embedding_dim=3, random_state=0).fit(X)
    model = RNNTextSeq2Seq(**TINY | {"encoder": encoder, "freeze_encoder": True, "warm_start": True})
    before = dict(model.fit(X, y)._weights)
    np.testing.assert_array_equal(model.transform(X), encoder.transform(X))
    assert model.vocabulary_ == encoder.vocabulary_
    for name, value in encoder._weights.items():
        np.testing.assert_array_equal(before[name], value)
    model.set_params(learning_rate=1e-9).fit(X, y)
    for name, value in before.items():
        np.testing.assert_allclose(model._weights[name], value, atol=1e-6)


def test_subwords_and_empty_targets():
    X, y = ["a b", "b", "", "Straße"] * 3, ["x", "", "y", "ÄÖ \u4e2d"] * 3
    model = RNNTextSeq2Seq(**TINY | {"analyzer": "subword", "vocab_size": 300, "beam_width": 2})
    written = model.fit(X, y, sample_weight=np.arange(12)).predict(["\u4e2d\u6587", ""])
    assert all(isinstance(text, str) for text in written)
    assert np.isfinite(model.score_samples(X, y)).all()


@pytest.mark.parametrize("analyzer", ["word", "subword"])
def test_one_vocabulary_for_both_sides(analyzer):
    X, y = ["alpha b", "b", "", "alpha c"] * 3, ["b gamma", "", "gamma", "c alpha"] * 3
    model = RNNTextSeq2Seq(
        **TINY | {"analyzer": analyzer, "vocab_size": 290, "shared_vocabulary": True, "warm_start": True}
    ).fit(X, y)
    assert model.vocabulary_ == model.target_vocabulary_ and model._target_tokens is model._tokens
    expected = model._tokens.fit([*X, *y], analyzer=analyzer, vocab_size=290)[0].vocabulary
    assert model.vocabulary_ == expected
    assert model.sequence_length_ == max(map(len, model.tokenize(X)))
    assert model.target_sequence_length_ == max(map(len, model.tokenize(y)))
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(X).tolist() == model.predict(X).tolist()
    assert again.fit(X, y).vocabulary_ == expected  # a warm start
    encoder = RNNTextEncoder(objective="random", rnn_units=3, embedding_dim=3, random_state=0).fit(X)
    started = clone(model).set_params(encoder=encoder, warm_start=False).fit(X, y)
    assert started.vocabulary_ == started.target_vocabulary_ == encoder.vocabulary_


@pytest.mark.parametrize("given", [{"target_vocab_size": 9}, {"target_vocabulary": ["a"]}])
def test_one_vocabulary_has_no_other_for_the_target(given):
    with pytest.raises(ValueError, match=r"cannot be given with shared_vocabulary=True.*leave them None"):
        RNNTextSeq2Seq(**TINY, **given, shared_vocabulary=True).fit(["a"], ["b"])


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (["a", "b"], None, ValueError, "y is None"),
        (["a", "b"], ["a"], ValueError, "inconsistent numbers of samples"),
        (["a", "b"], ["a", 3], TypeError, r"y of RNNTextSeq2Seq must hold strings.*3 \(int\) at position 1"),
        (["a", "b"], ["a", None], ValueError, "y of RNNTextSeq2Seq has 1 missing"),
        (["a", "b"], "ab", TypeError, "y of RNNTextSeq2Seq must be a collection of texts"),
        ([], [], ValueError, "0 texts"),
    ],
)
def test_what_cannot_be_learned_is_refused(X, y, error, message):
    with pytest.raises(error, match=message):
        RNNTextSeq2Seq(**TINY).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attention", "dot"),
        ("beam_width", 0),
        ("label_smoothing", 1.0),
        ("no_repeat", -1),
        ("min_length", -1),
    ],
)
def test_parameters_are_checked(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of RNNTextSeq2Seq must be"):
        RNNTextSeq2Seq(**{name: value}).fit(["a"], ["b"])


def test_not_fitted():
    for method in ("predict", "transform", "attend", "predict_n_best"):
        with pytest.raises(NotFittedError):
            getattr(RNNTextSeq2Seq(), method)(["a"])
