"""Analyzers: what a token is. One class for each value of the `analyzer` parameter.

To add an analyzer, write a subclass of :class:`Analyzer` with a `split` method and list it in `ANALYZERS`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain, pairwise
from numbers import Integral
from typing import Any
from unicodedata import normalize

import numpy as np
from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

from skrnn.ragged import BOUNDARY, N_SPECIAL, UNKNOWN, Ragged
from skrnn.text.long_texts import PIECE, cut, first_and_last, n_first_and_last, read_ends
from skrnn.text.normal_forms import sort_marks, without_lone_surrogates
from skrnn.text.spacing import Spacing, join_words, learn_spacing
from skrnn.text.subwords import MAX_PART, N_BYTES, BytePairs
from skrnn.text.tokenized_texts import (
    CharTokens,
    StringTokens,
    TermIds,
    TokenizedTexts,
    checked_tokens,
    split_by_function,
)
from skrnn.text.vocabulary import frequent_terms, given_terms
from skrnn.text.words import WordSplitter

_SPACES = re.compile(r"\s\s+")
_BLOCK = 1000  # texts whose tokens are in memory at a time while their spacing is learned
MAX_CHARS = 2_000_000  # from longer texts, the spacing is learned from a sample of about this length


class Analyzer(ABC):
    """Splits texts into tokens, numbers the tokens and joins them to texts.

    A subclass defines `split`. It overrides `unknown_mark`, `join` and
    `ignored_parameters` if the ones of this class do not fit. To read only
    the needed part of a long text, it overrides `cuts_texts` and
    `iterate`. An analyzer with a numbering of its own, such as sub-words,
    also overrides `fit`, `encode_whole`, `encode_ends` and `decode`.

    Parameters
    ----------
    settings : dict
        The parameters `analyzer`, `lowercase`, `strip_accents`,
        `preprocessor`, `tokenizer` and `token_pattern`.
    vocabulary : dict of str to int, default=None
        Terms and their ids, in the order of the ids, which start at 3. None
        before `fit`.
    merges : str, default=None
        What sub-words learn beside the vocabulary; None for other analyzers.
    spacing : dict of str to int, default=None
        How written tokens are joined, see
        :func:`~skrnn.text.spacing.learn_spacing`. None if tokens are only
        read; then single characters do not keep runs of white space.
    """

    unknown_mark = "<unk>"  # text of a token that is not in the vocabulary

    def __init__(
        self,
        settings: dict[str, Any],
        vocabulary: dict[str, int] | None = None,
        merges: str | None = None,
        spacing: Spacing | None = None,
    ) -> None:
        self.settings, self.merges, self.spacing = settings, merges, spacing
        self._terms = TermIds({} if vocabulary is None else vocabulary)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Terms and their ids, in the order of the ids."""
        return self._terms.vocabulary

    @abstractmethod
    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the tokens of texts."""

    def join(self, tokens: list[str]) -> str:
        """Return the text of tokens."""
        return join_words(tokens, self.spacing)

    def learn_spacing(self, texts: list[str]) -> Spacing:
        """Return which tokens of texts have no space between them."""
        sample = texts[:: 1 + sum(map(len, texts)) // MAX_CHARS]
        blocks = (sample[i : i + _BLOCK] for i in range(0, len(sample), _BLOCK))
        pairs = (zip(self.preprocess(texts), self.split(texts).lists(), strict=True) for texts in blocks)
        return learn_spacing(chain.from_iterable(pairs), self.vocabulary)

    def ignored_parameters(self) -> tuple[list[str], str]:
        """Return the names of the parameters that have no effect, and the reason."""
        return ["tokenizer", "token_pattern"], f"analyzer is {self.settings['analyzer']!r}"

    def fit(self, texts: list[str], *, min_df: Any, vocab_size: int | None, vocabulary: Any) -> Ragged:
        """Learn the vocabulary and return the ids of the texts; see `Tokens.fit` for the parameters."""
        tokenized = self.split(texts)
        if vocabulary is not None:
            terms = self._as_in_texts(given_terms(vocabulary))
        else:
            terms = frequent_terms(tokenized, min_df, vocab_size)
        self._terms = TermIds({term: i for i, term in enumerate(terms, N_SPECIAL)})
        return tokenized.encode(self._terms)

    def _as_in_texts(self, terms: list[str]) -> list[str]:
        """Return given terms in the composed form (NFC), without repetitions, if texts are composed too."""
        if callable(self.settings["analyzer"]):
            return terms
        if self.settings["preprocessor"] is not None or self.settings["strip_accents"] is not None:
            return terms
        return list(dict.fromkeys(normalize("NFC", term) for term in terms))

    def encode(self, texts: list[str], length: int | None = None, side: str = "end") -> Ragged:
        """Return the ids of texts, truncated to a length; a text without tokens has the boundary id."""
        if length is None:
            return self.encode_whole(texts)
        long = [i for i, text in enumerate(texts) if self._is_long(text)]
        if not long:
            return self.encode_whole(texts).truncate(length, side)
        ends = n_first_and_last(length, side)
        rows = self.encode_whole([text for text in texts if not self._is_long(text)]).rows()
        for i in long:
            rows.insert(i, self.encode_ends(texts[i], *ends))
        return Ragged.from_rows(rows).truncate(length, side)

    def _is_long(self, text: Any) -> bool:
        return isinstance(text, str) and len(text) > PIECE

    def encode_whole(self, texts: list[str]) -> Ragged:
        """Return the ids of texts; a text without tokens has the boundary id."""
        return self.split(texts).encode(self._terms)

    @property
    def cuts_texts(self) -> bool:
        """Whether the tokens of a text are those of its pieces, see :func:`skrnn.text.long_texts.cut`."""
        return False

    def iterate(self, text: str) -> Iterable[str]:
        """Return the tokens of a text, if possible one by one."""
        return self.split([text]).strings()

    def _pieces(self, text: str) -> list[str]:
        return cut(text) if self.cuts_texts else [text]

    def encode_ends(self, text: str, n_first: int, n_last: int) -> np.ndarray:
        """Return the first and the last ids of a long text; read only the pieces that have them."""
        pieces = self._pieces(text)

        def read(i: int) -> np.ndarray:
            tokens = first_and_last(self.iterate(pieces[i]), n_first, n_last)
            return StringTokens.from_lists([tokens]).ids(self._terms)

        ids = read_ends(len(pieces), read, n_first, n_last)
        return ids if len(ids) else np.array([BOUNDARY], np.int32)

    @property
    def _has_own_preprocessing(self) -> bool:
        return self.settings["preprocessor"] is None and self.settings["strip_accents"] is None

    def tokenize(self, texts: list[str]) -> list[list[str]]:
        """Return the tokens of each text, including unknown ones."""
        return self.split(texts).lists()

    def decode(self, sequences: Ragged, unknown: list[str] | None = None) -> list[str]:
        """Return the text of each row of ids, without padding and boundaries.

        `unknown` has the text of each unknown token.
        """
        terms = np.array(["", self.unknown_mark, "", *self.vocabulary], dtype=object)[sequences.ids]
        if unknown is not None:
            terms[sequences.ids == UNKNOWN] = unknown
        rows = pairwise(sequences.offsets.tolist())
        return [self.join([term for term in terms[start:stop] if term]) for start, stop in rows]

    def preprocess(self, texts: list[str]) -> list[str]:
        """Return texts in lower case, without accents and so on, as the parameters say."""
        preprocessed: list[Any] = list(map(self._preprocessor, texts))
        for text in preprocessed:
            if not isinstance(text, str):
                name = "strip_accents" if self.settings["preprocessor"] is None else "preprocessor"
                raise TypeError(
                    f"The {name} function must return a str. Got {text!r} of {type(text).__name__}."
                )
        return [text if text.isascii() else without_lone_surrogates(text) for text in preprocessed]

    @cached_property
    def _preprocessor(self) -> Callable[[str], str]:
        if self.settings["preprocessor"] is not None:
            return self.settings["preprocessor"]
        lowercase, strip_accents = self.settings["lowercase"], self.settings["strip_accents"]
        strip = {"ascii": strip_accents_ascii, "unicode": strip_accents_unicode}.get(
            strip_accents, strip_accents
        )

        def preprocess(text: str) -> str:
            if lowercase:
                text = text.lower()
            if text.isascii():  # it has no accents, but a function of the user may change it
                return strip(text) if callable(strip_accents) else text
            text = normalize("NFC", sort_marks(text))
            return text if strip is None else strip(sort_marks(text, "NFKD"))

        return preprocess


class WordAnalyzer(Analyzer):
    """analyzer="word": words by `token_pattern` or `tokenizer`."""

    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the words of texts."""
        preprocessed, tokenizer = self.preprocess(texts), self.settings["tokenizer"]
        if tokenizer is not None:
            return split_by_function(tokenizer, preprocessed, "tokenizer")
        return self._splitter.split(preprocessed)

    @property
    def cuts_texts(self) -> bool:
        """Whether nothing of the user sees the text, neither a function nor a pattern."""
        is_default = self.settings["tokenizer"] is None and self.settings["token_pattern"] is None
        return is_default and self._has_own_preprocessing

    def iterate(self, text: str) -> Iterable[str]:
        """Return the words of a text one by one."""
        (preprocessed,), tokenizer = self.preprocess([text]), self.settings["tokenizer"]
        if tokenizer is not None:
            return checked_tokens(tokenizer, preprocessed, "tokenizer")
        return self._splitter.iterate(preprocessed)

    def ignored_parameters(self) -> tuple[list[str], str]:
        """Return the names of the parameters that have no effect, and the reason."""
        return ["token_pattern"] if self.settings["tokenizer"] is not None else [], "tokenizer is given"

    @cached_property
    def _splitter(self) -> WordSplitter:
        return WordSplitter(self.settings["token_pattern"])


