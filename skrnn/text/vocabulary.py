"""The terms of a vocabulary: learned from texts or given by the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from numbers import Integral
from typing import Any

import numpy as np

from skrnn.ragged import N_SPECIAL
from skrnn.text.tokenized_texts import TokenizedTexts


def frequent_terms(texts: TokenizedTexts, min_df: Any, vocab_size: int | None) -> list[str]:
    """Return the most frequent tokens of texts.

    Parameters
    ----------
    texts : TokenizedTexts
        Training texts.
    min_df : int or float
        Minimum number of texts that contain a term, or their share if it is
        a float.
    vocab_size : int or None
        Maximum number of ids, including the three reserved ids. None means
        no limit.

    Returns
    -------
    terms : list of str
        In the order of falling frequency; terms of equal frequency are in
        the order of their code points.

    Raises
    ------
    ValueError
        If no text has a token, or no term is in enough texts.
    """
    counts = texts.counts()
    if not counts:
        raise ValueError(
            "No text has a token: all texts are empty or blank, or token_pattern matches nothing in them "
            "(empty vocabulary)."
        )
    n_texts = len(texts.lengths)
    min_texts = int(min_df) if isinstance(min_df, Integral) else int(np.ceil(min_df * n_texts))
    if min_texts > 1:
        document_counts = texts.document_counts()
        counts = {term: n for term, n in counts.items() if document_counts[term] >= min_texts}
        if not counts:
            raise ValueError(
                f"No term is in {min_texts} or more of the {n_texts} texts: after pruning, no terms remain. "
                f"Try a lower min_df. Got min_df={min_df}."
            )
    terms = sorted(counts, key=lambda term: (-counts[term], term))
    return terms if vocab_size is None else terms[: vocab_size - N_SPECIAL]


def given_terms(vocabulary: Iterable[str] | Mapping[str, int]) -> list[str]:
    """Check a vocabulary that the user gives, and return its terms in the order of their ids.

    Parameters
    ----------
    vocabulary : iterable of str or mapping of str to int
        Terms, or terms and their order. A set is sorted.

    Returns
    -------
    terms : list of str

    Raises
    ------
    TypeError
        If a term is not a str or its index is not an int.
    ValueError
        If there is no term, or a term or an index is repeated.
    """
    if isinstance(vocabulary, Mapping):
        if not all(isinstance(index, Integral) for index in vocabulary.values()):
            raise TypeError("vocabulary must map each term to an int, or be a list of terms.")
        terms = sorted(vocabulary, key=lambda term: vocabulary[term])
        if len(set(vocabulary.values())) < len(terms):
            raise ValueError("vocabulary must map each term to a different index. Some are repeated.")
    else:
        terms = sorted(vocabulary) if isinstance(vocabulary, Set) else list(vocabulary)
    if not terms:
        raise ValueError("vocabulary must have at least one term. Got an empty vocabulary.")
    wrong = [term for term in terms if not isinstance(term, str)]
    if wrong:
        raise TypeError(f"vocabulary must hold terms as str. Got {wrong[0]!r} of {type(wrong[0]).__name__}.")
    repeated = [term for term, n in Counter(terms).items() if n > 1]
    if repeated:
        raise ValueError(f"vocabulary must not repeat a term. Got a Duplicate term: {repeated[0]!r}.")
    return [str(term) for term in terms]
