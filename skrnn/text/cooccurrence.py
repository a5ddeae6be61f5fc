"""Word vectors learned from texts without labels, by counting which words occur near each other."""

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
from skrnn.threads import one_blas_thread

STANDARD_DEVIATION = 0.3  # of the values of all vectors; training starts well from it
PAIRS_PER_CHUNK = 10_000_000  # pairs of neighbours counted at once; limits the memory


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
    """Learn word vectors from texts without labels.

    Words that occur near the same words get similar vectors. Pass the
    vectors to `embeddings` of an estimator if there are few labelled texts
    but many texts without labels. :func:`cooccurrence_vectors` describes the
    method.

    Parameters
    ----------
    texts : iterable of str
        Texts of the same domain.
    dim : int, default=128
        Number of values of a vector.
    window : int, default=5
        Maximum distance between two neighbours. A neighbour at distance k
        counts 1 / k.
    analyzer, lowercase, strip_accents, preprocessor, tokenizer, token_pattern, min_df, vocabulary
        As in the estimators. Use the same values as for the estimator that
        takes the vectors.
    vocab_size : int or None, default=20000
        Number of the most frequent words that get a vector, plus three, as
        in the estimators. None means all words.
    random_state : int, RandomState instance or None, default=None
        Seed of the decomposition. The same int leads to the same vectors.

    Returns
    -------
    vectors : WordVectors
        Vectors, the one of the most frequent word first. All values together
        have a standard deviation of 0.3.

    Raises
    ------
    TypeError
        If `texts` is not a collection of texts.
    ValueError
        If `dim` or `window` is not an int of at least 1, `analyzer` is
        unknown, or no text has a token.

    See Also
    --------
    WordVectors : Reads vectors from a file.

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
        check_texts(texts, owner="train_vectors", name="texts", any_type=callable(analyzer)),
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
    """Return vectors that are similar for ids that have the same neighbours.

    n(w, c) counts how often w and c occur near each other; a neighbour at
    distance k counts 1 / k [1]_. The counts become positive pointwise mutual
    information ``max(0, log(n(w, c) sum_c' n(c')^0.75 / (n(w) n(c)^0.75)))``
    [2]_. With its truncated singular value decomposition U S V', the vectors
    are the rows of ``U sqrt(S)`` [3]_.

    Parameters
    ----------
    sequences : Ragged
        Ids of the texts.
    n_ids : int
        Number of ids, including the three reserved ids.
    dim : int
        Number of values of a vector. Dimensions beyond the number of terms
        are zero.
    rng : numpy.random.Generator
        Seeds the decomposition, which is randomised [4]_.
    window : int, default=5
        Maximum distance between two neighbours.

    Returns
    -------
    vectors : ndarray of float32 of shape (n_ids, dim)
        Vectors with a standard deviation of 0.3; zero for the reserved ids
        and for ids without neighbours.

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
    information = _positive_pmi(_neighbour_counts(sequences, n_ids, window))
    vectors = np.zeros((n_ids, dim), np.float32)
    rank = min(dim, n_ids - N_SPECIAL)
    if information.nnz == 0:
        return vectors
    with one_blas_thread():  # LAPACK's results depend on the number of threads
        u, s, _ = randomized_svd(information, rank, n_iter=3, random_state=int(rng.integers(2**31)))
    vectors[:, :rank] = u * np.sqrt(s)
    vectors[np.diff(information.indptr) == 0] = 0  # ids without neighbours, whose rows hold rounding errors
    spread = vectors[vectors.any(axis=1)].std()
    return vectors * np.float32(STANDARD_DEVIATION / spread) if spread > 0 else vectors


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)


def _positive_pmi(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Return the positive pointwise mutual information of counts, float32 of the same shape."""
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    smoothed = totals**0.75
    row = np.repeat(np.arange(len(totals), dtype=np.int32), np.diff(counts.indptr))
    ratio = counts.data / totals[row]
    ratio *= smoothed.sum() / smoothed[counts.indices]
    positive = ratio > 1
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[positive], minlength=len(totals)))])
    values = np.log(ratio[positive]).astype(np.float32)
    return sp.csr_matrix((values, counts.indices[positive], indptr), shape=counts.shape)


def _neighbour_counts(sequences: Ragged, n_ids: int, window: int) -> sp.csr_matrix:
    """Return how often ids occur near each other, (n_ids, n_ids) float64, symmetric."""
    ids = sequences.ids
    text = np.repeat(np.arange(len(sequences), dtype=np.int32), sequences.lengths)  # of each id
    reserved = np.flatnonzero(ids < N_SPECIAL)
    text[reserved] = -1 - np.arange(len(reserved), dtype=np.int32)  # a text of its own: it has no neighbours
    counts = sp.csr_matrix((n_ids, n_ids))
    n_tokens = max(1, PAIRS_PER_CHUNK // window)
    for start in range(0, len(ids), n_tokens):
        left, right, weights = [], [], []
        for k in range(1, window + 1):
            end = max(start, min(start + n_tokens, len(ids) - k))
            pairs = np.flatnonzero(text[start:end] == text[start + k : end + k]) + start
            left.append(ids[pairs])
            right.append(ids[pairs + k])
            weights.append(np.full(len(pairs), 1.0 / k))
        coordinates = (np.concatenate(left), np.concatenate(right))
        counts += sp.csr_matrix((np.concatenate(weights), coordinates), shape=counts.shape)
    return (counts + counts.T).tocsr()
