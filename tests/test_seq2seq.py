"""Text to text: training, writing, scoring and attention of the estimator."""

import pickle
import re
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skrnn import RNNTextEncoder, RNNTextSeq2Seq, load, save
from skrnn.ragged import BOUNDARY

TINY = {
    "rnn_units": 3,
    "embedding_dim": 3,
    "epochs": 1,
    "analyzer": "word",
    "early_stopping": False,
    "random_state": 0,
}
DIGITS = dict(zip(["one", "two", "three", "four"], "1234", strict=True))
NEW = ["one two three four", "four", "two two one", "three one"]
NEW_TARGETS = ["4 3 2 1", "4", "1 2 2", "1 3"]


def copy_of(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.fixture(scope="module")
def digits():
    """Return a model that writes number words as digits, in reverse order."""
    rng = np.random.default_rng(0)
    rows = [rng.choice(list(DIGITS), rng.integers(1, 5)) for _ in range(600)]
    X = [" ".join(row) for row in rows]
    y = [" ".join(DIGITS[word] for word in row[::-1]) for row in rows]
    model = RNNTextSeq2Seq(
        analyzer="word", rnn_units=24, embedding_dim=16, dropout=0.0, learning_rate=0.02, epochs=8,
        batch_size=24, beam_width=3, n_iter_no_change=8, random_state=0,
    )  # fmt: skip
    return model.fit(X, y)


def test_predict_writes_the_target_texts(digits):
    assert digits.predict(NEW).tolist() == NEW_TARGETS
    assert digits.predict(NEW).dtype == object
    assert digits.n_iter_ == len(digits.validation_scores_) <= 8
    assert digits.best_validation_score_ == max(digits.validation_scores_) > -0.2
    np.testing.assert_allclose(digits.history_["val_loss"], -np.array(digits.validation_scores_))


def test_predictions_do_not_depend_on_the_other_texts_or_their_order(digits):
    many = NEW * 3 + ["one"] + NEW
    written = digits.predict(many).tolist()
    assert written == [digits.predict([text])[0] for text in many]
    assert digits.predict([]).shape == (0,)
    assert digits.predict(pd.Series(NEW)).tolist() == digits.predict(np.array(NEW)).tolist()
    assert copy_of(digits).set_params(n_jobs=1).predict(many).tolist() == written


def test_empty_and_unknown_sources_are_allowed(digits):
    written = digits.predict(["", "   ", "never seen words"])
    assert all(isinstance(text, str) for text in written)


def test_a_long_source_is_truncated(digits):
    assert digits.sequence_length_ == 4 and digits.target_sequence_length_ == 4
    assert digits.predict(["one two three four two two"])[0] == digits.predict(["one two three four"])[0]


def test_predict_n_best_returns_different_texts_in_the_order_of_their_scores(digits):
    found = digits.predict_n_best([*NEW, NEW[0]], n_best=4)
    assert [row[0][0] for row in found[:4]] == digits.predict(NEW).tolist()
    assert found[0] == found[4]
    for text, row in zip(NEW, found, strict=False):
        scores = [score for _, score in row]
        assert scores == sorted(scores, reverse=True)
        assert len({written for written, _ in row}) == len(row) == 4
        again = digits.score_samples([text] * len(row), [written for written, _ in row])
        lengths = np.array([len(written.split()) + 1 for written, _ in row])
        np.testing.assert_allclose(again / lengths, scores, rtol=1e-4)
    by_probability = copy_of(digits).set_params(length_penalty=0.0).predict_n_best(NEW[:1], 4)[0]
    again = digits.score_samples(NEW[:1] * 4, [written for written, _ in by_probability])
    np.testing.assert_allclose(again, [score for _, score in by_probability], rtol=1e-4)
    greedy = copy_of(digits).set_params(beam_width=1)
    assert greedy.predict_n_best(NEW, 1)[0][0][1] == pytest.approx(found[0][0][1], rel=1e-4)


@pytest.mark.parametrize("n_best", [0, -1, 1.5, "2", None, [1], float("nan")])
def test_an_invalid_n_best_is_refused(digits, n_best):
    message = (
        r"'n_best' parameter of RNNTextSeq2Seq.predict_n_best must be an int in the range \[1, inf\). Got "
    )
    with pytest.raises(ValueError, match=message + re.escape(repr(n_best))):
        digits.predict_n_best(NEW, n_best)


@pytest.mark.parametrize(
    ("name", "value"), [("beam_width", 0), ("no_repeat_ngram_size", -1), ("length_penalty", float("nan"))]
)
def test_parameters_of_the_search_are_checked_by_every_method_that_writes(digits, name, value):
    changed = copy_of(digits).set_params(**{name: value})
    for method in (changed.predict, changed.predict_n_best, changed.alignments):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of RNNTextSeq2Seq must be"):
            method(NEW)


def test_a_min_length_above_the_maximum_is_refused(digits):
    message = "The min_length parameter of RNNTextSeq2Seq must be at most 4, .* Got 5. Lower it, or set"
    with pytest.raises(ValueError, match=message):
        copy_of(digits).set_params(min_length=5).predict(NEW)
    with pytest.raises(ValueError, match="must be at most 2, "):
        RNNTextSeq2Seq(**TINY, min_length=3).fit(["a", "b"], ["1 2", "1"])
    RNNTextSeq2Seq(**TINY, min_length=3, target_sequence_length=3).fit(["a", "b"], ["1 2", "1"])


def test_pairs_can_come_from_generators(digits):
    found = digits.score_samples(iter(NEW), iter(NEW_TARGETS))
    np.testing.assert_array_equal(found, digits.score_samples(NEW, NEW_TARGETS))
    assert len(digits.alignments(iter(NEW), iter(NEW_TARGETS))) == 4


def test_invalid_pairs_are_refused(digits):
    message = "y of RNNTextSeq2Seq must have one target text for each text. Got 1 for 4"
    for method in (digits.score_samples, digits.alignments, digits.score):
        with pytest.raises(ValueError, match=message):
            method(NEW, ["1"])
    with pytest.raises(TypeError, match=r"y of .* the first is 3 \(int\) at position 0"):
        digits.score_samples(NEW[:1], [3])
    with pytest.raises(ValueError, match="score of RNNTextSeq2Seq needs one text or more"):
        digits.score([], [])


def test_alignments_are_highest_at_the_word_that_is_written(digits):
    (source, target, weights), *_ = digits.alignments(NEW)
    assert source == ["one", "two", "three", "four"] and target == ["4", "3", "2", "1"]
    assert weights.shape == (5, 4)
    ((_, given, other),) = digits.alignments(NEW[:1], ["1 2"])
    assert given == ["1", "2"] and other.shape == (3, 4)
    assert weights[:4].argmax(axis=1).tolist() == [3, 2, 1, 0]


def test_score_samples_is_the_log_likelihood_under_the_keras_model(digits):
    right = digits.score_samples(NEW, NEW_TARGETS)
    wrong = digits.score_samples(NEW, ["1 2 3 4", "1", "2 2 1", "3 1"])
    assert right.shape == (4,) and (right > wrong + 1).all() and (right <= 0).all()
    target = [digits.target_vocabulary_[word] for word in "4 3 2 1".split()]
    output = np.array(digits.model_([digits.padded_ids(NEW[:1]), np.array([[BOUNDARY, *target]])]))[0]
    ids = [*target, BOUNDARY]
    np.testing.assert_allclose(np.log(output[np.arange(5), ids]).sum(), right[0], rtol=1e-4, atol=1e-5)


def test_score_uses_the_metric_of_scoring(digits):
    pytest.importorskip("sacrebleu")
    assert digits.score(NEW, NEW_TARGETS) == pytest.approx(1)
    assert digits.score(NEW, ["x"] * 4) < 0.3
    other = copy_of(digits).set_params(scoring="bleu")
    assert other.score(NEW, NEW_TARGETS) == pytest.approx(1)
    assert other.score(NEW, ["4 3 2 2", *NEW_TARGETS[1:]]) < 1
    with pytest.raises(ValueError, match="'scoring' parameter of RNNTextSeq2Seq"):
        other.set_params(scoring="rouge").score(NEW, NEW_TARGETS)


@pytest.mark.parametrize("scoring", ["chrf", "bleu"])
def test_early_stopping_by_score_keeps_the_weights_with_the_best_score(scoring, tmp_path):
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
    assert model.history_["val_loss"] == sorted(
        model.history_["val_loss"], reverse=True
    )  # the loss would choose the last epoch


def test_early_stopping_by_score_without_sacrebleu_is_refused_before_training(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match="pip install sacrebleu"):
        RNNTextSeq2Seq(**TINY | {"early_stopping": "score"}).fit(NEW, NEW)


def test_score_without_sacrebleu_says_what_to_install(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match="pip install sacrebleu"):
        digits.score(NEW, NEW)


def test_min_length_and_no_repeat_ngram_size_limit_the_search(digits):
    searched = copy_of(digits).set_params(min_length=3, no_repeat_ngram_size=1)
    for text in searched.predict(NEW):
        words = text.split()
        assert len(words) >= 3 and len(set(words)) == len(words)
    searched.set_params(min_length=0, no_repeat_ngram_size=0, beam_width=1)
    assert searched.predict(NEW).tolist() == digits.predict(NEW).tolist()


def test_a_grid_search_uses_the_score():
    pytest.importorskip("sacrebleu")
    X, y = list(DIGITS) * 4, list(DIGITS.values()) * 4
    search = GridSearchCV(RNNTextSeq2Seq(**TINY), {"beam_width": [1, 2], "scoring": ["bleu"]}, cv=2)
    search.fit(X, y)
    best = search.best_estimator_
    assert best.beam_width == search.best_params_["beam_width"]
    assert search.score(X, y) == best.score(X, y)


@pytest.mark.parametrize("max_length", [1, 2])
def test_texts_have_at_most_target_sequence_length_tokens(max_length):
    X, y = ["one two three", "two"] * 4, ["1 2 3", "2 2 2"] * 4
    model = RNNTextSeq2Seq(**TINY, target_sequence_length=max_length, min_length=max_length).fit(X, y)
    assert [len(text.split()) for text in model.predict(X[:2])] == [max_length] * 2


def test_a_pickle_holds_no_keras_object_and_predicts_the_same(digits):
    digits.predict(NEW)
    state = pickle.dumps(digits)
    assert b"keras" not in state and "_forward" not in digits.__getstate__()
    assert pickle.loads(state).predict(NEW).tolist() == digits.predict(NEW).tolist()
    assert digits.transform(NEW).shape == (4, len(digits.get_feature_names_out()))


def test_unknown_words_are_copied_from_the_source():
    """An unknown word is replaced by the source word with the highest attention weight."""
    rng = np.random.default_rng(0)
    names = [f"name{i}" for i in range(200)]
    X = [f"{name} {word}" for name, word in zip(names, rng.choice(list(DIGITS), 200), strict=True)]
    y = [f"{DIGITS[text.split()[1]]} {text.split()[0]}" for text in X]
    model = RNNTextSeq2Seq(
        analyzer="word", min_df=2, rnn_units=16, embedding_dim=16, dropout=0.0, learning_rate=0.03, epochs=8,
        batch_size=20, early_stopping=False, beam_width=2, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.predict(["newname two", "other three"]).tolist() == ["2 newname", "3 other"]
    truncated = copy_of(model)
    truncated._truncation = "start"  # it reads the last two words only
    assert truncated.predict(["more and more newname two"]).tolist() == ["2 newname"]
    without_attention = clone(model).set_params(attention=None, epochs=1).fit(X[:20], y[:20])
    assert "<unk>" not in " ".join(without_attention.predict(X))
    with pytest.raises(AttributeError, match="needs a network with attention"):
        without_attention.alignments(X[:1])


def test_a_seed_gives_the_same_bits():
    X, y = ["a b", "b", "b a a"] * 3, ["x", "y x", "y"] * 3
    first, second = (RNNTextSeq2Seq(**TINY).fit(X, y) for _ in range(2))
    for name, value in first._weights.items():
        np.testing.assert_array_equal(value, second._weights[name])


def test_a_frozen_encoder_does_not_change_and_a_warm_start_continues():
    X, y = ["a b", "b", "b a a"] * 3, ["x", "y x", "y"] * 3
    tiny = {"rnn_units": 3, "embedding_dim": 3, "epochs": 1, "random_state": 0}
    encoder = RNNTextEncoder(objective="autoencoder", **tiny).fit(X)
    model = RNNTextSeq2Seq(**TINY | {"encoder": encoder, "freeze_encoder": True, "warm_start": True})
    before = dict(model.fit(X, y)._weights)
    np.testing.assert_array_equal(model.transform(X), encoder.transform(X))
    assert model.vocabulary_ == encoder.vocabulary_
    for name, value in encoder._weights.items():
        if name.startswith(("embedding", "forward", "backward")):
            np.testing.assert_array_equal(before[name], value)
    model.set_params(learning_rate=1e-9).fit(X, y)
    for name, value in before.items():
        np.testing.assert_allclose(model._weights[name], value, atol=1e-6)


def test_subwords_and_empty_targets_are_learned():
    X, y = ["a b", "b", "", "Straße"] * 3, ["x", "", "y", "ÄÖ \u4e2d"] * 3
    model = RNNTextSeq2Seq(**TINY | {"analyzer": "subword", "vocab_size": 300, "beam_width": 2})
    written = model.fit(X, y, sample_weight=np.arange(12)).predict(["\u4e2d\u6587", ""])
    assert all(isinstance(text, str) for text in written)
    assert np.isfinite(model.score_samples(X, y)).all()


@pytest.mark.parametrize("analyzer", ["word", "subword"])
def test_a_shared_vocabulary_is_learned_from_both_sides(analyzer):
    X, y = ["alpha b", "b", "", "alpha c"] * 3, ["b gamma", "", "gamma", "c alpha"] * 3
    model = RNNTextSeq2Seq(
        **TINY | {"analyzer": analyzer, "vocab_size": 290, "shared_vocabulary": True, "warm_start": True}
    ).fit(X, y)
    assert model.vocabulary_ == model.target_vocabulary_ and model._target_tokens is model._tokens
    expected = model._tokens.fit([*X, *y], analyzer=analyzer, vocab_size=290)[0].vocabulary
    assert model.vocabulary_ == expected
    assert model.sequence_length_ == max(map(len, model.tokenize(X)))
    assert model.target_sequence_length_ == max(map(len, model.tokenize(y)))
    again = copy_of(model)
    assert again.predict(X).tolist() == model.predict(X).tolist()
    assert again.fit(X, y).vocabulary_ == expected  # a warm start
    encoder = RNNTextEncoder(objective="random", rnn_units=3, embedding_dim=3, random_state=0).fit(X)
    started = clone(model).set_params(encoder=encoder, warm_start=False).fit(X, y)
    assert started.vocabulary_ == started.target_vocabulary_ == encoder.vocabulary_


@pytest.mark.parametrize(
    "given", [{"target_vocab_size": 9}, {"target_vocabulary": ["a"]}, {"target_analyzer": "char"}]
)
def test_a_shared_vocabulary_cannot_have_parameters_of_the_target_side(given):
    with pytest.raises(ValueError, match=r"cannot be combined with shared_vocabulary=True.*Leave them None"):
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
def test_invalid_training_pairs_are_refused(X, y, error, message):
    with pytest.raises(error, match=message):
        RNNTextSeq2Seq(**TINY).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attention", "dot"),
        ("target_analyzer", "words"),
        ("beam_width", 0),
        ("label_smoothing", 1.0),
        ("no_repeat_ngram_size", -1),
        ("min_length", -1),
    ],
)
def test_invalid_parameters_are_refused(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of RNNTextSeq2Seq must be"):
        RNNTextSeq2Seq(**{name: value}).fit(["a"], ["b"])


def test_methods_need_a_fitted_estimator():
    for method in ("predict", "transform", "alignments", "predict_n_best"):
        with pytest.raises(NotFittedError):
            getattr(RNNTextSeq2Seq(), method)(["a"])


# -- texts as people write them ----------------------------------------------------------------------

MEMORIZE = {
    **TINY,
    **{"rnn_units": 24, "embedding_dim": 16, "batch_size": 6, "epochs": 40},
    **{"dropout": 0.0, "label_smoothing": 0.0, "learning_rate": 0.03},
}


def memorized(targets, **parameters):
    """Return a model that has learned to write the targets, and its sources."""
    sources = ["one", "two", "three", "four", "five", "six"][: len(targets)]
    return RNNTextSeq2Seq(**MEMORIZE | parameters).fit(sources * 4, targets * 4), sources


def test_written_words_have_the_spacing_of_the_training_targets(tmp_path):
    targets = ["pi is 3.14 at 10:30", 'say "hi" now', "l'ami", "see http://a.com/b?x=1 now", "C++ - e-mail"]
    model, sources = memorized(targets, lowercase=False)
    assert model.predict(sources).tolist() == targets
    save(model, tmp_path / "model.skrnn")
    assert load(tmp_path / "model.skrnn").predict(sources).tolist() == targets
    shared, _ = memorized(targets[:2], lowercase=False, shared_vocabulary=True)
    assert shared.predict(sources[:2]).tolist() == targets[:2]


def cut_pairs(text):
    return [text[i : i + 2] for i in range(0, len(text), 2)]


def test_the_target_side_can_have_another_analyzer(tmp_path):
    targets = ["我们今天", "他们明天回家", "你好"]
    model, sources = memorized(targets, target_analyzer=cut_pairs)
    assert model.predict(sources).tolist() == targets
    assert set(model.target_vocabulary_) == {pair for text in targets for pair in cut_pairs(text)}
    assert model.tokenize(["one"]) == [["one"]]
    assert model.alignments(["one"], ["我们今天"])[0][1] == ["我们", "今天"]
    save(model, tmp_path / "model.skrnn")
    with pytest.raises(ValueError, match="target_analyzer"):
        load(tmp_path / "model.skrnn")
    loaded = load(tmp_path / "model.skrnn", target_analyzer=cut_pairs)
    assert loaded.predict(sources).tolist() == targets == copy_of(model).predict(sources).tolist()


def test_characters_are_read_and_phonemes_are_written():
    X, y = ["bad", "cab", "dab", "ace"] * 4, ["B AE D", "K AE B", "D AE B", "EY S"] * 4
    model = RNNTextSeq2Seq(**TINY, target_analyzer="word", lowercase=False).set_params(analyzer="char")
    model.set_params(tokenizer=str.split).fit(X, y)  # no warning: the target side uses the tokenizer
    assert "b" in model.vocabulary_ and "AE" in model.target_vocabulary_
    rare = clone(model).set_params(min_df=3).fit([*X, "xx"], [*y, "ZH"])
    assert not rare._copies and "<unk>" not in " ".join(rare.predict(X))
    with pytest.warns(UserWarning, match="tokenizer will not be used because analyzer is 'char'"):
        clone(model).set_params(target_analyzer="char").fit(X, y)


def test_code_is_written_with_its_line_breaks_and_indents():
    targets = ["if x:\n    y = 1\n", "\tz"]
    model, sources = memorized(targets, target_analyzer="char", epochs=80)
    assert model.predict(sources).tolist() == targets
