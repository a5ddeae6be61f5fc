"""Warnings of data that a network cannot learn from: texts that are cut, tokens that are unknown.

They are of the category :class:`sklearn.exceptions.DataConversionWarning`, because texts become ids in a way
that the user may not expect.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
from sklearn.exceptions import DataConversionWarning

from skrnn.ragged import N_SPECIAL, UNKNOWN, Ragged

MAX_CUT = 1 / 3  # share of the training texts that may be truncated without a warning
MIN_UNKNOWN, MAX_UNKNOWN = 30, 0.6  # unknown tokens of a call: their least number and their share
MIN_RARE, MAX_RARE = 100, 0.8  # words that occur once, among all words of the training texts
MAX_RUNS = 1 / 3  # share of the words that are whole sentences
# Eight letters and more of a script that puts no spaces between words: Chinese, Japanese, Thai, Lao, Tibetan,
# Burmese, Khmer. Hardly any word of these is as long.
_RUN = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]{8}"
)
_REMEDY = 'Set analyzer="char" or "subword", or pass a tokenizer that splits this language into words.'


def warn_of_truncation(
    lengths: np.ndarray, length: int, *, owner: str, name: str = "texts", parameter: str = "sequence_length"
) -> None:
    """Warn if many training texts are longer than the default length.

    Parameters
    ----------
    lengths : ndarray of int of shape (n_texts,)
        Number of tokens of each text.
    length : int
        Number of tokens that are read.
    owner : str
        Class name of the estimator.
    name : str, default="texts"
        What the texts are, for the message.
    parameter : str, default="sequence_length"
        The parameter that sets the length.
    """
    n_cut = int((lengths > length).sum())
    if n_cut > MAX_CUT * len(lengths):
        warnings.warn(
            f"{owner} reads {length} tokens of a text, and {n_cut} of the {len(lengths)} {name} are longer. "
            f"The longest has {int(lengths.max())} tokens. Set {parameter}, for example to "
            f"{int(np.ceil(np.quantile(lengths, 0.95)))}, to read more, or to {length} to keep it.",
            DataConversionWarning,
            stacklevel=3,
        )


def warn_of_unknown(n_unknown: int, n_tokens: int, *, owner: str) -> None:
    """Warn if most tokens are not in the vocabulary.

    Parameters
    ----------
    n_unknown, n_tokens : int
        Number of unknown tokens, and of all tokens.
    owner : str
        Class name of the estimator.
    """
    if n_unknown >= MIN_UNKNOWN and n_unknown > MAX_UNKNOWN * n_tokens:
        warnings.warn(
            f"{n_unknown / n_tokens:.0%} of the {n_tokens} tokens are not in the vocabulary of this {owner}: "
            "it sees them as one unknown token. Fit it on texts of the same language and kind. If words "
            'are rarely repeated, set analyzer="char" or "subword".',
            DataConversionWarning,
            stacklevel=3,
        )


def count_unknown(ids: np.ndarray) -> int:
    """Return the number of unknown tokens."""
    return int(np.count_nonzero(ids == UNKNOWN))


def warn_of_unsplit(texts: list[str], sequences: Ragged, vocabulary: dict[str, int], *, owner: str) -> None:
    """Warn if hardly any word of the training texts will be found in another text.

    Either a word is a whole sentence, in a script without spaces, or nearly every word occurs only once.

    Parameters
    ----------
    texts : list of str
        Training texts.
    sequences : Ragged
        Their ids.
    vocabulary : dict of str to int
        Terms and their ids.
    owner : str
        Class name of the estimator.
    """
    # a callable analyzer also reads objects that have no hash
    places = {text if isinstance(text, str) else i: i for i, text in enumerate(texts)}
    distinct = np.array(list(places.values()))
    ids = sequences.take(distinct).ids if len(distinct) < len(texts) else sequences.ids
    counts = np.bincount(ids, minlength=len(vocabulary) + N_SPECIAL)
    is_word = np.array([any(map(str.isalnum, term)) for term in vocabulary], bool)
    is_run = np.array([bool(_RUN.search(term)) for term in vocabulary], bool)
    n_unknown, counts = int(counts[UNKNOWN]), counts[N_SPECIAL:]
    n_words = n_unknown + int(counts[is_word].sum())
    n_rare = n_unknown + int((is_word & (counts == 1)).sum())
    n_runs = int(counts[is_run].sum())
    if n_runs > MAX_RUNS * n_words:
        n, problem = n_runs, "are whole sentences, in a script that puts no spaces between words"
    elif n_rare >= MIN_RARE and n_rare > MAX_RARE * n_words:
        n, problem = n_rare, "occur only once or are unknown, so few will be known in another text"
    else:
        return
    warnings.warn(
        f"{n / n_words:.0%} of the {n_words} words of the training texts of {owner} {problem}. {_REMEDY}",
        DataConversionWarning,
        stacklevel=3,
    )
