"""Words: in any script, equal by polars and by re."""

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skrnn.ragged import BOUNDARY
from skrnn.text import words as module
from skrnn.text.tokenized_texts import PolarsTokens, StringTokens
from skrnn.text.tokens import Tokens
from skrnn.text.words import WordSplitter, is_portable_text, word_pattern

SIMPLE = r"(?u)\w+|[^\w\s]"
any_text = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("ab \n\x1c\ud800\udc00.'\u0301\u200d\U0001f469")),
    max_size=40,
)


@pytest.fixture
def polars_for_small_texts(monkeypatch):
    monkeypatch.setattr(module, "POLARS_MIN_CHARS", 0)


# -- the default pattern ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I saw 2 good_ish films.", ["I", "saw", "2", "good_ish", "films", "."]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),  # vowel signs belong to the word
        ("שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("مَرحَبًا، کیف؟", ["مَرحَبًا", "،", "کیف", "؟"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),  # a joiner inside
        ("i\u0307stanbul", ["i\u0307stanbul"]),  # an accent that does not compose
        ("👩\u200d👩\u200d👧film", ["👩\u200d👩\u200d👧", "film"]),
        ("👍🏽👍 \u2764\ufe0f", ["👍🏽", "👍", "\u2764\ufe0f"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("🏴\U000e0067\U000e0062\U000e007f!", ["🏴\U000e0067\U000e0062\U000e007f", "!"]),
        ("1\ufe0f\u20e3 ?!", ["1\ufe0f\u20e3", "?", "!"]),
        ("\u0301 \u200d", ["\u0301", "\u200d"]),  # without a letter, they are signs
    ],
)
def test_default_words_of_many_scripts(text, words):
    assert word_pattern().findall(text) == words
    assert WordSplitter(None).split([text, ""]).lists() == [words, []]


@given(any_text)
def test_default_pattern_leaves_out_only_spaces(text):
    assert "".join(word_pattern().findall(text)) == re.sub(r"\s", "", text)


def test_simple_pattern_finds_the_default_words_in_portable_texts():
    portable = [c for c in map(chr, range(0xFFFF)) if is_portable_text(c)]
    text = "".join(portable) + " ".join(portable) + "a".join(portable)
    expected = word_pattern().findall(text)
    assert re.findall(SIMPLE, text) == expected
    assert WordSplitter(None).split([text]).strings() == expected


# -- by polars ----------------------------------------------------------------------------------


def split_by_polars_and_by_re(texts, pattern):
    found = []
    for min_chars in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "POLARS_MIN_CHARS", min_chars)
            splitter = WordSplitter(pattern)
            words = splitter.split(texts)
            assert isinstance(words, PolarsTokens) == (min_chars == 0 and splitter.is_portable)
            found.append(words.lists())
    return found


@given(st.lists(any_text, min_size=1, max_size=5), st.sampled_from([None, SIMPLE]))
@settings(max_examples=200)
def test_polars_and_re_find_the_same_words(texts, pattern):
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    by_polars, by_re = split_by_polars_and_by_re(texts, pattern)
    assert by_polars == by_re


@pytest.mark.parametrize("pattern", [r"\w", r"\d", r"\s", r"[^\w\s]", r"\b\w"])
def test_polars_and_re_agree_on_every_portable_character(pattern, polars_for_small_texts):
    portable = [c for c in map(chr, range(0xFFFF)) if not "\ud800" <= c <= "\udfff" and is_portable_text(c)]
    assert len(portable) > 22_000
    text = "".join(portable) + " ".join(portable) + "a".join(portable)
    assert WordSplitter(pattern).split([text]).strings() == re.findall(pattern, text)


PIECES = [
    r"\w", r"\W", r"\d", r"\s", r"\S", r"\b", r"\.", "(?:", ")", "|", "[^", "[", "]", "a", "b", "1", "-",
    "--", "*", "+", "?", "*?", "{2}", "{0,2}", "_", " ", "<", r"\]", r"\[", "&&", "~~", "!", ",", ".",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join),
    st.lists(st.text("ab1-_ .!<]['\n\t,\u00e9\u2014\xa0\u4e2d", max_size=12), min_size=1, max_size=3),
)
@settings(max_examples=150)
def test_polars_and_re_find_the_same_words_for_random_patterns(pattern, texts):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a possible nested set
            re.compile(pattern)
    except (re.error, FutureWarning):
        assume(False)
    by_polars, by_re = split_by_polars_and_by_re(texts, pattern)
    assert by_polars == by_re


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        (None, True),
        (SIMPLE, True),
        (r"(?u)\b\w\w+\b", True),
        (r"[a-z]+|\d{2,3}?", True),
        (r"\w++\w", False),  # possessive in re, a nested repeat in Rust
        (r"\w{2}+\w", False),
        (r"(\w)\w", False),
        (r"(?i)a", False),
        (r"\w(?=a)", False),
        (r"\w*", False),  # matches the empty string
        (r"a.c", False),
    ],
)
def test_portable_patterns(pattern, portable):
    assert WordSplitter(pattern).is_portable is portable


@pytest.mark.parametrize("pattern", [r"\w++\w", r"[+--\w]"])
def test_patterns_that_rust_reads_differently_go_to_re(pattern, polars_for_small_texts):
    texts = ["ab", "1+-"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # re may read -- as a set difference in the future
        words = WordSplitter(pattern).split(texts)
        assert words.lists() == [re.findall(pattern, text) for text in texts]
    assert isinstance(words, StringTokens)


def test_large_texts_are_split_by_polars():
    assert isinstance(WordSplitter(None).split(["plain words " * 10_000]), PolarsTokens)
    assert isinstance(WordSplitter(None).split(["plain words " * 10]), StringTokens)


def test_large_and_small_texts_have_the_same_ids():
    text = "Good film, it's b\x1cc caf\u00e9 x\u00b2 नमस्ते 👍🏽 " * 5000
    tokens, sequences = Tokens.fit([text, "", "plain words " * 3000])
    once = tokens.encode(["Good film, it's b\x1cc caf\u00e9 x\u00b2 नमस्ते 👍🏽 "]).ids
    np.testing.assert_array_equal(sequences.row(0), np.tile(once, 5000))
    assert sequences.row(1).tolist() == [BOUNDARY]


FORK = """
import os, sys
from skrnn.text import words
from skrnn.text.tokens import Tokens

def kind():
    return type(words.WordSplitter(None).split(["a"])).__name__

words.POLARS_MIN_CHARS = 0
tokens, _ = Tokens.fit(["a b", "c"])
assert kind() == "PolarsTokens"
pid = os.fork()
if pid:
    sys.exit(os.waitpid(pid, 0)[1])
os._exit(not (tokens.encode(["b a"]).ids.tolist() == [4, 3] and kind() == "StringTokens"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_splits_without_polars():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=60, check=False)
    assert done.returncode == 0
