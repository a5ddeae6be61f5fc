"""Texts split into tokens: all tokens in one sequence, which is counted and numbered at once.

An analyzer chooses the class that fits its tokens: a list of str, a polars Series, or an array of code
points. polars is imported only when it is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain, pairwise, repeat
from typing import Any, NoReturn

import numpy as np

from skrnn.ragged import BOUNDARY, N_SPECIAL, UNKNOWN, Ragged


class TermIds:
    """Ids of the terms of a vocabulary.

    Parameters
    ----------
    vocabulary : dict of str to int
        Terms and their ids, in the order of the ids, which start at 3.
    """

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self.vocabulary = vocabulary

    @cached_property
    def enum(self) -> Any:
        """The terms as a polars Enum, which is slow to build and fast to look up."""
        return polars().Enum(list(self.vocabulary))


class TokenizedTexts(ABC):
    """Tokens of many texts, one text after the other.

    Parameters
    ----------
    tokens : sequence of length n_tokens
        Tokens of all texts.
    lengths : ndarray of int64 of shape (n_texts,)
        Number of tokens in each text.
    """

    def __init__(self, tokens: Any, lengths: np.ndarray) -> None:
        self.tokens, self.lengths = tokens, lengths

    @abstractmethod
    def strings(self) -> list[str]:
        """Return the tokens of all texts, one text after the other."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return how often each token occurs."""

    @abstractmethod
    def ids(self, terms: TermIds) -> np.ndarray:
        """Return the id of each token, an ndarray of int32 of shape (n_tokens,)."""

    def lists(self) -> list[list[str]]:
        """Return the tokens of each text."""
        strings, stops = self.strings(), np.cumsum(self.lengths).tolist()
        return [strings[start:stop] for start, stop in pairwise([0, *stops])]

    def document_counts(self) -> dict[str, int]:
        """Return in how many texts each token occurs."""
        return Counter(chain.from_iterable(map(set, self.lists())))

    def encode(self, terms: TermIds) -> Ragged:
        """Return the ids of the texts; a text without tokens has the boundary id."""
        return ragged_ids(self.ids(terms), self.lengths)


class StringTokens(TokenizedTexts):
    """Tokens as a list of str.

    Examples
    --------
    >>> from skrnn.text.tokenized_texts import StringTokens
    >>> texts = StringTokens.from_lists([["a", "cat"], [], ["a"]])
    >>> texts.tokens, texts.lengths.tolist()
    (['a', 'cat', 'a'], [2, 0, 1])
    >>> dict(texts.counts())
    {'a': 2, 'cat': 1}
    """

    @classmethod
    def from_lists(cls, lists: list[list[str]]) -> StringTokens:
        """Return the texts whose tokens are given as one list per text."""
        return cls(list(chain.from_iterable(lists)), np.fromiter(map(len, lists), np.int64, len(lists)))

    def strings(self) -> list[str]:
        """Return the tokens of all texts, one text after the other."""
        return self.tokens

    def counts(self) -> dict[str, int]:
        """Return how often each token occurs."""
        return Counter(self.tokens)

    def ids(self, terms: TermIds) -> np.ndarray:
        """Return the id of each token."""
        ids = map(terms.vocabulary.get, self.tokens, repeat(UNKNOWN))
        return np.fromiter(ids, np.int32, len(self.tokens))


class PolarsTokens(TokenizedTexts):
    """Tokens as a polars Series, which uses all cores: for large corpora."""

    def strings(self) -> list[str]:
        """Return the tokens of all texts, one text after the other."""
        return self.tokens.to_list()

    def counts(self) -> dict[str, int]:
        """Return how often each token occurs."""
        return dict(self.tokens.value_counts().iter_rows())

    def ids(self, terms: TermIds) -> np.ndarray:
        """Return the id of each token."""
        enum, pl = terms.enum, polars()
        codes = evaluate_in_parallel(self.tokens, lambda token: token.cast(enum, strict=False).to_physical())
        return codes.cast(pl.Int32).fill_null(UNKNOWN - N_SPECIAL).to_numpy() + np.int32(N_SPECIAL)


