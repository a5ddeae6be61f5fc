"""Long texts: only the needed part is read, with the same ids, in linear time and memory."""

import random
import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from skrnn.text import analyzers, long_texts, subwords
from skrnn.text.long_texts import cut, first_and_last, read_ends
from skrnn.text.normal_forms import sort_marks
from skrnn.text.tokens import Tokens

ALPHABET = (
    *"abcxyz ABC \n\t.,;:'\"!?()-_/^`012",
    *"\u03a3\u03c3\u0130\u00e9\u0301\u0327\u00af\u00b2\u212a\u1e9e\x1c\x85\xa0\u2003\u3000",
    *"\u597d\u7535\u3042\u30a2\u3001\u3002\uff0c\uff9e\u3099\uac00\u11a8\u0f73\u0e01\u0e31\u0928\u093f",
    *"\U0001f469\u200d\U0001f4bb\U0001f3fd\U0001f1e9\U0001f1ea\U0001d15e\ud800\udc00\ufdfa",
)
WORDS = [
    "good",
    "film",
    "\u597d\u7535\u5f71",
    "It's",
    "caf\u00e9",
    "\U0001f469\u200d\U0001f4bb",
    "\u03a3\u039f\u03a3",
]
SETTINGS = [
    {},
    {"analyzer": "char"},
    {"analyzer": "subword", "vocab_size": 300},
    {"strip_accents": "unicode"},
    {"analyzer": "char", "strip_accents": "ascii"},
    {"analyzer": "char", "lowercase": False},
    {"analyzer": "subword", "preprocessor": str.upper},
    {"token_pattern": r"(?<=\s)\S+|\S\s"},
    {"token_pattern": r"(\w)\w*"},
    {"tokenizer": str.split},
    {"analyzer": str.split},
    {"analyzer": lambda text: (word for word in text.split(","))},
]


def random_text(rng):
    parts = rng.choices(ALPHABET, k=rng.randint(0, 60)) + rng.choices(WORDS, k=rng.randint(0, 20))
    rng.shuffle(parts)
    return rng.choice(["", " "]).join(parts)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(long_texts, "PIECE", 5)
    monkeypatch.setattr(analyzers, "PIECE", 5)


@pytest.mark.parametrize("options", SETTINGS)
def test_ids_of_a_cut_text_are_those_of_the_whole_text(small_pieces, monkeypatch, options):
    rng = random.Random(0)
    texts = [random_text(rng) for _ in range(300)]
    with monkeypatch.context() as whole:
        whole.setattr(long_texts, "PIECE", 10**9)
        tokens, sequences = Tokens.fit(texts, **options)
        assert [row.tolist() for row in tokens.encode(texts).rows()] == [r.tolist() for r in sequences.rows()]
    for length in (1, 2, 5, 30):
        for side in ("end", "start", "middle"):
            found, expected = tokens.encode(texts, length, side), sequences.truncate(length, side)
            for text, row, right in zip(texts, found.rows(), expected.rows(), strict=True):
                assert row.tolist() == right.tolist(), (text, length, side)
    refitted, again = Tokens.fit(texts, **options)
    assert refitted.vocabulary == tokens.vocabulary
    assert np.array_equal(again.ids, sequences.ids)


def test_a_run_without_a_place_to_cut_is_cut_anywhere_and_always_at_the_same_places(
    small_pieces, monkeypatch
):
    monkeypatch.setattr(analyzers, "MAX_PART", 7)
    texts = ["x" * 50, "a b " + "\U0001f600" * 40 + " end"]
    tokens, sequences = Tokens.fit(texts * 3, analyzer="subword", vocab_size=300)
    for side in ("end", "start", "middle"):
        found = tokens.encode(texts * 3, 6, side)
        assert np.array_equal(found.ids, sequences.truncate(6, side).ids)


def test_pieces_of_a_long_text():
    text = "good film, " * 5000
    pieces = cut(text)
    assert "".join(pieces) == text and len(pieces) == 4
    assert cut("x" * 50_000) == ["x" * 50_000]
    assert [len(part) for part in cut("x" * 50_000, 30_000)] == [30_000, 20_000]
    assert cut("") == cut("", 5) == [""]


@pytest.mark.parametrize("options", [{}, {"analyzer": "char"}, {"analyzer": "subword", "vocab_size": 300}])
@pytest.mark.parametrize("side", ["end", "start", "middle"])
def test_the_tokenizer_reads_only_a_part_of_a_long_text(monkeypatch, options, side):
    tokens, _ = Tokens.fit(["a good film"] * 4, **options)
    read = []
    preprocess = analyzers.Analyzer.preprocess
    monkeypatch.setattr(
        analyzers.Analyzer, "preprocess", lambda self, texts: read.extend(texts) or preprocess(self, texts)
    )
    tokens.encode(["a good film, " * 100_000, "short"], 400, side)
    assert sum(map(len, read)) < 60_000


