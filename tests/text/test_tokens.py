"""Tokens: ids of any text, and the state that files and pickles keep."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn.ragged import BOUNDARY, N_SPECIAL, PAD, UNKNOWN
from skrnn.text import words
from skrnn.text.tokens import Tokens

TEXTS = ["a b c", "a b", "a", "", "d d d d"]
HARD = [
    "", "   ", "\ud800", "a\ud800\udc00b", "a\0b", "\x1c\x1d\x1e\x1f", "\u2028\u2029\x85",
    "e\u0301 \u00e9", "\u0130stanbul", "\ufb01ne", "\U0001f469\u200d\U0001f4bb",
    "\u05e9\u05dc\u05d5\u05dd", "\u200b", "\ufeffa", "x" * 5000, "\U0010ffff", "\ufffe",
]  # fmt: skip
any_text = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("ab \n\x1c\ud800\udc00.'")), max_size=40
)
ANALYZERS = {"word": "word", "char": "char", "subword": "subword", "callable": str.split}
FITTED = {
    name: Tokens.fit([*TEXTS, "caf\u00e9, b."], analyzer=analyzer)[0] for name, analyzer in ANALYZERS.items()
}


def rows(sequences):
    return [row.tolist() for row in sequences.rows()]


@pytest.fixture
def polars_for_small_texts(monkeypatch):
    monkeypatch.setattr(words, "POLARS_MIN_CHARS", 0)


# -- ids ------------------------------------------------------------------------------------------


def test_ids_of_known_unknown_and_empty_texts():
    assert sorted({PAD, UNKNOWN, BOUNDARY}) == list(range(N_SPECIAL))
    tokens, sequences = Tokens.fit(TEXTS)
    assert rows(sequences) == [[4, 5, 6], [4, 5], [4], [BOUNDARY], [3, 3, 3, 3]]
    assert sequences.ids.dtype == np.int32 and sequences.offsets.dtype == np.int64
    assert rows(tokens.encode(["never seen", "", "a never"])) == [[UNKNOWN] * 2, [BOUNDARY], [4, UNKNOWN]]
    assert rows(tokens.encode([])) == []


@pytest.mark.parametrize("analyzer", ANALYZERS.values(), ids=ANALYZERS)
def test_fit_returns_the_same_ids_as_encode(analyzer):
    tokens, sequences = Tokens.fit(TEXTS, analyzer=analyzer)
    assert rows(tokens.encode(TEXTS)) == rows(sequences)
    assert sequences.ids.min() >= UNKNOWN and sequences.ids.max() < tokens.n_ids


def test_pieces_have_one_text_per_id():
    tokens, sequences = Tokens.fit(["a cat", "", "a"])
    assert tokens.pieces(sequences.append(BOUNDARY)) == [["a", "cat", ""], ["", ""], ["a", ""]]
    assert tokens.pieces(tokens.encode(["a dog"])) == [["a", "<unk>"]]


@given(st.lists(any_text, min_size=1, max_size=5))
@settings(max_examples=100)
def test_polars_and_re_lead_to_the_same_ids(texts):
    found = []
    for min_chars in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(words, "POLARS_MIN_CHARS", min_chars)
            tokens, sequences = Tokens.fit([*texts, "a b"], vocab_size=8)
            found.append((tokens.vocabulary, rows(sequences), rows(tokens.encode(["b c", *texts]))))
    assert found[0] == found[1]


# -- any text -------------------------------------------------------------------------------------


@given(st.lists(any_text, min_size=1, max_size=4))
@settings(max_examples=60)
def test_every_text_has_valid_ids(texts):
    for tokens in FITTED.values():
        sequences = tokens.encode(texts)
        assert len(sequences) == len(texts) and sequences.lengths.min() >= 1
        assert sequences.offsets[-1] == len(sequences.ids)
        assert sequences.ids.min() >= UNKNOWN and sequences.ids.max() < tokens.n_ids
        assert [rows(tokens.encode([text]))[0] for text in texts] == rows(sequences)
        assert len(tokens.decode(sequences)) == len(tokens.tokenize(texts)) == len(texts)


@pytest.mark.slow
@given(any_text)
@settings(max_examples=10_000, deadline=None)
def test_ids_of_every_text_decode_to_a_text(text):
    for tokens in FITTED.values():
        (decoded,) = tokens.decode(tokens.encode([text]))
        assert isinstance(decoded, str) and tokens.decode(tokens.encode([decoded]))[0] is not None
    known = "".join(c for c in text if c in "abcd")
    for analyzer in ("char", "subword"):
        assert FITTED[analyzer].decode(FITTED[analyzer].encode([known])) == [known]


@pytest.mark.parametrize("analyzer", FITTED)
def test_hard_texts_have_ids_and_decode_to_valid_unicode(analyzer, polars_for_small_texts):
    tokens = FITTED[analyzer]
    assert len(tokens.encode(HARD)) == len(HARD)
    assert all(text.encode() is not None for text in tokens.decode(tokens.encode(HARD)))


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_a_vocabulary_can_be_learned_from_hard_texts(analyzer, polars_for_small_texts):
    tokens, sequences = Tokens.fit(HARD, analyzer=analyzer)
    assert rows(tokens.encode(HARD)) == rows(sequences)
    assert UNKNOWN not in sequences.ids


# -- state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_pickles_hold_no_caches(analyzer, polars_for_small_texts):
    tokens, sequences = Tokens.fit(TEXTS, analyzer=analyzer)
    tokens.tokenize(TEXTS)
    copy = pickle.loads(pickle.dumps(tokens))
    assert set(vars(copy)) == {"settings", "vocabulary", "merges", "spacing"} < set(vars(tokens))
    assert rows(copy.encode(TEXTS)) == rows(sequences)
    assert copy.tokenize(TEXTS) == tokens.tokenize(TEXTS)
    assert pickle.dumps(copy) == pickle.dumps(tokens)


def test_importing_skrnn_imports_neither_polars_nor_tokenizers():
    code = (
        "import sys, skrnn; skrnn.train_vectors(['a b', 'b c'], dim=2)\n"
        "sys.stdout.write(str({'polars', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"set()"


def test_the_hash_seed_does_not_change_the_vocabulary():
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
