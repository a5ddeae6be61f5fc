"""An encoder that needs no training: a random network beside means of word vectors, on one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.serve import Forward, n_threads
from skrnn.serve.pooling import pooled_width
from skrnn.spec import EMBEDDING, IMPORTANCE, Spec, Weights
from skrnn.threads import one_blas_thread

RARE = 3e-3  # share of the tokens at which the weight of an id is one half
STATES = 7.0  # divided by the mean number of tokens: length of the pooled states beside a mean of length 1
MAX_STATES = 0.75  # maximum of this length
MAX_WIDTH = 8192  # of an encoding; the projection has the square of it, so wider networks stay as they are
MAX_TEXTS = 10_000  # texts from which means and scales are computed


def untrained(
    spec: Spec, weights: Weights, sequences: Ragged, rng: np.random.Generator
) -> tuple[Spec, Weights]:
    """Return a network whose encodings group similar texts, although it is not trained.

    An encoding has two parts: the pooled states of the random layers [1]_, and the mean of the embeddings
    of a text, where an id that makes up a share f of all tokens has the weight ``a / (a + f)`` [2]_. Each
    part is centred and scaled to a mean length: 1 for the mean, and less for the states of longer texts,
    whose order says less about them. The columns of the mean keep the weight that they have in the
    embedding. With `n_components`, the principal components of both parts follow. All of this is one
    linear layer, the projection. A network whose encodings would be wider than 8,192 is returned unchanged.

    Parameters
    ----------
    spec : Spec
        A network without a head.
    weights : dict of str to ndarray
        Its weights.
    sequences : Ragged
        Ids of the training texts.
    rng : numpy.random.Generator
        Draws the texts from which means and scales are computed, if there are more than 10,000.

    Returns
    -------
    spec : Spec
        The network with the mean of embeddings and a projection.
    weights : dict of str to ndarray
        Its weights.

    References
    ----------
    .. [1] Wieting & Kiela (2019). No Training Required: Exploring Random Encoders for Sentence
       Classification. ICLR.
    .. [2] Arora, Liang & Ma (2017). A Simple but Tough-to-Beat Baseline for Sentence Embeddings. ICLR.
    """
    if pooled_width(replace(spec, weighted_mean=True)) > MAX_WIDTH:
        return spec, weights
    counts = np.bincount(sequences.ids, minlength=spec.n_ids)
    importance = RARE / (RARE + counts / counts.sum())
    importance[:N_SPECIAL] = 0
    weights = weights | {IMPORTANCE: importance[:, None].astype(np.float32)}
    if len(sequences) > MAX_TEXTS:
        sequences = sequences.take(np.sort(rng.choice(len(sequences), MAX_TEXTS, replace=False)))
    bare = replace(spec, weighted_mean=True, n_components=None)
    vectors = Forward(bare, weights).encode(sequences, n_threads(None)).astype(np.float64)
    width = vectors.shape[1]
    columns = np.linalg.norm(weights[EMBEDDING], axis=0)
    length = min(MAX_STATES, STATES / sequences.lengths.mean())
    kernel, bias = _projection(vectors, length, columns, spec.n_components)
    weights |= {"projection/kernel": kernel, "projection/bias": bias}
    if spec.n_components is None:
        return replace(bare, n_components=width, activation="linear"), weights
    return replace(spec, weighted_mean=True), weights


@one_blas_thread()
def _projection(
    vectors: np.ndarray, length: float, columns: np.ndarray, n_components: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of the linear layer.

    The last columns of the vectors are means of embeddings and get the weights `columns`. Those before are
    pooled states and get a mean length.
    """
    mean = vectors.mean(axis=0)
    n_states = vectors.shape[1] - len(columns)
    scale = np.concatenate([np.ones(n_states), columns])
    for part, wanted in ((slice(n_states), length), (slice(n_states, None), 1.0)):
        found = np.linalg.norm(((vectors - mean) * scale)[:, part], axis=1).mean()
        scale[part] *= wanted / found if found > 0 else wanted
    kernel = np.diag(scale)
    if n_components is not None:
        centred = (vectors - mean) * scale
        directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]  # the largest variance first
        directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(len(scale))])
        kernel = np.zeros((len(scale), n_components))
        n = min(n_components, len(scale))
        kernel[:, :n] = scale[:, None] * directions[:, :n]
    return kernel.astype(np.float32), (-mean @ kernel).astype(np.float32)
