"""Stage 1: texts to tokens, tokens to ids, and back.

Three ids are no terms: 0 pads, 1 stands for a token that the vocabulary has not, 2 for a text without
tokens and for the two ends of a text. Terms have the ids from 3 on, the most frequent first.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from functools import cached_property
from itertools import chain, pairwise, repeat
from numbers import Integral
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

from skrnn.ragged import BOUNDARY, N_SPECIAL, UNKNOWN, Ragged
from skrnn.text.words import Words, on_all_cores, polars, print_words

N_BYTES = 256  # the alphabet of sub-words: they are merged from bytes, so none is unknown
MAX_SUBWORDS = 32768  # of vocab_size=None
_SPACES = re.compile(r"\s\s+")


class Tokens:
    """How texts become ids: the settings of stage 1 and the vocabulary learned from the training texts.

    Made by :meth:`fit`; the parameters are those of the estimators.

    Parameters
    ----------
    settings : dict
        The keyword arguments of :meth:`fit` but for those that choose the vocabulary.
    vocabulary : dict of str to int
        Terms and their ids, in the order of the ids, which start at 3.
    merges : str or None
        For sub-words, the trained byte-pair encoding as JSON.

    Examples
    --------
    >>> from skrnn.text.tokens import Tokens
    >>> tokens, sequences = Tokens.fit(["A cat, a hat.", "The cat"])
    >>> tokens.vocabulary
    {'a': 3, 'cat': 4, ',': 5, '.': 6, 'hat': 7, 'the': 8}
    >>> tokens.encode(["the dog", ""])
    Ragged(ids=array([8, 1, 2], dtype=int32), offsets=array([0, 2, 3]))
    >>> tokens.decode(sequences)
    ['a cat, a hat.', 'the cat']
    """

    def __init__(self, settings: dict[str, Any], vocabulary: dict[str, int], merges: str | None = None):
        self.settings, self.vocabulary, self.merges = settings, vocabulary, merges

    @classmethod
    def fit(
        cls,
        texts: list[str],
        *,
        analyzer: Any = "word",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str | None = None,
        min_df: float = 1,
        vocab_size: int | None = 20000,
        vocabulary: Any = None,
    ) -> tuple[Tokens, Ragged]:
        """Learn the vocabulary of texts.

        Parameters
        ----------
        texts : list of str
            Training texts.
        analyzer, lowercase, strip_accents, preprocessor, tokenizer, token_pattern, min_df
            As in CountVectorizer, and "subword" for `analyzer`, None for `token_pattern`.
        vocab_size : int or None
            The most ids, the three special ones included.
        vocabulary : iterable of str, mapping of str to int, or None
            Terms to use.

        Returns
        -------
        tokens : Tokens
            What was learned.
        sequences : Ragged
            The ids of the texts.

        Raises
        ------
        ValueError
            If no text has a token, or none is frequent enough, or `vocabulary` is empty or repeats itself.
        """
        settings = {
            "analyzer": analyzer,
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "preprocessor": preprocessor,
            "tokenizer": tokenizer,
            "token_pattern": token_pattern,
        }
        _warn_of_unused(settings)
        tokens = cls(settings, {})
        if analyzer == "subword":
            if vocabulary is not None:
                raise ValueError(
                    "vocabulary cannot be given with analyzer='subword', which learns its own: leave it None."
                )
            tokens._merge_bytes(texts, vocab_size, min_df)
            return tokens, tokens.encode(texts)
        rows = tokens._split(texts)
        if vocabulary is not None:
            terms = _given_terms(vocabulary)
        else:
            terms = _frequent_terms(rows, len(texts), min_df, vocab_size)
        tokens.vocabulary = {term: i for i, term in enumerate(terms, N_SPECIAL)}
        return tokens, tokens._number(rows)

    @property
    def n_ids(self) -> int:
        """Rows that an embedding needs: the terms and the special ids."""
        return len(self.vocabulary) + N_SPECIAL

    def encode(self, texts: list[str]) -> Ragged:
        """Return the ids of texts; a text without tokens has the one id 2.

        Parameters
        ----------
        texts : list of str
            Texts.

        Returns
        -------
        sequences : Ragged
        """
        if self.merges is not None:
            encodings = self._byte_pairs.encode_batch_fast(self._prepared(texts))
            ids = [encoding.ids for encoding in encodings]
            flat = np.fromiter(chain.from_iterable(ids), np.int32) + np.int32(N_SPECIAL)
            return _sequences(flat, np.fromiter(map(len, ids), np.int64, len(ids)))
        return self._number(self._split(texts))

    def tokenize(self, texts: list[str]) -> list[list[str]]:
        """Return the tokens of texts, those without an id included."""
        if self.merges is not None:
            encoded = self.encode(texts)
            ids = (encoded.ids - N_SPECIAL).tolist()
            pieces = [self._byte_pairs.decode([i]) if i >= 0 else "" for i in ids]
            bounds = encoded.offsets.tolist()
            return [[piece for piece in pieces[start:stop] if piece] for start, stop in pairwise(bounds)]
        return _lists(self._split(texts))

    def decode(self, sequences: Ragged) -> list[str]:
        """Return the texts of ids: words spaced as in print, characters and sub-words joined.

        Parameters
        ----------
        sequences : Ragged
            Ids; padding and boundaries are left out.

        Returns
        -------
        texts : list of str
        """
        ids, bounds = sequences.ids, sequences.offsets.tolist()
        rows = (ids[start:stop] for start, stop in pairwise(bounds))
        if self.merges is not None:
            return [
                self._byte_pairs.decode((row[row >= N_SPECIAL] - N_SPECIAL).tolist()).strip() for row in rows
            ]
        by_char = self.settings["analyzer"] == "char"
        terms = np.array(["", "\ufffd" if by_char else "<unk>", "", *self.vocabulary], dtype=object)
        join: Callable[[list[str]], str] = "".join if by_char else print_words
        return [join([term for term in terms[row] if term]) for row in rows]

    def pieces(self, sequences: Ragged) -> list[list[str]]:
        """Return each id of each row as text: what a network sees; "" for padding and boundaries."""
        pieces = self.decode(Ragged(sequences.ids, np.arange(len(sequences.ids) + 1)))
        return [pieces[start:stop] for start, stop in pairwise(sequences.offsets.tolist())]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what is made from it."""
        return {name: vars(self)[name] for name in ("settings", "vocabulary", "merges")}

    # -- splitting -----------------------------------------------------------------------------

    @cached_property
    def _preprocess(self) -> Callable[[str], str]:
        settings = self.settings
        if settings["preprocessor"] is not None:
            return settings["preprocessor"]
        strip = settings["strip_accents"]
        strip = {"ascii": strip_accents_ascii, "unicode": strip_accents_unicode}.get(strip, strip)
        lower = settings["lowercase"]

        def preprocess(text: str) -> str:
            if lower:
                text = text.lower()
            if text.isascii():
                return text if strip is None or isinstance(settings["strip_accents"], str) else strip(text)
            text = normalize("NFC", text)
            return text if strip is None else strip(text)

        return preprocess

    def _prepared(self, texts: list[str]) -> list[str]:
        prepared: list[Any] = list(map(self._preprocess, texts))
        for text in prepared:
            if not isinstance(text, str):
                name = "strip_accents" if self.settings["preprocessor"] is None else "preprocessor"
                raise TypeError(
                    f"The {name} function must return a str. Got {text!r} of {type(text).__name__}."
                )
        return [text if text.isascii() else _valid(text) for text in prepared]

    def _split(self, texts: list[str]) -> _Rows:
        """Return the tokens of texts."""
        analyzer, tokenizer = self.settings["analyzer"], self.settings["tokenizer"]
        if callable(analyzer):
            return _checked(map(analyzer, texts), "analyzer")
        prepared = self._prepared(texts)
        if analyzer == "char":
            return _chars([_SPACES.sub(" ", text) for text in prepared])
        if tokenizer is not None:
            return _checked(map(tokenizer, prepared), "tokenizer")
        return _Rows(*self._words.cut(prepared))

    @cached_property
    def _words(self) -> Words:
        return Words(self.settings["token_pattern"])

    # -- numbering -----------------------------------------------------------------------------

    def _number(self, rows: _Rows) -> Ragged:
        flat = rows.flat
        if isinstance(flat, np.ndarray):
            terms, codes = np.unique(flat, return_inverse=True)
            known = np.fromiter(
                (self.vocabulary.get(chr(c), UNKNOWN) for c in terms.tolist()), np.int32, len(terms)
            )
            ids = known[codes]
        elif isinstance(flat, list):
            ids = np.fromiter(map(self.vocabulary.get, flat, repeat(UNKNOWN)), np.int32, len(flat))
        else:
            codes = on_all_cores(flat, lambda term: term.cast(self._enum, strict=False).to_physical())
            codes = codes.cast(polars().Int32).fill_null(UNKNOWN - N_SPECIAL)
            ids = codes.to_numpy() + np.int32(N_SPECIAL)
        return _sequences(ids, rows.lengths)

    @cached_property
    def _enum(self) -> Any:
        return polars().Enum(list(self.vocabulary))

    # -- sub-words -----------------------------------------------------------------------------

    @cached_property
    def _byte_pairs(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.merges or "")

    def _merge_bytes(self, texts: list[str], vocab_size: int | None, min_df: Any) -> None:
        """Train byte-pair encoding (Sennrich et al. 2016) on the bytes of the texts."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        if vocab_size is not None and vocab_size < N_BYTES + N_SPECIAL:
            raise ValueError(
                f"vocab_size must be at least {N_BYTES + N_SPECIAL} with analyzer='subword': one id for "
                f"each byte and the special ones. Got {vocab_size} instead."
            )
        prepared = self._prepared(texts)
        if not any(text.strip() for text in prepared):
            raise ValueError("No text has a token: all of them are empty or blank (empty vocabulary).")
        coder = Tokenizer(models.BPE())
        coder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        coder.decoder = decoders.ByteLevel()
        frequency = int(min_df) if isinstance(min_df, Integral) else 1
        trainer = trainers.BpeTrainer(
            vocab_size=(vocab_size or MAX_SUBWORDS) - N_SPECIAL,
            min_frequency=max(2, frequency),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        coder.train_from_iterator(prepared, trainer)
        self.merges = coder.to_str()
        pieces = sorted(coder.get_vocab().items(), key=lambda item: item[1])
        self.vocabulary = {piece: i + N_SPECIAL for piece, i in pieces}


class _Rows(NamedTuple):
    """Tokens of many texts, one after the other."""

    flat: Any  # list of str, polars Series of str, or ndarray of code points
    lengths: np.ndarray  # (n_samples,) int64


def _warn_of_unused(settings: dict[str, Any]) -> None:
    """Warn, as CountVectorizer does, of parameters that another one leaves nothing to do."""
    analyzer, tokenizer = settings["analyzer"], settings["tokenizer"]
    if callable(analyzer):
        unused, reason = (
            ["preprocessor", "strip_accents", "tokenizer", "token_pattern"],
            "a callable analyzer",
        )
    elif analyzer != "word":
        unused, reason = ["tokenizer", "token_pattern"], f"analyzer={analyzer!r}"
    else:
        unused, reason = ["token_pattern"] if tokenizer is not None else [], "a tokenizer"
    given = [name for name in unused if settings[name] is not None]
    if given:
        warnings.warn(
            f"{' and '.join(given)} will not be used, for there is {reason}: leave it None.",
            UserWarning,
            stacklevel=2,
        )


def _valid(text: str) -> str:
    """Return a text without half surrogate pairs, which no encoding can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _flat(lists: list[list[str]]) -> _Rows:
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    return _Rows(list(chain.from_iterable(lists)), counts)


