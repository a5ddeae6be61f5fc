"""Stage 5 in NumPy: a linear part over the n-grams of a text, beside the recurrent network.

An n-gram is a run of token ids. The n-grams that training has seen have a row each; others are ignored. A
text has one feature for each of its n-grams, however often it occurs: the inverse document frequency of the
n-gram, divided by the Euclidean norm of all features of the text, as
:class:`~sklearn.feature_extraction.text.TfidfVectorizer` computes it with ``binary=True``. The outputs of the
head are multiplied by a factor, and a weighted sum of the features is added to them.
:class:`skrnn.train.layers.NGrams` is the same in Keras.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from skrnn.ragged import Ragged
from skrnn.serve.batches import over_batches
from skrnn.spec import Weights

FACTOR = 10368889  # odd, and near 2^24 divided by the golden ratio: hashes of frequent n-grams lie far apart
HASH_BITS = 24  # float32, the type of all weights, holds such integers exactly
MASK = 2**HASH_BITS - 1
MAX_SIZE = 1000  # tokens of an n-gram, which bounds the work of a prediction
MAX_ROWS = 4096  # of a batch


def ngram_hashes(
    sequences: Ragged, ngram_range: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the n-grams of texts.

    The hash of the ids a, b, c is ``(((a f) + b) f + c) f`` modulo 2^24, with f = `FACTOR`.

    Parameters
    ----------
    sequences : Ragged
        Ids of the texts.
    ngram_range : (int, int)
        Smallest and largest number of tokens of an n-gram.

    Returns
    -------
    rows : ndarray of int64 of shape (n,)
        The text of each n-gram.
    hashes : ndarray of int32 of shape (n,)
        Its hash.
    sizes : ndarray of int64 of shape (n,)
        Its number of tokens.
    """
    ids = sequences.ids.astype(np.int32, copy=False)
    row = np.repeat(np.arange(len(sequences)), sequences.lengths)
    h = np.zeros_like(ids)
    rows, hashes, sizes = [row[:0]], [h[:0]], [row[:0]]
    for size in range(1, min(ngram_range[1], len(ids)) + 1):
        last = slice(size - 1, None)
        h = (h[: len(ids) - size + 1] + ids[last]) * np.int32(FACTOR)  # overflows; the last 24 bits are right
        if size >= ngram_range[0]:
            whole = row[: len(h)] == row[last]  # the first and the last token are in one text
            rows.append(row[last][whole])
            hashes.append(h[whole] & MASK)
            sizes.append(np.full(len(rows[-1]), size))
    return np.concatenate(rows), np.concatenate(hashes), np.concatenate(sizes)


class NGrams:
    """The n-grams that have a weight.

    Parameters
    ----------
    ngram_range : (int, int)
        Smallest and largest number of tokens of an n-gram.
    weights : dict of str to ndarray of float32
        "ngrams/hashes", sorted, and "ngrams/idf", the inverse document frequencies, of shape (n_ngrams,).
        "ngrams/kernel", of shape (n_ngrams, n_outputs), has rows that are multiplied by them already;
        "ngrams/bias" has shape (n_outputs,).
    """

    def __init__(self, ngram_range: tuple[int, int], weights: Weights) -> None:
        self.ngram_range, self.weights = ngram_range, weights
        hashes = weights["ngrams/hashes"].astype(np.int32)
        self._hashes = np.append(hashes, np.int32(2**HASH_BITS))
        # The first bits of a hash tell where its search begins: at most a few places too early.
        bits = min(max(4 * len(hashes), 2).bit_length(), HASH_BITS)
        self._shift = HASH_BITS - bits
        slots = np.arange(2**bits + 1) << self._shift
        self._begin = np.searchsorted(hashes, slots).astype(np.int32)
        self._longest = int(np.diff(self._begin).max())  # n-grams that begin with the same bits

    def features(self, sequences: Ragged) -> sparse.csr_matrix:
        """Return which n-grams each text has.

        Parameters
        ----------
        sequences : Ragged
            Ids of the texts.

        Returns
        -------
        features : csr_matrix of float32 of shape (n_samples, n_ngrams)
            1 for each n-gram of a text.
        """
        rows, hashes, _ = ngram_hashes(sequences, self.ngram_range)
        places = self._begin[hashes >> self._shift]
        for _ in range(self._longest - 1):
            places += self._hashes[places] < hashes
        known = self._hashes[places] == hashes
        n_ngrams = len(self._hashes) - 1
        keys = rows[known] * n_ngrams + places[known]
        keys.sort()
        new = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=new[1:])  # an n-gram counts once per text
        rows, columns = np.divmod(keys[new], max(n_ngrams, 1))
        offsets = np.searchsorted(rows, np.arange(len(sequences) + 1))
        ones = np.ones(len(columns), np.float32)
        return sparse.csr_matrix((ones, columns, offsets), (len(sequences), n_ngrams))

    def scaled(self, sequences: Ragged) -> sparse.csr_matrix:
        """Return the features of each text, divided by the norm of their inverse document frequencies."""
        features = self.features(sequences)
        norm = np.sqrt(features @ self.weights["ngrams/idf"] ** 2)
        features.data /= np.repeat(np.where(norm > 0, norm, 1), np.diff(features.indptr))
        return features

    def outputs(self, sequences: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return what the n-grams of texts add to the outputs of the head.

        Parameters
        ----------
        sequences : Ragged
            Ids of the texts.
        n_jobs : int, default=1
            Number of threads. The result does not depend on it.

        Returns
        -------
        outputs : ndarray of float32 of shape (n_samples, n_outputs)
        """
        kernel, bias = self.weights["ngrams/kernel"], self.weights["ngrams/bias"]
        outputs = np.empty((len(sequences), kernel.shape[1]), np.float32)

        def work(rows: np.ndarray) -> None:
            outputs[rows] = self.scaled(sequences.take(rows)) @ kernel + bias

        over_batches(work, sequences.lengths, n_jobs, MAX_ROWS)
        return outputs
