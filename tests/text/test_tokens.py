import os
import pickle
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from skrnn.ragged import BOUNDARY, N_SPECIAL, PAD, UNKNOWN, Ragged
from skrnn.text import words as module
from skrnn.text.tokens import Tokens

WORDS = r"(?u)\w+|[^\w\s]"
TEXTS = ["a b c", "a b", "a", "", "d d d d"]
HARD = [
    "", "   ", "\ud800", "a\ud800\udc00b", "a\0b", "\x1c\x1d\x1e\x1f", "\u2028\u2029\x85",
    "e\u0301 \u00e9", "\u0130stanbul", "\ufb01ne", "\U0001f469\u200d\U0001f4bb",
    "\u05e9\u05dc\u05d5\u05dd", "\u200b", "\ufeffa", "x" * 5000, "\U0010ffff", "\ufffe",
]  # fmt: skip
any_text = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("ab \n\x1c\ud800\udc00.'")), max_size=40
)


def rows(sequences):
    return [
        sequences.ids[a:b].tolist()
        for a, b in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    ]


@pytest.fixture
def small_texts_by_polars(monkeypatch):
    monkeypatch.setattr(module, "_LEAST_FOR_POLARS", 0)


# -- the vocabulary -----------------------------------------------------------------------------


def test_terms_fall_by_frequency_then_rise_by_letters():
    tokens, sequences = Tokens.fit(TEXTS)
    assert tokens.vocabulary == {"d": 3, "a": 4, "b": 5, "c": 6} and tokens.n_ids == 7
    assert list(tokens.vocabulary.values()) == list(range(N_SPECIAL, tokens.n_ids))
    assert rows(sequences) == [[4, 5, 6], [4, 5], [4], [BOUNDARY], [3, 3, 3, 3]]
    assert sequences.ids.dtype == np.int32 and sequences.offsets.dtype == np.int64
    assert Tokens.fit(TEXTS[::-1])[0].vocabulary == tokens.vocabulary


@pytest.mark.parametrize("analyzer", ["word", "char", "subword", str.split])
def test_fit_numbers_as_encode_does(analyzer):
    tokens, sequences = Tokens.fit(TEXTS, analyzer=analyzer)
    assert rows(tokens.encode(TEXTS)) == rows(sequences)
    assert sequences.ids.min() >= UNKNOWN and sequences.ids.max() < tokens.n_ids


def test_special_ids_are_apart():
    assert sorted({PAD, UNKNOWN, BOUNDARY}) == list(range(N_SPECIAL))
    tokens, _ = Tokens.fit(TEXTS)
    assert rows(tokens.encode(["never seen", "", "a never"])) == [[UNKNOWN] * 2, [BOUNDARY], [4, UNKNOWN]]
    assert rows(tokens.encode([])) == []


@pytest.mark.parametrize(("vocab_size", "terms"), [(4, "d"), (6, "dab"), (7, "dabc"), (None, "dabc")])
def test_vocab_size_counts_the_special_ids(vocab_size, terms):
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


def test_min_df_is_that_of_count_vectorizer(small_texts_by_polars):
    texts = ["a b b c", "b c d", "c e e", "c a"]
    for min_df in (1, 2, 3, 0.25, 0.3, 0.5, 0.51, 1.0):
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
def test_given_vocabularies(vocabulary, expected):
    tokens, sequences = Tokens.fit(TEXTS, vocabulary=vocabulary, min_df=5, vocab_size=4)
    assert tokens.vocabulary == expected
    assert {type(term) for term in tokens.vocabulary} == {str}
    assert rows(sequences)[0] == [expected["a"], expected["b"], UNKNOWN]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"vocabulary": []}, ValueError, "empty vocabulary"),
        ({"vocabulary": ["a", "b", "a"]}, ValueError, "Duplicate term: 'a'"),
        ({"vocabulary": {"a": 1, "b": 1}}, ValueError, "index of its own"),
        ({"vocabulary": ["a", 1]}, TypeError, "Got 1 of int"),
        ({"vocabulary": ["a"], "analyzer": "subword"}, ValueError, "learns its own"),
        ({"analyzer": "subword", "vocab_size": 258}, ValueError, "at least 259.*Got 258"),
        ({"min_df": 4}, ValueError, r"in 4 texts or more.*no terms remain.*got 4.*there are 5 texts"),
        ({"token_pattern": "zzz"}, ValueError, "No text has a token.*empty vocabulary"),
        ({"token_pattern": "(a)(b)"}, ValueError, "More than 1 capturing group"),
        ({"tokenizer": list, "preprocessor": lambda text: ""}, ValueError, "No text has a token"),
        ({"tokenizer": lambda text: [1]}, TypeError, "tokenizer function must return.*Got 1 of int"),
        ({"analyzer": lambda text: [b"x"]}, TypeError, "analyzer function must return.*of bytes"),
    ],
)
def test_what_cannot_be_fitted(arguments, error, message):
    with pytest.raises(error, match=message):
        Tokens.fit(TEXTS, **arguments)


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_texts_without_tokens(analyzer):
    with pytest.raises(ValueError, match="empty vocabulary"):
        Tokens.fit(["", "", ""], analyzer=analyzer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"analyzer": "subword", "tokenizer": str.split}, "tokenizer will not .* analyzer='subword'"),
        ({"analyzer": "char", "token_pattern": "a"}, "token_pattern will not .* analyzer='char'"),
        ({"tokenizer": str.split, "token_pattern": "a"}, "token_pattern will not .* there is a tokenizer"),
        ({"analyzer": str.split, "preprocessor": str.upper}, "preprocessor will not .* a callable analyzer"),
    ],
)
def test_parameters_without_use_are_warned_of(options, message):
    with pytest.warns(UserWarning, match=message):
        Tokens.fit(TEXTS, **options)