class CharAnalyzer(Analyzer):
    """analyzer="char": single characters; if they are only read, a run of white space is one space."""

    unknown_mark = "\ufffd"

    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the characters of texts."""
        preprocessed = self.preprocess(texts)
        if self.spacing is None:
            preprocessed = [_SPACES.sub(" ", text) for text in preprocessed]
        return CharTokens.from_texts(preprocessed)

    @property
    def cuts_texts(self) -> bool:
        """Whether no function of the user sees the text."""
        return self._has_own_preprocessing

    def iterate(self, text: str) -> Iterable[str]:
        """Return the characters of a text."""
        (preprocessed,) = self.preprocess([text])
        return _SPACES.sub(" ", preprocessed) if self.spacing is None else preprocessed

    def join(self, tokens: list[str]) -> str:
        """Return the text of characters."""
        return "".join(tokens)

    def learn_spacing(self, texts: list[str]) -> Spacing:
        """Return nothing: white space is a character."""
        return {}


class SubwordAnalyzer(Analyzer):
    """analyzer="subword": frequent runs of bytes, by byte-pair encoding."""

    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the sub-words of texts."""
        encoded = self.encode(texts)
        pieces = self._byte_pairs.decode_each(encoded.ids)
        rows = (pieces[start:stop] for start, stop in pairwise(encoded.offsets.tolist()))
        return StringTokens.from_lists([[piece for piece in row if piece] for row in rows])

    def fit(self, texts: list[str], *, min_df: Any, vocab_size: int | None, vocabulary: Any) -> Ragged:
        """Learn the sub-words and return the ids of the texts."""
        if vocabulary is not None:
            raise ValueError(
                "vocabulary cannot be given with analyzer='subword', which learns its own. Leave it at None."
            )
        if vocab_size is not None and vocab_size < N_BYTES + N_SPECIAL:
            raise ValueError(
                f"vocab_size must be at least {N_BYTES + N_SPECIAL} with analyzer='subword': one id for "
                f"each byte and the {N_SPECIAL} reserved ids. Got {vocab_size} instead."
            )
        parts = [self._parts(text) for text in texts]
        if not any(part.strip() for row in parts for part in row):
            raise ValueError("No text has a token: all texts are empty or blank (empty vocabulary).")
        min_frequency = int(min_df) if isinstance(min_df, Integral) else 1
        pairs = BytePairs.train(chain.from_iterable(parts), vocab_size, min_frequency=min_frequency)
        self._byte_pairs, self.merges, self._terms = pairs, pairs.merges, TermIds(pairs.vocabulary())
        return pairs.encode(parts)

    def encode_whole(self, texts: list[str]) -> Ragged:
        """Return the ids of texts; an empty text has the boundary id."""
        return self._byte_pairs.encode(map(self._parts, texts))

    def encode_ends(self, text: str, n_first: int, n_last: int) -> np.ndarray:
        """Return the first and the last ids of a long text; read only the parts that have them."""
        pieces = self._pieces(text)

        def read(i: int) -> np.ndarray:
            parts = self._parts_of_piece(pieces[i], is_first=i == 0)
            return read_ends(
                len(parts), lambda j: self._byte_pairs.encode([parts[j : j + 1]]).ids, n_first, n_last
            )

        return read_ends(len(pieces), read, n_first, n_last)

    def _parts(self, text: str) -> list[str]:
        """Return a preprocessed text in parts that are encoded one by one."""
        pieces = enumerate(self._pieces(text))
        return [part for i, piece in pieces for part in self._parts_of_piece(piece, is_first=i == 0)]

    def _parts_of_piece(self, piece: str, *, is_first: bool) -> list[str]:
        (text,) = self.preprocess([piece])
        if is_first and text and not text.startswith(" "):
            text = f" {text}"  # the first word of a text has the same sub-words as the other words
        return cut(text, MAX_PART)

    @property
    def cuts_texts(self) -> bool:
        """Whether no function of the user sees the text."""
        return self._has_own_preprocessing

    def decode(self, sequences: Ragged, unknown: list[str] | None = None) -> list[str]:
        """Return the text of each row of ids, without padding and boundaries; no sub-word is unknown."""
        rows = pairwise(sequences.offsets.tolist())
        return [self._byte_pairs.decode(sequences.ids[start:stop]).strip() for start, stop in rows]

    def learn_spacing(self, texts: list[str]) -> Spacing:
        """Return nothing: spaces are parts of sub-words."""
        return {}

    @cached_property
    def _byte_pairs(self) -> BytePairs:
        return BytePairs(self.merges or "")