class CharTokens(TokenizedTexts):
    """Tokens that are single characters, as an array of their code points.

    Examples
    --------
    >>> from skrnn.text.tokenized_texts import CharTokens
    >>> CharTokens.from_texts(["ab", "c"]).lists()
    [['a', 'b'], ['c']]
    """

    @classmethod
    def from_texts(cls, texts: list[str]) -> CharTokens:
        """Return the characters of texts, which must not contain lone surrogates."""
        code_points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
        return cls(code_points, np.fromiter(map(len, texts), np.int64, len(texts)))

    def strings(self) -> list[str]:
        """Return the tokens of all texts, one text after the other."""
        return list(map(chr, self.tokens))

    def counts(self) -> dict[str, int]:
        """Return how often each token occurs."""
        code_points, counts = np.unique(self.tokens, return_counts=True)
        return dict(zip(map(chr, code_points.tolist()), counts.tolist(), strict=True))

    def ids(self, terms: TermIds) -> np.ndarray:
        """Return the id of each token."""
        code_points, inverse = np.unique(self.tokens, return_inverse=True)
        ids = (terms.vocabulary.get(chr(code), UNKNOWN) for code in code_points.tolist())
        return np.fromiter(ids, np.int32, len(code_points))[inverse]


def ragged_ids(ids: np.ndarray, lengths: np.ndarray) -> Ragged:
    """Return the ids of texts as Ragged; a text without ids gets the boundary id.

    Parameters
    ----------
    ids : ndarray of int of shape (n_tokens,)
        Ids of all texts, one text after the other.
    lengths : ndarray of int64 of shape (n_texts,)
        Number of ids of each text.

    Returns
    -------
    sequences : Ragged
    """
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        ids = np.insert(ids, np.cumsum(lengths)[empty], BOUNDARY)
        lengths = np.maximum(lengths, 1)
    return Ragged.from_lengths(np.ascontiguousarray(ids, dtype=np.int32), lengths)


def polars() -> Any:
    """Return the module polars, imported at the first call: it takes long to import."""
    import polars

    return polars


def evaluate_in_parallel(series: Any, expression: Callable[[Any], Any]) -> Any:
    """Evaluate a polars expression on a Series, one slice per core.

    Parameters
    ----------
    series : polars.Series
        Values.
    expression : callable
        Takes a ``polars.Expr`` that stands for the values and returns the
        expression to evaluate.

    Returns
    -------
    result : polars.Series
    """
    pl = polars()
    size = max(1, -(-len(series) // pl.thread_pool_size()))
    slices = [series.slice(i, size).alias("values") for i in range(0, max(1, len(series)), size)]
    frames = pl.collect_all([pl.LazyFrame([part]).select(expression(pl.col("values"))) for part in slices])
    return pl.concat([frame.to_series() for frame in frames])


def split_by_function(function: Callable[[Any], Any], texts: list[Any], name: str) -> StringTokens:
    """Return the tokens that a function of the user finds in each text, or raise a TypeError."""
    return StringTokens.from_lists([list(checked_tokens(function, text, name)) for text in texts])


def checked_tokens(function: Callable[[Any], Any], text: Any, name: str) -> Iterable[str]:
    """Return the tokens that a function of the user finds in one text, or raise a TypeError."""
    tokens = function(text)
    if isinstance(tokens, str) or not isinstance(tokens, Iterable):
        raise TypeError(
            f"The {name} function must return a list of str. Got {tokens!r} of {type(tokens).__name__}."
        )
    return (token if isinstance(token, str) else _refuse_token(token, name) for token in tokens)


def _refuse_token(token: Any, name: str) -> NoReturn:
    raise TypeError(
        f"The {name} function must return tokens as str. Got {token!r} of {type(token).__name__}."
    )
