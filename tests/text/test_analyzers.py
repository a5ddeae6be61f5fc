"""The analyzers: what a token is, for each value of `analyzer`."""

import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from skrnn.ragged import BOUNDARY, N_SPECIAL, PAD, UNKNOWN, Ragged
from skrnn.text.analyzers import ANALYZERS, Analyzer
from skrnn.text.tokenized_texts import StringTokens
from skrnn.text.tokens import Tokens

WORDS = r"(?u)\w+|[^\w\s]"
TEXTS = ["a b c", "a b", "a", "", "d d d d"]


class SentenceAnalyzer(Analyzer):
    unknown_mark = "..."

    def split(self, texts):
        lists = [[s.strip() for s in text.split(".") if s.strip()] for text in self.preprocess(texts)]
        return StringTokens.from_lists(lists)

    def join(self, tokens):
        return " ".join(f"{token}." for token in tokens)


def test_a_new_analyzer_is_one_class_and_one_entry(monkeypatch):
    monkeypatch.setitem(ANALYZERS, "sentence", SentenceAnalyzer)
    tokens, sequences = Tokens.fit(["Good film. Bad plot.", "good film."], analyzer="sentence")
    assert tokens.vocabulary == {"good film": 3, "bad plot": 4}
    assert tokens.decode(sequences) == ["good film. bad plot.", "good film."]
    assert tokens.decode(tokens.encode(["New. Bad plot"])) == [".... bad plot."]
    with pytest.warns(UserWarning, match="token_pattern will not be used because analyzer is 'sentence'"):
        Tokens.fit(["A."], analyzer="sentence", token_pattern="a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"analyzer": "subword", "tokenizer": str.split},
            r"^tokenizer will not be used because analyzer is 'subword'\. Leave it at None",
        ),
        ({"analyzer": "char", "token_pattern": "a"}, "^token_pattern will not .* analyzer is 'char'"),
        ({"tokenizer": str.split, "token_pattern": "a"}, "^token_pattern will not .* tokenizer is given"),
        (
            {"analyzer": str.split, "preprocessor": str.upper, "strip_accents": "ascii"},
            r"^preprocessor and strip_accents will not .* analyzer is a callable\. Leave them at None",
        ),
    ],
)
def test_fit_warns_of_parameters_that_have_no_effect(options, message):
    with pytest.warns(UserWarning, match=message):
        Tokens.fit(TEXTS, **options)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"token_pattern": "(a)(b)"}, ValueError, "More than 1 capturing group"),
        ({"token_pattern": "("}, ValueError, r"token_pattern must be a valid regular.* Got '\('"),
        ({"tokenizer": lambda text: [1]}, TypeError, "tokenizer function must return.*Got 1 of int"),
        ({"tokenizer": lambda text: text}, TypeError, "tokenizer function must return a list of str"),
        ({"analyzer": lambda text: [b"x"]}, TypeError, "analyzer function must return.*of bytes"),
        ({"analyzer": lambda text: 7}, TypeError, "analyzer function must return a list of str. Got 7"),
    ],
)
def test_fit_refuses_wrong_patterns_and_functions(arguments, error, message):
    with pytest.raises(error, match=message):
        Tokens.fit(TEXTS, **arguments)


# -- words ----------------------------------------------------------------------------------------


def test_words_include_single_letters_and_punctuation():
    text = "I saw a film, 2 times: it's (very) good_ish!"
    expected = "i saw a film , 2 times : it ' s ( very ) good_ish !".split()
    assert Tokens.fit([text])[0].tokenize([text]) == [expected]


@pytest.mark.parametrize("strip_accents", [None, "ascii", "unicode", lambda text: text.replace("b", "")])
@pytest.mark.parametrize("lowercase", [True, False])
def test_words_match_count_vectorizer(strip_accents, lowercase):
    options = {"lowercase": lowercase, "strip_accents": strip_accents, "token_pattern": WORDS}
    split = CountVectorizer(**options).build_analyzer()
    texts = ["The BIG Caf\u00e9 b", "\u0152uvre \u00c5\u00f1g", "plain Ab"]
    assert Tokens.fit(texts, **options)[0].tokenize(texts) == [split(text) for text in texts]


def test_composed_and_decomposed_accents_are_one_term():
    tokens, sequences = Tokens.fit(["caf\u00e9", "cafe\u0301"])
    assert list(tokens.vocabulary) == ["caf\u00e9"]
    assert sequences.ids.tolist() == [3, 3]


def test_preprocessor_replaces_lowercasing():
    tokens, _ = Tokens.fit(["Ab Cd"], preprocessor=lambda text: text.replace("C", "x"), lowercase=True)
    assert list(tokens.vocabulary) == ["Ab", "xd"]


def test_tokenizer_gets_the_preprocessed_text():
    tokens, _ = Tokens.fit(["A-b C"], tokenizer=lambda text: text.split("-"))
    assert list(tokens.vocabulary) == ["a", "b c"]


def test_callable_analyzer_gets_the_unchanged_text():
    tokens, _ = Tokens.fit(["A-b C"], analyzer=lambda text: (word for word in text.split()))
    assert list(tokens.vocabulary) == ["A-b", "C"]


