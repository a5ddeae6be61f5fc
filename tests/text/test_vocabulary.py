"""The vocabulary: which terms it has and in which order."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from skrnn.ragged import N_SPECIAL, UNKNOWN
from skrnn.text import words
from skrnn.text.tokens import Tokens

WORDS = r"(?u)\w+|[^\w\s]"
TEXTS = ["a b c", "a b", "a", "", "d d d d"]


def test_terms_are_sorted_by_frequency_then_alphabetically():
    tokens, _ = Tokens.fit(TEXTS)
    assert tokens.vocabulary == {"d": 3, "a": 4, "b": 5, "c": 6} and tokens.n_ids == 7
    assert list(tokens.vocabulary.values()) == list(range(N_SPECIAL, tokens.n_ids))


def test_order_of_texts_does_not_change_the_vocabulary():
    assert Tokens.fit(TEXTS[::-1])[0].vocabulary == Tokens.fit(TEXTS)[0].vocabulary


@pytest.mark.parametrize(("vocab_size", "terms"), [(4, "d"), (6, "dab"), (7, "dabc"), (None, "dabc")])
def test_vocab_size_includes_the_reserved_ids(vocab_size, terms):
    tokens, _ = Tokens.fit(TEXTS, vocab_size=vocab_size)
    assert "".join(tokens.vocabulary) == terms and tokens.n_ids <= (vocab_size or 7)


@pytest.mark.parametrize("analyzer", ["word", "char"])
@pytest.mark.parametrize(
    ("min_df", "terms"),
    [(1, "abcd"), (2, "ab"), (np.int64(2), "ab"), (3, "a"), (0.4, "ab"), (0.6, "a"), (0.0, "abcd")],
)
def test_min_df_counts_texts_not_tokens(analyzer, min_df, terms):
    tokens, _ = Tokens.fit(TEXTS, analyzer=analyzer, min_df=min_df)
    assert sorted(set(tokens.vocabulary) - {" "}) == list(terms)


@pytest.mark.parametrize("min_df", [1, 2, 3, 0.25, 0.3, 0.5, 0.51, 1.0])
def test_min_df_matches_count_vectorizer(min_df, monkeypatch):
    monkeypatch.setattr(words, "POLARS_MIN_CHARS", 0)
    texts = ["a b b c", "b c d", "c e e", "c a"]
    expected = CountVectorizer(token_pattern=WORDS, min_df=min_df).fit(texts).vocabulary_
    assert sorted(Tokens.fit(texts, min_df=min_df)[0].vocabulary) == sorted(expected)


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (["b", "a"], {"b": 3, "a": 4}),
        ({"b", "a"}, {"a": 3, "b": 4}),
        ({"b": 0, "a": 1}, {"b": 3, "a": 4}),
        ({"a": 7, "b": 2}, {"b": 3, "a": 4}),
        (np.array(["b", "a"]), {"b": 3, "a": 4}),
        (iter("ba"), {"b": 3, "a": 4}),
    ],
    ids=["list", "set", "dict", "dict with gaps", "array", "iterator"],
)
def test_given_vocabulary_replaces_the_terms_of_the_texts(vocabulary, expected):
    tokens, sequences = Tokens.fit(TEXTS, vocabulary=vocabulary, min_df=5, vocab_size=4)
    assert tokens.vocabulary == expected
    assert {type(term) for term in tokens.vocabulary} == {str}
    assert sequences.row(0).tolist() == [expected["a"], expected["b"], UNKNOWN]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"vocabulary": []}, ValueError, "empty vocabulary"),
        ({"vocabulary": ["a", "b", "a"]}, ValueError, "Duplicate term: 'a'"),
        ({"vocabulary": {"a": 1, "b": 1}}, ValueError, "map each term to a different index"),
        ({"vocabulary": {"a": "1"}}, TypeError, "map each term to an int"),
        ({"vocabulary": ["a", 1]}, TypeError, "Got 1 of int"),
        ({"vocabulary": ["a"], "analyzer": "subword"}, ValueError, "learns its own"),
        ({"analyzer": "subword", "vocab_size": 258}, ValueError, "at least 259.*Got 258"),
        ({"min_df": 4}, ValueError, "in 4 or more of the 5 texts.*no terms remain.*min_df=4"),
        ({"token_pattern": "zzz"}, ValueError, "No text has a token.*empty vocabulary"),
        ({"tokenizer": list, "preprocessor": lambda text: ""}, ValueError, "No text has a token"),
    ],
)
def test_fit_refuses_a_vocabulary_without_valid_terms(arguments, error, message):
    with pytest.raises(error, match=message):
        Tokens.fit(TEXTS, **arguments)


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_fit_refuses_texts_without_tokens(analyzer):
    with pytest.raises(ValueError, match="empty vocabulary"):
        Tokens.fit(["", "", ""], analyzer=analyzer)