# -- words --------------------------------------------------------------------------------------


def test_words_keep_one_letter_and_punctuation():
    tokens, _ = Tokens.fit(["I saw a film, 2 times: it's (very) good_ish!"])
    expected = [
        "i",
        "saw",
        "a",
        "film",
        ",",
        "2",
        "times",
        ":",
        "it",
        "'",
        "s",
        "(",
        "very",
        ")",
        "good_ish",
        "!",
    ]
    assert tokens.tokenize(["I saw a film, 2 times: it's (very) good_ish!"]) == [expected]


@pytest.mark.parametrize("strip_accents", [None, "ascii", "unicode", lambda text: text.replace("b", "")])
@pytest.mark.parametrize("lowercase", [True, False])
def test_words_are_those_of_count_vectorizer(strip_accents, lowercase):
    options = {"lowercase": lowercase, "strip_accents": strip_accents, "token_pattern": WORDS}
    split = CountVectorizer(**options).build_analyzer()
    texts = ["The BIG Caf\u00e9 b", "\u0152uvre \u00c5\u00f1g", "plain Ab"]
    assert Tokens.fit(texts, **options)[0].tokenize(texts) == [split(text) for text in texts]


def test_equal_letters_are_equal_terms():
    tokens, sequences = Tokens.fit(["caf\u00e9", "cafe\u0301"])
    assert list(tokens.vocabulary) == ["caf\u00e9"]
    assert rows(sequences) == [[3], [3]]


def test_a_preprocessor_takes_the_place_of_the_own():
    tokens, _ = Tokens.fit(["Ab Cd"], preprocessor=lambda text: text.replace("C", "x"), lowercase=True)
    assert list(tokens.vocabulary) == ["Ab", "xd"]


def test_a_tokenizer_splits_what_is_prepared():
    tokens, _ = Tokens.fit(["A-b C"], tokenizer=lambda text: text.split("-"))
    assert list(tokens.vocabulary) == ["a", "b c"]


def test_an_analyzer_gets_the_text_as_it_is():
    tokens, _ = Tokens.fit(["A-b C"], analyzer=lambda text: (word for word in text.split()))
    assert list(tokens.vocabulary) == ["A-b", "C"]


def test_a_group_is_the_token():
    tokens, _ = Tokens.fit(["ab-cd ef-gh"], token_pattern=r"(\w+)-")
    assert list(tokens.vocabulary) == ["ab", "ef"]


@pytest.mark.parametrize("name", ["preprocessor", "strip_accents"])
def test_functions_on_texts_must_return_texts(name):
    with pytest.raises(TypeError, match=rf"The {name} function must return a str. Got 3 of int"):
        Tokens.fit(["a b"], **{name: lambda text: 3})


@given(st.lists(any_text, min_size=1, max_size=5))
@settings(max_examples=100)
def test_polars_and_re_give_the_same_ids(texts):
    found = []
    for forked in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_LEAST_FOR_POLARS", 0)
            patch.setattr(module, "_forked", forked)
            tokens, sequences = Tokens.fit([*texts, "a b"], vocab_size=8)
            found.append((tokens.vocabulary, rows(sequences), rows(tokens.encode(["b c", *texts]))))
    assert found[0] == found[1]


# -- characters and sub-words -------------------------------------------------------------------


def test_characters():
    tokens, sequences = Tokens.fit(["Ab \t b", "\U0001f600a"], analyzer="char")
    assert tokens.vocabulary == {"a": 3, "b": 4, " ": 5, "\U0001f600": 6}
    assert rows(sequences) == [[3, 4, 5, 4], [6, 3]]
    assert tokens.tokenize(["b z"]) == [["b", " ", "z"]]
    assert rows(tokens.encode(["z", ""])) == [[UNKNOWN], [BOUNDARY]]