RESIDENT = """
import resource
from skrnn.text.tokens import Tokens
parts = "a good film, ", "x", "\\U0001f600", "\\U0001f469\\u200d", "\\u597d\\u7535", "\\u0301\\u0327"
for options in ({}, {"analyzer": "char"}, {"analyzer": "subword"}, {"token_pattern": "(?u)[a-z]+|."}):
    tokens, _ = Tokens.fit(["a good film"] * 4, **options)
    for part in parts:
        text = "a" + part * (4_000_000 // len(part.encode()))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for side in ("end", "start", "middle"):
            assert len(tokens.encode([text], 400, side).ids) <= 400
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 4e6
        assert growth <= 30, (options, part, growth)
"""


@pytest.mark.slow
def test_a_cut_text_needs_at_most_30_bytes_of_resident_memory_per_byte():
    done = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_text_read_whole_by_subwords_is_encoded_in_batches(monkeypatch):
    monkeypatch.setattr(subwords, "BATCH", 10)
    texts = ["good film " * 5, "", "bad", "x" * 30]
    tokens, sequences = Tokens.fit(texts, analyzer="subword", vocab_size=300)
    assert [tokens.encode([text]).ids.tolist() for text in texts] == [r.tolist() for r in sequences.rows()]


def test_only_the_needed_tokens_of_an_iterator_are_computed():
    tokens = iter("abcdef")
    assert first_and_last(tokens, 2, 0) == ["a", "b"]
    assert next(tokens) == "c"
    assert first_and_last("abc", 2, 2) == ["a", "b", "c"]
    assert first_and_last("abc", 0, 2) == ["b", "c"]


def test_pieces_are_read_from_both_ends():
    read = []

    def ids(i):
        read.append(i)
        return np.array([i, i])

    assert read_ends(9, ids, 3, 1).tolist() == [0, 0, 1, 1, 8, 8]
    assert read == [0, 1, 8]
    assert read_ends(2, ids, 3, 9).tolist() == [0, 0, 1, 1]


# -- combining marks ---------------------------------------------------------------------------------------

MARKS = "\u0301\u0327\u0344\u0f73\u0f71\u3099\u0338\U0001d165\u05b0\u0315"


@pytest.mark.parametrize("form", ["NFC", "NFKD"])
def test_sorted_marks_have_the_same_normal_form(form):
    rng = random.Random(0)
    alphabet = MARKS + ("\uff9e\uff9f" if form == "NFKD" else "")
    for _ in range(100):
        runs = ["".join(rng.choices(alphabet, k=rng.choice([3, 30, 31, 32, 61, 200]))) for _ in range(3)]
        text = "".join(base + run for base, run in zip("a\u00e9\u3046", runs, strict=True))
        assert unicodedata.normalize(form, sort_marks(text, form)) == unicodedata.normalize(form, text)


def test_texts_without_long_runs_of_marks_are_unchanged():
    for text in ("", "e\u0301", "a" + "\u0301\u0327" * 15, "\u0928\u093f" * 100):
        assert sort_marks(text) is text or sort_marks(text) == text


def n_swaps(text, form):
    """Return how many swaps an insertion sort makes in the decomposed text: CPython sorts marks so."""
    classes = [unicodedata.combining(c) for mark in text for c in unicodedata.normalize(form, mark)]
    return sum(0 < b < a for i, b in enumerate(classes) for a in classes[:i])


@pytest.mark.parametrize("run", ["\u0301\u0327", "\u0f73\u0301", "\u0344\u0327", "\uff9e\u0327"])
@pytest.mark.parametrize("strip_accents", [None, "unicode", "ascii"])
def test_normalisation_never_sees_a_long_run_of_unsorted_marks(monkeypatch, run, strip_accents):
    swaps = []

    def normalize(form, text):
        swaps.append(n_swaps(text, "NFD"))
        return unicodedata.normalize(form, text)

    def strip(text):
        swaps.append(n_swaps(text, "NFKD"))
        return text

    tokens, _ = Tokens.fit(["a b"], strip_accents=strip_accents)
    monkeypatch.setattr(analyzers, "normalize", normalize)
    monkeypatch.setattr(analyzers, "strip_accents_unicode", strip)
    monkeypatch.setattr(analyzers, "strip_accents_ascii", strip)
    del tokens._analyzer  # it keeps the functions
    tokens.encode(["a" + run * 200])
    assert len(swaps) == (1 if strip_accents is None else 2)
    assert max(swaps) < 1000  # without sorting, 20,000
