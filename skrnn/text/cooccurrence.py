"""Vectors of words made from texts, by the company words keep: neighbours counted, weighed, compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text.columns import check_texts
from skrnn.text.tokens import Tokens
from skrnn.text.vectors import WordVectors

SCALE = 0.3  # standard deviation of vectors that a training starts from well
_PAIRS = 10_000_000  # pairs of neighbours counted at a time


def train_vectors(
    texts: Iterable[str],
    *,
    dim: int = 128,
    window: int = 5,
    analyzer: Any = "word",
    lowercase: bool = True,
    strip_accents: Any = None,
    preprocessor: Callable[[str], str] | None = None,
    tokenizer: Callable[[str], list[str]] | None = None,
    token_pattern: str | None = None,
    min_df: float = 1,
    vocab_size: int | None = 20000,
    vocabulary: Any = None,
    random_state: Any = None,
) -> WordVectors:
    """Make vectors of words from texts: words are alike that stand among the same words.

    They are for the `embeddings` of an estimator that has few labelled texts where there are many without
    labels. See :func:`cooccurrence_vectors` for how they are
    made.

    Parameters
    ----------
    texts : iterable of str
        Texts of the domain; they need no labels.
    dim : int, default=128
        Width of a vector.
    window : int, default=5
        Farthest neighbour that counts; one at distance k counts 1 / k.
    analyzer, lowercase, strip_accents, preprocessor, tokenizer, token_pattern, min_df, vocabulary
        As of the estimators, and best the same as of the one that gets the vectors.
    vocab_size : int or None, default=20000
        The most rows of an embedding made of the vectors: the most frequent words and three special rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the decomposition; the same int gives the same vectors.

    Returns
    -------
    vectors : WordVectors
        The most frequent word first; all values together have a standard deviation of 0.3.

    Raises
    ------
    TypeError
        If `texts` is no collection of texts.
    ValueError
        If `dim` or `window` is no int of 1 or more, or no text has a token.

    Examples
    --------
    >>> from skrnn import train_vectors
    >>> vectors = train_vectors(["a red car", "a blue car", "the red bus", "the blue bus"], dim=2)
    >>> vectors
    WordVectors(6 words, dim=2)
    """
    for name, value in (("dim", dim), ("window", window)):
        if not _is_positive_int(value):
            raise ValueError(
                f"The {name} parameter of train_vectors must be an int >= 1. Got {value!r} instead."
            )
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31 - 1)
    tokens, sequences = Tokens.fit(
        check_texts(texts, owner="train_vectors", name="texts"),
        analyzer=analyzer,
        lowercase=lowercase,
        strip_accents=strip_accents,
        preprocessor=preprocessor,
        tokenizer=tokenizer,
        token_pattern=token_pattern,
        min_df=min_df,
        vocab_size=vocab_size,
        vocabulary=vocabulary,
    )
    rng = np.random.default_rng(random_state)
    matrix = cooccurrence_vectors(sequences, tokens.n_ids, int(dim), rng, window=int(window))
    return WordVectors(tokens.vocabulary, matrix[N_SPECIAL:])


def cooccurrence_vectors(
    sequences: Ragged, n_ids: int, dim: int, rng: np.random.Generator, *, window: int = 5
) -> np.ndarray:
    """Return vectors of ids such that ids are alike that have the same neighbours.

    A neighbour at distance k counts 1 / k [1]_. Of the counts n(w, c) the positive pointwise mutual
    information ``max(0, log(n(w, c) sum_c' n(c')^0.75 / (n(w) n(c)^0.75)))`` is taken [2]_, and of its
    truncated singular value decomposition U S V' the rows of ``U sqrt(S)`` [3]_.

    Parameters
    ----------
    sequences : Ragged
        Ids of the texts.
    n_ids : int
        How many there are.
    dim : int
        Width of a vector; what the decomposition does not fill is zero.
    rng : numpy.random.Generator
        Seeds the decomposition, which is a randomised one [4]_.
    window : int, default=5
        Farthest neighbour that counts.

    Returns
    -------
    vectors : ndarray of float32 of shape (n_ids, dim)
        Of a standard deviation of 0.3; zero for the special ids and for ids without neighbours.

    References
    ----------
    .. [1] Pennington, Socher & Manning (2014). GloVe: Global Vectors for Word Representation. EMNLP.
    .. [2] Levy, Goldberg & Dagan (2015). Improving Distributional Similarity with Lessons Learned from Word
       Embeddings. TACL 3.
    .. [3] Levy & Goldberg (2014). Neural Word Embedding as Implicit Matrix Factorization. NeurIPS.
    .. [4] Halko, Martinsson & Tropp (2011). Finding Structure with Randomness. SIAM Review 53.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.text.cooccurrence import cooccurrence_vectors
    >>> from skrnn.text.tokens import Tokens
    >>> tokens, sequences = Tokens.fit(["a red car", "a blue car", "the red bus", "the blue bus"])
    >>> vectors = cooccurrence_vectors(sequences, tokens.n_ids, 2, np.random.default_rng(0))
    >>> vectors.shape, np.flatnonzero((vectors == 0).all(axis=1)).tolist()
    ((9, 2), [0, 1, 2])
    """
    information = _information(_neighbours(sequences, n_ids, window))
    out = np.zeros((n_ids, dim), np.float32)
    rank = min(dim, n_ids - N_SPECIAL)
    if information.nnz == 0:
        return out
    u, s, _ = randomized_svd(information, rank, n_iter=3, random_state=int(rng.integers(2**31)))
    out[:, :rank] = u * np.sqrt(s)
    out[np.diff(information.indptr) == 0] = 0  # where rounding errors would be all there is
    spread = out[out.any(axis=1)].std()
    return out * np.float32(SCALE / spread) if spread > 0 else out


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)


def _information(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Return the positive pointwise mutual information of counts, float32 of their shape."""
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    smoothed = totals**0.75
    row = np.repeat(np.arange(len(totals), dtype=np.int32), np.diff(counts.indptr))
    ratio = counts.data / totals[row]
    ratio *= smoothed.sum() / smoothed[counts.indices]
    positive = ratio > 1
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[positive], minlength=len(totals)))])
    values = np.log(ratio[positive]).astype(np.float32)
    return sp.csr_matrix((values, counts.indices[positive], indptr), shape=counts.shape)


def _neighbours(sequences: Ragged, n_ids: int, window: int) -> sp.csr_matrix:
    """Return how often ids stand near each other, (n_ids, n_ids) float64, symmetric."""
    ids, offsets = sequences.ids, sequences.offsets
    text = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    special = np.flatnonzero(ids < N_SPECIAL)
    text[special] = -1 - np.arange(len(special), dtype=np.int32)  # each in a text of its own: no neighbours
    counts = sp.csr_matrix((n_ids, n_ids))
    n_tokens = max(1, _PAIRS // window)
    for start in range(0, len(ids), n_tokens):
        left, right, weight = [], [], []
        for k in range(1, window + 1):
            end = max(start, min(start + n_tokens, len(ids) - k))
            near = np.flatnonzero(text[start:end] == text[start + k : end + k]) + start
            left.append(ids[near])
            right.append(ids[near + k])
            weight.append(np.full(len(near), 1.0 / k))
        places = (np.concatenate(left), np.concatenate(right))
        counts += sp.csr_matrix((np.concatenate(weight), places), shape=counts.shape)
    return (counts + counts.T).tocsr()