def _checked(found: Iterable[Any], name: str) -> _Rows:
    """Return what a function of the user's has found in each text."""
    lists = []
    for tokens in found:
        if isinstance(tokens, str) or not isinstance(tokens, Iterable):
            raise TypeError(
                f"The {name} function must return a list of str. Got {tokens!r} of {type(tokens).__name__}."
            )
        lists.append(list(tokens))
    rows = _flat(lists)
    for token in rows.flat:
        if not isinstance(token, str):
            raise TypeError(
                f"The {name} function must return tokens as str. Got {token!r} of {type(token).__name__}."
            )
    return rows


def _chars(texts: list[str]) -> _Rows:
    joined = "".join(texts).encode("utf-32-le")
    counts = np.fromiter(map(len, texts), np.int64, len(texts))
    return _Rows(np.frombuffer(joined, np.uint32), counts)


def _lists(rows: _Rows) -> list[list[str]]:
    flat = list(map(chr, rows.flat)) if isinstance(rows.flat, np.ndarray) else list(rows.flat)
    stops = np.cumsum(rows.lengths).tolist()
    return [flat[stop - n : stop] for stop, n in zip(stops, rows.lengths.tolist(), strict=True)]


def _sequences(ids: np.ndarray, counts: np.ndarray) -> Ragged:
    """Return ids and lengths as Ragged; a row without ids gets a boundary."""
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        ids = np.insert(ids, np.cumsum(counts)[empty], BOUNDARY)
        counts = np.maximum(counts, 1)
    return Ragged.from_lengths(np.ascontiguousarray(ids, dtype=np.int32), counts)


