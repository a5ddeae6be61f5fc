"""The linear part over n-grams: which n-grams it knows, how it is fitted, and how it joins the network.

The linear part is fitted by scikit-learn before the network is trained. Neither sees the other. Their outputs
are added, which is a weighted geometric mean of their probabilities (Mesnil et al. 2015 combine a recurrent
language model and n-grams in this way). The sum is less confident and more often right than either.

The logistic regression penalises the weights of n-grams that say little about the classes more than those of
others: each n-gram is multiplied by the root of its log-count ratio. Wang and Manning (2012) multiply by the
ratio itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from skrnn.ragged import Ragged
from skrnn.serve import MAX_SIZE, NGrams, ngram_hashes
from skrnn.spec import Weights
from skrnn.targets import Classification, Head, Regression
from skrnn.threads import one_blas_thread

MIN_DF = 2  # texts in which an n-gram of several tokens must occur; most others never occur again
C = 10.0  # inverse strength of the L2 penalty of the logistic regression
TOL = 1e-5  # of the solver; the probabilities then differ by less than 0.001
BLOCK = 2**20  # tokens whose n-grams are counted at a time, which bounds the memory
N_FOLDS = 3  # that tell how much n-grams explain, if there are few texts
ALPHA = 0.5  # strength of the L2 penalty of the ridge regression


def frequent_ngrams(sequences: Ragged, ngram_range: tuple[int, int], n_outputs: int) -> Weights:
    """Return the n-grams that training texts share, as weights of the linear part.

    Parameters
    ----------
    sequences : Ragged
        Ids of the training texts.
    ngram_range : (int, int)
        Smallest and largest number of tokens of an n-gram.
    n_outputs : int
        Number of outputs of the head.

    Returns
    -------
    weights : dict of str to ndarray of float32
        The sorted hashes, their inverse document frequencies, a kernel and a bias of zeros, and a factor of
        one for the outputs of the network. With fewer than 1,000 texts, single tokens count more: each
        further token of an n-gram lowers its value, down to a half.
    """
    blocks = [_document_frequencies(block, ngram_range) for block in _blocks(sequences)]
    found, df, size = blocks[0]
    if len(blocks) > 1:
        hashes, counts, sizes = map(np.concatenate, zip(*blocks, strict=True))
        found, places = np.unique(hashes, return_inverse=True)
        df = np.bincount(places, counts).astype(np.int64)
        size = np.full(len(found), MAX_SIZE)
        np.minimum.at(size, places, sizes)
    kept = (df >= MIN_DF) | (size == 1)
    idf = np.log((1 + len(sequences)) / (1 + df[kept])) + 1
    idf *= (0.5 + 0.5 * _evidence(len(sequences))) ** (size[kept] - 1)
    return {
        "ngrams/hashes": found[kept].astype(np.float32),
        "ngrams/idf": idf.astype(np.float32),
        "ngrams/kernel": np.zeros((len(idf), n_outputs), np.float32),
        "ngrams/bias": np.zeros(n_outputs, np.float32),
        "ngrams/factor": np.ones(1, np.float32),
    }


def _evidence(n_texts: int) -> float:
    """Return how much n-grams of several tokens and log-count ratios can be trusted.

    It is 0 with 100 texts or fewer and 1 with 1,000 or more.
    """
    return float(np.clip(np.log10(n_texts / 100), 0, 1))


def _blocks(sequences: Ragged) -> Iterator[Ragged]:
    """Yield texts with about `BLOCK` tokens at a time."""
    begins = np.arange(0, max(sequences.offsets[-1], 1), BLOCK)
    rows = np.unique(np.searchsorted(sequences.offsets[:-1], begins))
    for first, last in pairwise([*rows[rows < len(sequences)], len(sequences)]):
        yield sequences.take(np.arange(first, last))


def _document_frequencies(
    sequences: Ragged, ngram_range: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the hashes of n-grams, in how many texts each occurs, and its number of tokens."""
    rows, hashes, sizes = ngram_hashes(sequences, ngram_range)
    found, first, places = np.unique(hashes, return_index=True, return_inverse=True)
    pairs = np.unique(rows * len(found) + places)  # each n-gram once per text
    return found, np.bincount(pairs % len(found), minlength=len(found)), sizes[first]


def fit_ngrams(
    head: Head,
    ngram_range: tuple[int, int],
    ngrams: Weights,
    sequences: Ragged,
    targets: np.ndarray,
    sample_weight: np.ndarray,
) -> Weights:
    """Fit the linear part.

    Parameters
    ----------
    head : Head
        What the network learns.
    ngram_range : (int, int)
        Smallest and largest number of tokens of an n-gram.
    ngrams : dict of str to ndarray of float32
        The n-grams, from :func:`frequent_ngrams`.
    sequences : Ragged
        Ids of the training texts.
    targets : ndarray
        Their encoded targets.
    sample_weight : ndarray of float32 of shape (n_samples,)
        Their weights.

    Returns
    -------
    ngrams : dict of str to ndarray of float32
        The n-grams with their fitted weights, and the factor of the outputs of the network.
    """
    idf = ngrams["ngrams/idf"]
    features = NGrams(ngram_range, ngrams).features(sequences)
    features.data *= idf[features.indices]
    normalize(features, copy=False)
    n_texts = int(np.count_nonzero(sample_weight))
    sample_weight = sample_weight * (n_texts / sample_weight.sum())  # their unit does not change the penalty
    fit = _ridge if isinstance(head, Regression) else _logistic
    with one_blas_thread():  # so that the weights do not depend on the number of threads
        kernel, bias = fit(features, targets, sample_weight, head.n_outputs)
        confidence = _confidence(head, features, targets, sample_weight)
    of_network, of_ngrams = (factor * confidence for factor in factors(head, n_texts))
    fitted = {"kernel": kernel * idf[:, None] * of_ngrams, "bias": bias * of_ngrams, "factor": [of_network]}
    return ngrams | {f"ngrams/{name}": np.asarray(value, np.float32) for name, value in fitted.items()}