class CallableAnalyzer(Analyzer):
    """A function as analyzer: it takes the unchanged text, of any type, and returns its tokens."""

    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the tokens that the function finds in texts."""
        return split_by_function(self.settings["analyzer"], texts, "analyzer")

    def preprocess(self, texts: list[str]) -> list[str]:
        """Return the texts unchanged."""
        return texts

    def iterate(self, text: str) -> Iterable[str]:
        """Return the tokens that the function finds in a text."""
        return checked_tokens(self.settings["analyzer"], text, "analyzer")

    def _is_long(self, text: Any) -> bool:
        return not isinstance(text, str) or super()._is_long(text)  # other objects may have any length

    def ignored_parameters(self) -> tuple[list[str], str]:
        """Return the names of the parameters that have no effect, and the reason."""
        return ["preprocessor", "strip_accents", "tokenizer", "token_pattern"], "analyzer is a callable"


ANALYZERS: dict[str, type[Analyzer]] = {
    "word": WordAnalyzer,
    "char": CharAnalyzer,
    "subword": SubwordAnalyzer,
}


def analyzer_class(analyzer: Any) -> type[Analyzer]:
    """Return the class for a value of the `analyzer` parameter: a key of `ANALYZERS` or a callable."""
    if callable(analyzer):
        return CallableAnalyzer
    if not isinstance(analyzer, str) or analyzer not in ANALYZERS:
        raise ValueError(
            f"The analyzer parameter must be one of {', '.join(map(repr, ANALYZERS))} or a callable. Got "
            f"{analyzer!r} instead."
        )
    return ANALYZERS[analyzer]