def _frequent_terms(rows: _Rows, n_texts: int, min_df: Any, vocab_size: int | None) -> list[str]:
    """Return the terms that are frequent enough, the most frequent first, equal ones by their letters."""
    counts = _counts(rows)
    if not counts:
        raise ValueError(
            "No text has a token: all of them are empty or blank, or token_pattern finds nothing in them "
            "(empty vocabulary)."
        )
    least = int(min_df) if isinstance(min_df, Integral) else int(np.ceil(min_df * n_texts))
    if least > 1:
        documents = _document_counts(rows)
        counts = {term: n for term, n in counts.items() if documents[term] >= least}
        if not counts:
            raise ValueError(
                f"No term is in {least} texts or more: after pruning, no terms remain. Try a lower min_df "
                f"(got {min_df}); there are {n_texts} texts."
            )
    terms = sorted(counts, key=lambda term: (-counts[term], term))
    return terms if vocab_size is None else terms[: vocab_size - N_SPECIAL]


def _counts(rows: _Rows) -> dict[str, int]:
    if isinstance(rows.flat, np.ndarray):
        codes, counts = np.unique(rows.flat, return_counts=True)
        return dict(zip(map(chr, codes.tolist()), counts.tolist(), strict=True))
    if isinstance(rows.flat, list):
        return Counter(rows.flat)
    return dict(rows.flat.value_counts().iter_rows())


