"""The weights of a network: their names, their shapes, and their values before training."""

from __future__ import annotations

import numpy as np

from skrnn.serve.cell import Shapes
from skrnn.serve.cells import CELLS
from skrnn.serve.decoders import token_head_width
from skrnn.serve.layers import layer_class
from skrnn.serve.pooling import POOLINGS, pooled_width, vector_width
from skrnn.serve.seq2seq import DECODERS, context_width
from skrnn.spec import EMBEDDING, IMPORTANCE, Spec, Weights
from skrnn.targets import HEADS

__all__ = ["context_width", "head_width", "initial_weights", "vector_width", "weight_shapes"]

CELL_NAMES = ("forward_", "backward_", "decoder")  # how the names of cells begin


def head_width(spec: Spec) -> int:
    """Return the width of what the output layer reads."""
    return token_head_width(spec) if HEADS[spec.head].predicts_ids else vector_width(spec)


def weight_shapes(spec: Spec) -> Shapes:
    """Return the name and the shape of every weight of a network.

    Parameters
    ----------
    spec : Spec
        The network.

    Returns
    -------
    shapes : dict of str to tuple of int
        In the order of the five stages.

    Examples
    --------
    >>> from skrnn.serve.weights import weight_shapes
    >>> from skrnn.spec import Spec
    >>> weight_shapes(Spec(n_ids=9, embedding_dim=4, layer="simple_rnn", rnn_units=3))
    ... # doctest: +NORMALIZE_WHITESPACE
    {'embedding/embeddings': (9, 4), 'forward_0/kernel': (4, 3),
     'forward_0/recurrent_kernel': (3, 3), 'forward_0/bias': (3,)}
    """
    shapes: Shapes = {EMBEDDING: (spec.n_ids, spec.embedding_dim)}
    shapes |= layer_class(spec).weight_shapes(spec)
    shapes |= POOLINGS[spec.pooling].weight_shapes(spec.state_width)
    if spec.weighted_mean:
        shapes[IMPORTANCE] = (spec.n_ids, 1)
    if spec.n_components:
        shapes["projection/kernel"] = (pooled_width(spec), spec.n_components)
        shapes["projection/bias"] = (spec.n_components,)
    if not HEADS[spec.head].has_outputs:
        return shapes
    predicts_ids = HEADS[spec.head].predicts_ids
    if predicts_ids:
        shapes |= DECODERS[spec.head].weight_shapes(spec)
    if not (predicts_ids and spec.tied_embeddings):
        shapes["head/kernel"] = (head_width(spec), spec.n_outputs)
    shapes["head/bias"] = (spec.n_outputs,)
    if spec.ngram_range is not None:
        shapes |= {"ngrams/hashes": (spec.n_ngrams,), "ngrams/idf": (spec.n_ngrams,)}
        shapes |= {"ngrams/kernel": (spec.n_ngrams, spec.n_outputs), "ngrams/bias": (spec.n_outputs,)}
        shapes["ngrams/factor"] = (1,)
    return shapes


def initial_weights(spec: Spec, rng: np.random.Generator) -> Weights:
    """Draw the weights that a training starts from.

    Kernels are Glorot uniform (Glorot & Bengio 2010), recurrent kernels orthogonal (Saxe et al. 2013),
    embeddings uniform in [-0.05, 0.05], and biases zero, except that of the forget gate of an LSTM, which is
    one. These are the choices of the Keras layers. They are drawn here so that every backend starts from the
    same numbers and no global random state is read. The embeddings of "seq2seq" are six times as large.

    Parameters
    ----------
    spec : Spec
        The network.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    weights : dict of str to ndarray of float32
    """
    return {name: _draw(name, shape, spec, rng) for name, shape in weight_shapes(spec).items()}


def _draw(name: str, shape: tuple[int, ...], spec: Spec, rng: np.random.Generator) -> np.ndarray:
    kind = name.rpartition("/")[2]
    if kind == "embeddings":
        # with 0.05, a decoder with tied embeddings learns to attend late: 1.5 nats an id behind (multi30k)
        return _uniform(0.3 if spec.head == "seq2seq" else 0.05, shape, rng)
    if kind == "recurrent_kernel":
        return _orthogonal(shape, rng)
    if kind.endswith("gamma"):
        return np.ones(shape, np.float32)
    if kind == "gain":
        return np.full(shape, 0.1, np.float32)
    if kind.endswith("kernel") or kind in ("query", "context"):
        return _uniform(np.sqrt(6.0 / (shape[0] + shape[-1])), shape, rng)
    if name.startswith(CELL_NAMES):
        return CELLS[spec.cell].initial_bias(shape)
    return np.zeros(shape, np.float32)


def _uniform(limit: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    rows, columns = max(shape), min(shape)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    q *= np.sign(np.diag(r))  # makes the draw uniform over the orthogonal matrices
    return np.ascontiguousarray(q if shape[0] == rows else q.T, dtype=np.float32)