def test_sub_words():
    texts = ["low lower lowest", "new newer newest"] * 5
    tokens, sequences = Tokens.fit(texts, analyzer="subword", vocab_size=300)
    assert tokens.n_ids <= 300 and tokens.n_ids > 259
    assert sequences.offsets[1] < len(texts[0])
    assert [piece.strip() for piece in tokens.tokenize(["low low"])[0]] == ["low", "low"]
    assert UNKNOWN not in tokens.encode(HARD).ids
    assert tokens.tokenize([""]) == [[]]
    assert tokens.n_ids <= 300 and min(tokens.vocabulary.values()) == N_SPECIAL
    (term,) = (term for term, i in tokens.vocabulary.items() if i == sequences.ids[0])
    assert term.endswith("low") and tokens.pieces(sequences)[0][0] == "low"
    assert sorted(tokens.vocabulary.values()) == list(range(N_SPECIAL, tokens.n_ids))
    larger, _ = Tokens.fit(texts, analyzer="subword", vocab_size=300, min_df=30)
    assert larger.n_ids == 259


@given(st.lists(any_text, min_size=1, max_size=4))
@settings(max_examples=60)
def test_every_text_has_ids_whatever_it_is(texts):
    for tokens in FITTED:
        sequences = tokens.encode(texts)
        counts = np.diff(sequences.offsets)
        assert len(counts) == len(texts) and counts.min() >= 1 and sequences.offsets[-1] == len(sequences.ids)
        assert sequences.ids.min() >= UNKNOWN and sequences.ids.max() < tokens.n_ids
        assert [rows(tokens.encode([text]))[0] for text in texts] == rows(sequences)
        assert len(tokens.decode(sequences)) == len(tokens.tokenize(texts)) == len(texts)


@pytest.mark.slow
@given(any_text)
@settings(max_examples=10_000, deadline=None)
def test_every_text_comes_back_as_a_text(text):
    for tokens in FITTED:
        (back,) = tokens.decode(tokens.encode([text]))
        assert isinstance(back, str) and tokens.decode(tokens.encode([back]))[0] is not None
    known = "".join(c for c in text if c in "abcd")
    assert FITTED[1].decode(FITTED[1].encode([known])) == [known]
    assert FITTED[2].decode(FITTED[2].encode([known])) == [known]


FITTED = [
    Tokens.fit([*TEXTS, "caf\u00e9, b."], analyzer=analyzer)[0]
    for analyzer in ("word", "char", "subword", str.split)
]


@pytest.mark.parametrize("tokens", FITTED, ids=["word", "char", "subword", "callable"])
def test_hard_texts(tokens, small_texts_by_polars):
    assert len(tokens.encode(HARD).offsets) == len(HARD) + 1
    assert all(text.encode() is not None for text in tokens.decode(tokens.encode(HARD)))


def test_hard_texts_make_a_vocabulary(small_texts_by_polars):
    for analyzer in ("word", "char", "subword"):
        tokens, sequences = Tokens.fit(HARD, analyzer=analyzer)
        assert rows(tokens.encode(HARD)) == rows(sequences)
        assert UNKNOWN not in sequences.ids


# -- back to texts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "good film, very good!",
        "it's (not) 'so' bad...",
        "a well-known and/or case: yes",
        "why? [note] 100%",
        "a b",
    ],
)
def test_words_are_printed_as_they_were(text):
    tokens, sequences = Tokens.fit([text])
    expected = text.replace("'so'", "' so '")  # quotation marks do not say which side they are on
    assert tokens.decode(sequences) == [expected]


@given(st.text(alphabet="ab \u00e9\u65e5\U0001f600.,", min_size=1, max_size=30))
@settings(max_examples=60)
def test_characters_and_sub_words_come_back(text):
    assume(text.strip())
    text = " ".join(text.split())
    for analyzer in ("char", "subword"):
        tokens, sequences = Tokens.fit([text], analyzer=analyzer)
        assert tokens.decode(sequences) == [unicodedata.normalize("NFC", text)]


def test_unknown_and_special_ids_in_print():
    ids = Ragged(np.array([PAD, BOUNDARY, 3, UNKNOWN, 4, BOUNDARY], np.int32), np.array([0, 4, 6]))
    assert Tokens.fit(["a b"])[0].decode(ids) == ["a <unk>", "b"]
    assert Tokens.fit(["ab"], analyzer="char")[0].decode(ids) == ["a\ufffd", "b"]


# -- state --------------------------------------------------------------------------------------


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_pickles_hold_no_caches(analyzer, small_texts_by_polars):
    tokens, sequences = Tokens.fit(TEXTS, analyzer=analyzer)
    tokens.tokenize(TEXTS)
    again = pickle.loads(pickle.dumps(tokens))
    assert set(vars(again)) == {"settings", "vocabulary", "merges"} < set(vars(tokens))
    assert rows(again.encode(TEXTS)) == rows(sequences)
    assert pickle.dumps(again) == pickle.dumps(tokens)


def test_the_hash_seed_changes_nothing():
    code = (
        "from skrnn.text.tokens import Tokens\n"
        "texts = ['b a c', 'd e', 'f a'] * 3\n"
        "for a in ('word', 'char', 'subword'): print(Tokens.fit(texts, analyzer=a)[0].__getstate__())\n"
        "print(Tokens.fit(texts, vocabulary={'a', 'b', 'c', 'd'})[0].vocabulary)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(printed) == 1 and b"vocabulary" in printed.pop()
