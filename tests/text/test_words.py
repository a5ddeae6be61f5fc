"""Words: of any script, the same by polars and by re, and printed as they were."""

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
from skrnn.text.tokens import Tokens
from skrnn.text.words import Words, print_words, word_pattern

PLAIN = r"(?u)\w+|[^\w\s]"
any_text = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("ab \n\x1c\ud800\udc00.'\u0301\u200d\U0001f469")),
    max_size=40,
)


@pytest.fixture
def small_texts_by_polars(monkeypatch):
    monkeypatch.setattr(module, "_LEAST_FOR_POLARS", 0)


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
        ("\u0301 \u200d", ["\u0301", "\u200d"]),  # alone, they are signs
    ],
)
def test_words_of_any_script(text, words):
    assert word_pattern().findall(text) == words
    assert Words(None).cut([text, ""]) == (words, pytest.approx([len(words), 0]))


@given(any_text)
def test_nothing_but_spaces_is_left_out(text):
    assert "".join(word_pattern().findall(text)) == re.sub(r"\s", "", text)


def test_of_plain_characters_the_default_finds_what_the_plain_pattern_finds():
    alike = [c for c in map(chr, range(0xFFFF)) if module._alike(c)]
    text = "".join(alike) + " ".join(alike) + "a".join(alike)
    assert word_pattern().findall(text) == re.findall(PLAIN, text) == list(Words(None).cut([text]).flat)


# -- by polars ----------------------------------------------------------------------------------


def by_both(texts, pattern):
    """Return the words of texts, cut by polars and by re."""
    found = []
    for forked in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_LEAST_FOR_POLARS", 0)
            patch.setattr(module, "_forked", forked)
            words = Words(pattern)
            flat, lengths = words.cut(texts)
            assert isinstance(flat, list) == (forked or not words.portable)
            found.append((list(flat), lengths.tolist()))
    return found


@given(st.lists(any_text, min_size=1, max_size=5), st.sampled_from([None, PLAIN]))
@settings(max_examples=200)
def test_polars_cuts_as_re_does(texts, pattern):
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    one, two = by_both(texts, pattern)
    assert one == two


@pytest.mark.parametrize("pattern", [r"\w", r"\d", r"\s", r"[^\w\s]", r"\b\w"])
def test_characters_beyond_ascii_are_read_alike(pattern, small_texts_by_polars):
    alike = [c for c in map(chr, range(0xFFFF)) if not "\ud800" <= c <= "\udfff" and module._alike(c)]
    assert len(alike) > 22_000
    text = "".join(alike) + " ".join(alike) + "a".join(alike)
    assert list(Words(pattern).cut([text]).flat) == re.findall(pattern, text)


PIECES = [
    r"\w", r"\W", r"\d", r"\s", r"\S", r"\b", r"\.", "(?:", ")", "|", "[^", "[", "]", "a", "b", "1", "-",
    "--", "*", "+", "?", "*?", "{2}", "{0,2}", "_", " ", "<", r"\]", r"\[", "&&", "~~", "!", ",", ".",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join),
    st.lists(st.text("ab1-_ .!<]['\n\t,\u00e9\u2014\xa0\u4e2d", max_size=12), min_size=1, max_size=3),
)
@settings(max_examples=150)
def test_polars_reads_patterns_as_re_does(pattern, texts):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # what re may read as a set one day
            re.compile(pattern)
    except (re.error, FutureWarning):
        assume(False)
    one, two = by_both(texts, pattern)
    assert one == two


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        (None, True),
        (PLAIN, True),
        (r"(?u)\b\w\w+\b", True),
        (r"[a-z]+|\d{2,3}?", True),
        (r"\w++\w", False),  # a possessive repeat to re, two repeats to Rust
        (r"\w{2}+\w", False),
        (r"(\w)\w", False),
        (r"(?i)a", False),
        (r"\w(?=a)", False),
        (r"\w*", False),  # finds empty strings
        (r"a.c", False),
    ],
)
def test_patterns_that_polars_may_have(pattern, portable):
    assert Words(pattern).portable is portable


@pytest.mark.parametrize("pattern", [r"\w++\w", r"[+--\w]"])
def test_patterns_that_rust_reads_otherwise(pattern, small_texts_by_polars):
    texts = ["ab", "1+-"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # re says that it may read -- otherwise one day
        flat, lengths = Words(pattern).cut(texts)
        assert flat == [word for text in texts for word in re.findall(pattern, text)]
    assert len(lengths) == 2


def test_long_texts_are_cut_by_polars():
    assert not module._forked
    assert not isinstance(Words(None).cut(["plain words " * 10_000]).flat, list)


def test_long_texts_are_cut_alike():
    text = "Good film, it's b\x1cc caf\u00e9 x\u00b2 नमस्ते 👍🏽 " * 5000
    tokens, sequences = Tokens.fit([text, "", "plain words " * 3000])
    once = tokens.encode(["Good film, it's b\x1cc caf\u00e9 x\u00b2 नमस्ते 👍🏽 "]).ids
    np.testing.assert_array_equal(sequences.row(0), np.tile(once, 5000))
    assert sequences.row(1).tolist() == [BOUNDARY]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_cuts_without_polars(small_texts_by_polars):
    code = (
        "import os, sys; from skrnn.text import words as m; m._LEAST_FOR_POLARS = 0\n"
        "from skrnn.text.tokens import Tokens\n"
        "t, _ = Tokens.fit(['a b', 'c']); pid = os.fork()\n"
        "if not pid: os._exit(0 if t.encode(['b a']).ids.tolist() == [4, 3] and m._forked else 1)\n"
        "sys.exit(os.waitpid(pid, 0)[1])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert done.returncode == 0


# -- as print has them --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "good film, very good!",
        "it's (not) so bad...",
        "a well-known and/or case: yes",
        "why? [note] 100%",
        "“no” means no… „ja“",
        "好电影。真的，很好！（笑）",
        "فيلم جيد؟ نعم، جدا",
        "नमस्ते दुनिया।",
        "¿qué? ¡no!",
        "👩\u200d💻 👍🏽",
    ],
)
def test_words_are_printed_as_they_were(text):
    expected = text.replace("„ja“", "„ja “")  # “ opens in English
    assert print_words(Words(None).cut([text]).flat) == expected