def factors(head: Head, n_texts: int) -> tuple[float, float]:
    """Return the factors of the outputs of the network and of the linear part.

    They are constants of the package, found on inner splits of nine data sets with 100 to 23,000 texts
    (benchmarks/README.md). The network gains weight with the number of texts that it has learned from. For
    classes the factors sum to 0.9, because the parts are too confident.
    """
    if isinstance(head, Regression):
        return 0.5, 0.6
    of_network = float(np.clip(0.12 + 0.15 * np.log10(n_texts / 100), 0.1, 0.5))
    return of_network, 0.9 - of_network


def _confidence(head: Head, X: sparse.csr_matrix, targets: np.ndarray, weights: np.ndarray) -> float:
    """Return the factor of the sum of both parts.

    With 1,000 texts or more it is 1. With fewer, it grows with the share of the log-loss that n-grams explain
    in three held-out folds: the outputs of a sum that explains little must be small. It does not change which
    class is the most probable.
    """
    counted = np.flatnonzero(weights)  # texts of weight zero are as good as absent
    trust = _evidence(len(counted))
    if trust == 1 or not isinstance(head, Classification) or len(counted) < N_FOLDS:
        return 1.0
    losses = np.zeros(2)
    nothing = sparse.csr_matrix((X.shape[0], 1), dtype=X.dtype)  # from which only the bias is learned
    for rows in KFold(N_FOLDS, shuffle=True, random_state=0).split(counted):
        train, test = (counted[part] for part in rows)
        for i, features in enumerate((X, nothing)):
            kernel, bias = _logistic(features[train], targets[train], weights[train], head.n_outputs)
            losses[i] += weights[test] @ head.losses(features[test] @ kernel + bias, targets[test])
    explained = max(0.0, 1 - losses[0] / losses[1])
    return trust + (1 - trust) * (0.5 + 1.1 * explained ** (1 / 3))


def _ridge(
    X: sparse.csr_matrix, targets: np.ndarray, weights: np.ndarray, n_outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (n_ngrams, n_outputs) and the bias of a ridge regression."""
    model = Ridge(alpha=ALPHA).fit(X, targets, weights)
    return model.coef_.reshape(n_outputs, -1).T, np.reshape(model.intercept_, n_outputs)


def _logistic(
    X: sparse.csr_matrix, targets: np.ndarray, weights: np.ndarray, n_outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (n_ngrams, n_outputs) and the bias of a logistic regression.

    Targets of shape (n_samples,) are classes that exclude each other; the columns of a matrix do not.
    """
    if targets.ndim == 2:
        columns = [_logistic(X, column, weights, 1) for column in targets.T]
        kernels, biases = zip(*columns, strict=True)
        return np.hstack(kernels), np.concatenate(biases)
    kernel, bias = np.zeros((X.shape[1], n_outputs)), np.zeros(n_outputs)
    if len(np.unique(targets)) < 2:
        return kernel, bias
    scale = _log_count_ratio(X, targets, weights)
    scaled = X.copy()
    scaled.data *= scale[X.indices]
    model = LogisticRegression(C=C, tol=TOL, max_iter=1000, solver="newton-cg").fit(scaled, targets, weights)
    coef, intercept = model.coef_ * scale, model.intercept_
    if n_outputs == 1:
        return coef.T, intercept
    if len(coef) == 1:  # two classes have one logit
        coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    bias[:] = intercept.min()  # of classes that only held-out texts have
    columns = model.classes_.astype(int)
    kernel[:, columns], bias[columns] = coef.T, intercept
    return kernel, bias


def _log_count_ratio(X: sparse.csr_matrix, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the root of the log-count ratio of each n-gram, (n_ngrams,).

    For a class, the ratio is the logarithm of the share of the n-gram among all n-grams in its texts,
    divided by its share in other texts. The classes are combined by the root of the mean of the squares. With
    fewer than 1,000 texts, a lower power than the root is taken, because the shares are uncertain.
    """
    of_class = (targets[:, None] == np.unique(targets)) * weights[:, None]
    inside = X.sign().T @ of_class
    outside = inside.sum(axis=1, keepdims=True) - inside
    shares = [(counts + 1) / (counts + 1).sum(axis=0) for counts in (inside, outside)]
    ratio = np.log(shares[0] / shares[1])
    power = 0.5 * _evidence(int(np.count_nonzero(weights)))
    return ((ratio**2).mean(axis=1) ** (power / 2)).astype(np.float32)
