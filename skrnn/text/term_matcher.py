"""Matching of vocabulary terms with the words of a set of vectors, which may be written in another way."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import normalize

import numpy as np


class TermMatcher:
    """Finds for each term the word whose vector it takes.

    The best match is the term itself, then a word that Unicode calls
    canonically equivalent (the same letters as other code points, for
    example "é" as one or two), then the lower-case form, then a word that
    differs from the term in case only. Of several equally good words, the
    first is taken. The words come one by one, so that a large file is read
    once and never held in memory.

    Parameters
    ----------
    terms : iterable of str of length n_terms
        Terms, without repetitions.

    Examples
    --------
    >>> from skrnn.text.term_matcher import TermMatcher
    >>> matcher = TermMatcher(["USA", "usa", "Apple"])
    >>> matcher.match("Usa"), matcher.match("usa"), matcher.match("USA"), matcher.match("pear")
    ([0, 1], [0, 1], [0], [])
    >>> matcher.found
    array([ True,  True, False])
    """

    _NO_MATCH = 4  # ranks: 0 the same, 1 canonically equivalent, 2 the lower-case form, 3 another case

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = list(terms)
        self._composed = [_compose(term) for term in self._terms]
        self._ranks = [self._NO_MATCH] * len(self._terms)
        self._positions: dict[str, list[int]] = {}  # lower-case form -> positions of its terms
        for i, term in enumerate(self._composed):
            self._positions.setdefault(_compose(term.lower()), []).append(i)

    def match(self, word: str) -> list[int]:
        """Return the terms for which a word is a better match than all words before it.

        Parameters
        ----------
        word : str
            The next word.

        Returns
        -------
        positions : list of int
            Positions in `terms`.
        """
        composed = _compose(word)
        lowered = _compose(composed.lower())
        improved = []
        for i in self._positions.get(lowered, ()):
            if word == self._terms[i]:
                rank = 0
            elif composed == self._composed[i]:
                rank = 1
            else:
                rank = 2 if composed == lowered else 3
            if rank < self._ranks[i]:
                self._ranks[i] = rank
                improved.append(i)
        return improved

    @property
    def found(self) -> np.ndarray:
        """Whether a word matches, for each term: bool of shape (n_terms,)."""
        return np.array(self._ranks, dtype=np.int8) < self._NO_MATCH


def _compose(word: str) -> str:
    """Return the composed form (NFC), which is the same for all canonically equivalent words."""
    return word if word.isascii() else normalize("NFC", word)
