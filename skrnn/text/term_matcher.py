"""Matching of vocabulary terms with the words of a set of vectors, which may differ in case."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class TermMatcher:
    """Finds for each term the word whose vector it takes.

    The best match is the term itself, then its lower-case form, then the
    first word that differs from the term in case only. The words come one
    by one, so that a large file is read once and never held in memory.

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

    _NO_MATCH = 3  # the ranks of a match: 0 the same, 1 the lower-case form, 2 another case

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = list(terms)
        self._ranks = [self._NO_MATCH] * len(self._terms)
        self._positions: dict[str, list[int]] = {}  # lower-case form -> positions of its terms
        for i, term in enumerate(self._terms):
            self._positions.setdefault(term.lower(), []).append(i)

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
        lowered = word.lower()
        improved = []
        for i in self._positions.get(lowered, ()):
            rank = 0 if word == self._terms[i] else 1 if word == lowered else 2
            if rank < self._ranks[i]:
                self._ranks[i] = rank
                improved.append(i)
        return improved

    @property
    def found(self) -> np.ndarray:
        """Whether a word matches, for each term: bool of shape (n_terms,)."""
        return np.array(self._ranks, dtype=np.int8) < self._NO_MATCH