def _document_counts(rows: _Rows) -> Counter[str]:
    """Return in how many texts each term is."""
    return Counter(chain.from_iterable(map(set, _lists(rows))))


def _given_terms(vocabulary: Iterable[str] | Mapping[str, int]) -> list[str]:
    """Return the terms of a given vocabulary in the order of their ids."""
    if isinstance(vocabulary, Mapping):
        if not all(isinstance(index, Integral) for index in vocabulary.values()):
            raise TypeError("vocabulary must give each term an int, or be a list of terms.")
        terms = sorted(vocabulary, key=lambda term: vocabulary[term])
        if len(set(vocabulary.values())) < len(terms):
            raise ValueError("vocabulary must give each term an index of its own; some are repeated.")
    else:
        terms = sorted(vocabulary) if isinstance(vocabulary, Set) else list(vocabulary)
    if not terms:
        raise ValueError("vocabulary must have a term or more. Got an empty vocabulary.")
    wrong = [term for term in terms if not isinstance(term, str)]
    if wrong:
        raise TypeError(f"vocabulary must hold terms as str. Got {wrong[0]!r} of {type(wrong[0]).__name__}.")
    twice = [term for term, n in Counter(terms).items() if n > 1]
    if twice:
        raise ValueError(f"vocabulary must not repeat a term. Got a Duplicate term: {twice[0]!r}.")
    return [str(term) for term in terms]