def test_capturing_group_is_the_token():
    tokens, _ = Tokens.fit(["ab-cd ef-gh"], token_pattern=r"(\w+)-")
    assert list(tokens.vocabulary) == ["ab", "ef"]


@pytest.mark.parametrize("name", ["preprocessor", "strip_accents"])
def test_functions_that_change_texts_must_return_str(name):
    with pytest.raises(TypeError, match=rf"The {name} function must return a str. Got 3 of int"):
        Tokens.fit(["a b"], **{name: lambda text: 3})


# -- characters and sub-words -----------------------------------------------------------------------


def test_characters():
    tokens, sequences = Tokens.fit(["Ab \t b", "\U0001f600a"], analyzer="char")
    assert tokens.vocabulary == {"a": 3, "b": 4, " ": 5, "\U0001f600": 6}
    assert [row.tolist() for row in sequences.rows()] == [[3, 4, 5, 4], [6, 3]]
    assert tokens.tokenize(["b z"]) == [["b", " ", "z"]]
    assert [row.tolist() for row in tokens.encode(["z", ""]).rows()] == [[UNKNOWN], [BOUNDARY]]


SUBWORD_TEXTS = ["low lower lowest", "new newer newest"] * 5


def test_subwords_are_frequent_runs_of_bytes():
    tokens, sequences = Tokens.fit(SUBWORD_TEXTS, analyzer="subword", vocab_size=300)
    assert 259 < tokens.n_ids <= 300
    assert sorted(tokens.vocabulary.values()) == list(range(N_SPECIAL, tokens.n_ids))
    assert len(sequences.row(0)) < len(SUBWORD_TEXTS[0])
    assert [piece.strip() for piece in tokens.tokenize(["low low"])[0]] == ["low", "low"]
    (term,) = (term for term, i in tokens.vocabulary.items() if i == sequences.ids[0])
    assert term.endswith("low") and tokens.pieces(sequences)[0][0] == "low"


def test_subwords_leave_no_token_unknown():
    tokens, _ = Tokens.fit(SUBWORD_TEXTS, analyzer="subword", vocab_size=300)
    assert UNKNOWN not in tokens.encode(["\u05e9\u05dc\u05d5\u05dd \U0001f469", "\ud800", "zzz"]).ids
    assert tokens.tokenize([""]) == [[]]


def test_min_df_is_the_minimum_frequency_of_a_subword():
    tokens, _ = Tokens.fit(SUBWORD_TEXTS, analyzer="subword", vocab_size=300, min_df=30)
    assert tokens.n_ids == 259


@given(st.text(alphabet="ab \u00e9\u65e5\U0001f600.,", min_size=1, max_size=30))
@settings(max_examples=60)
def test_characters_and_subwords_decode_to_the_same_text(text):
    assume(text.strip())
    text = " ".join(text.split())
    for analyzer in ("char", "subword"):
        tokens, sequences = Tokens.fit([text], analyzer=analyzer)
        assert tokens.decode(sequences) == [unicodedata.normalize("NFC", text)]


# -- back to texts ----------------------------------------------------------------------------------


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
def test_words_decode_with_the_usual_spacing(text):
    tokens, sequences = Tokens.fit([text])
    assert tokens.decode(sequences) == [text]


def test_decode_marks_unknown_tokens_and_leaves_out_padding_and_boundaries():
    ids = Ragged.from_rows([[PAD, BOUNDARY, 3, UNKNOWN], [4, BOUNDARY]])
    assert Tokens.fit(["a b"])[0].decode(ids) == ["a <unk>", "b"]
    assert Tokens.fit(["ab"], analyzer="char")[0].decode(ids) == ["a\ufffd", "b"]


@pytest.mark.parametrize("analyzer", ["word", "char"])
def test_given_terms_match_canonically_equivalent_tokens(analyzer):
    """Texts are composed (NFC), so given terms are composed too; the first of two equal ones is kept."""
    given = ["a", "e\u0301", "\u00e9", "\u09df", "\u1112\u1161\u11ab"]
    texts = ["\u00e9 e\u0301", "\u09df \u09af\u09bc", "\ud55c"]
    for vocabulary in (given, {term: i for i, term in enumerate(given)}):
        tokens, sequences = Tokens.fit(texts, analyzer=analyzer, vocabulary=vocabulary)
        assert list(tokens.vocabulary) == ["a", "\u00e9", "\u09af\u09bc", "\ud55c"][: len(tokens.vocabulary)]
        if analyzer == "word":
            assert [ids.tolist() for ids in np.split(sequences.ids, sequences.offsets[1:-1])] == [
                [4, 4],
                [5, 5],
                [6],
            ]


def test_given_terms_stay_as_they_are_if_texts_are_not_composed():
    for parameters in ({"analyzer": str.split}, {"preprocessor": str}, {"strip_accents": lambda text: text}):
        tokens, _ = Tokens.fit(["e\u0301"], vocabulary=["e\u0301"], **parameters)
        assert list(tokens.vocabulary) == ["e\u0301"]
