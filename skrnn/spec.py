"""The waist of the package: what a network is, as plain values.

A :class:`Spec` and a dictionary ``{name: array}`` say everything about a trained network. The Keras half
builds a ``keras.Model`` from them, the NumPy half computes with them, files hold them.

Sizes have the same letters everywhere: b rows of a batch, t steps, d embedding_dim, u rnn_units,
g gates of the cell (1, 3 or 4), w width of a state (u, or 2 u for two directions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Weights = dict[str, np.ndarray]
Layer = Literal["simple_rnn", "gru", "lstm", "self_attention"]
Activation = Literal["tanh", "relu", "sigmoid", "linear"]
Pooling = Literal["last", "mean", "max", "attention", "concat"]
Attention = Literal["general", "additive"]
Frozen = Literal["nothing", "embedding", "encoder"]
Head = Literal["none", "softmax", "sigmoid", "linear", "autoencoder", "language_model", "seq2seq"]

LAYERS, ACTIVATIONS, POOLINGS = get_args(Layer), get_args(Activation), get_args(Pooling)
ATTENTIONS = get_args(Attention)
TOKEN_HEADS: tuple[Head, ...] = ("autoencoder", "language_model")  # they predict ids, text is the target
N_GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
EPSILON = 1e-5  # added to the variances of self-attention


@dataclass(frozen=True)
class Spec:
    """Everything that fixes the shape and the arithmetic of a network.

    Parameters
    ----------
    n_ids : int
        Rows of the embedding: terms and special tokens.
    embedding_dim : int
        Columns of the embedding.
    layer : {"simple_rnn", "gru", "lstm", "self_attention"}
        The recurrent cell, or self-attention in its place.
    rnn_units : int
        Units of a cell, per direction; width of the states of self-attention.
    rnn_activation : {"tanh", "relu", "sigmoid", "linear"}
        The f of ``h_t = f(W x_t + U h_{t-1} + b)``, or of the feed-forward network of self-attention.
    n_layers : int
        Layers, one on top of the other.
    bidirectional : bool
        Whether a second cell reads each layer's input from the end, or self-attention looks ahead.
    pooling : {"last", "mean", "max", "attention", "concat"}
        How the states of a text become one vector; "concat" is last, mean and max side by side.
    n_components : int or None
        Width of the linear layer after pooling; None for no such layer.
    activation : {"tanh", "relu", "sigmoid", "linear"}
        Activation of that linear layer.
    head : {"none", "softmax", "sigmoid", "linear", "autoencoder", "language_model", "seq2seq"}
        Stage 5, what the vector is decoded to.
    n_outputs : int
        Columns of the head; for "seq2seq" the ids of the target side.
    dropout : float
        Share of embedding values and of vector values set to zero in training.
    recurrent_dropout : float
        Share of state values set to zero in training, inside the cell; of self-attention, of what is added
        to a state.
    noise : float
        Share of the ids that an autoencoder does not get to see in training; the others are moved a little.
    frozen : {"nothing", "embedding", "encoder"}
        What training leaves as it is; "encoder" is the embedding and the layers that read it.
    attention : {"general", "additive"} or None
        How the decoder of "seq2seq" looks at the states of the source; None for the vector alone.
    tied_embeddings : bool
        Whether the head of "seq2seq" is the target embedding, transposed, and that of "autoencoder" and
        "language_model" the embedding (Press & Wolf 2017).
    n_heads : int
        Heads of self-attention; they share `rnn_units`.
    """

    n_ids: int
    embedding_dim: int
    layer: Layer
    rnn_units: int
    rnn_activation: Activation = "tanh"
    n_layers: int = 1
    bidirectional: bool = False
    pooling: Pooling = "last"
    n_components: int | None = None
    activation: Activation = "tanh"
    head: Head = "none"
    n_outputs: int = 0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    noise: float = 0.0
    frozen: Frozen = "nothing"
    attention: Attention | None = None
    tied_embeddings: bool = True
    n_heads: int = 4

    @property
    def directions(self) -> tuple[str, ...]:
        """The names of the cells of one layer."""
        return ("forward", "backward") if self.bidirectional else ("forward",)

    @property
    def state_width(self) -> int:
        """Width of the sequence encoding H."""
        return self.rnn_units * (1 if self.layer == "self_attention" else len(self.directions))

    @property
    def cell(self) -> str:
        """The recurrent cell, of decoders too: self-attention reads, a GRU writes."""
        return "gru" if self.layer == "self_attention" else self.layer

    @property
    def pooled_width(self) -> int:
        """Width of the pooled states."""
        return self.state_width * (3 if self.pooling == "concat" else 1)

    @property
    def vector_width(self) -> int:
        """Width of the encoding of a text."""
        return self.n_components or self.pooled_width

    @property
    def head_width(self) -> int:
        """Width of what the head is applied to."""
        if self.predicts_ids:
            return self.embedding_dim if self.tied_embeddings else self.rnn_units
        return self.vector_width

    @property
    def predicts_ids(self) -> bool:
        """Whether the head gives the probabilities of ids, from the states of a cell."""
        return self.head == "seq2seq" or self.head in TOKEN_HEADS

    @property
    def context_width(self) -> int:
        """Width of what the decoder of "seq2seq" sees of the source at a step."""
        return self.state_width if self.attention else self.vector_width


def cell_shapes(spec: Spec, name: str, input_width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one cell's weights, in the layout of the Keras layers."""
    gates = N_GATES[spec.cell] * spec.rnn_units
    return {
        f"{name}/kernel": (input_width, gates),
        f"{name}/recurrent_kernel": (spec.rnn_units, gates),
        f"{name}/bias": (2, gates) if spec.cell == "gru" else (gates,),
    }


def weight_shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every weight of a network.

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
    >>> from skrnn.spec import Spec, weight_shapes
    >>> weight_shapes(Spec(n_ids=9, embedding_dim=4, layer="simple_rnn", rnn_units=3))
    ... # doctest: +NORMALIZE_WHITESPACE
    {'embedding/embeddings': (9, 4), 'forward_0/kernel': (4, 3),
     'forward_0/recurrent_kernel': (3, 3), 'forward_0/bias': (3,)}
    """
    shapes: dict[str, tuple[int, ...]] = {"embedding/embeddings": (spec.n_ids, spec.embedding_dim)}
    if spec.layer == "self_attention":
        shapes |= _attention_shapes(spec)
    for level in range(0 if spec.layer == "self_attention" else spec.n_layers):
        width = spec.state_width if level else spec.embedding_dim
        for direction in spec.directions:
            shapes |= cell_shapes(spec, f"{direction}_{level}", width)
    w = spec.state_width
    if spec.pooling == "attention":
        shapes |= {"pooling/kernel": (w, w), "pooling/bias": (w,), "pooling/context": (w,)}
    if spec.n_components:
        shapes["projection/kernel"] = (spec.pooled_width, spec.n_components)
        shapes["projection/bias"] = (spec.n_components,)
    if spec.head == "autoencoder":
        shapes |= cell_shapes(spec, "decoder", spec.embedding_dim + spec.vector_width)
    if spec.head == "seq2seq":
        shapes |= _decoder_shapes(spec)
    if spec.head in TOKEN_HEADS and spec.tied_embeddings:
        shapes |= {"combine/kernel": (spec.rnn_units, spec.head_width), "combine/bias": (spec.head_width,)}
    if spec.head != "none" and not (spec.predicts_ids and spec.tied_embeddings):
        shapes["head/kernel"] = (spec.head_width, spec.n_outputs)
    if spec.head != "none":
        shapes["head/bias"] = (spec.n_outputs,)
    return shapes


def _attention_shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the layers of self-attention."""
    w = spec.rnn_units
    shapes: dict[str, tuple[int, ...]] = {
        "positions/kernel": (spec.embedding_dim, w),
        "positions/bias": (w,),
        "positions/gain": (w,),
    }
    for level in range(spec.n_layers):
        linear = {"heads": (w, 3 * w), "mix": (w, w), "in": (w, 4 * w), "out": (4 * w, w)}
        for part, shape in linear.items():
            shapes |= {f"block_{level}/{part}_kernel": shape, f"block_{level}/{part}_bias": shape[1:]}
        for part in ("attend", "feed"):
            shapes |= {f"block_{level}/{part}_gamma": (w,), f"block_{level}/{part}_beta": (w,)}
    return shapes | {"norm/gamma": (w,), "norm/beta": (w,)}


def frequencies(width: int) -> np.ndarray:
    """Return what positions are multiplied by to be told apart by sines and cosines, (ceil(w / 2),)."""
    half = (width + 1) // 2
    return (10000.0 ** (-np.arange(half) / half)).astype(np.float32)


def _decoder_shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a decoder that starts from the vector and looks at a context at each step."""
    u, w, c = spec.rnn_units, spec.state_width, spec.context_width
    shapes: dict[str, tuple[int, ...]] = {
        "target_embedding/embeddings": (spec.n_outputs, spec.embedding_dim),
        "bridge/kernel": (spec.vector_width, spec.n_layers * u),
        "bridge/bias": (spec.n_layers * u,),
    }
    for level in range(spec.n_layers):
        shapes |= cell_shapes(spec, f"decoder_{level}", u + c if level else spec.embedding_dim)
    if spec.attention:
        shapes["attention/kernel"] = (w, u)
    if spec.attention == "additive":
        shapes |= {"attention/query": (u, u), "attention/context": (u,)}
    return shapes | {"combine/kernel": (u + c, spec.head_width), "combine/bias": (spec.head_width,)}


def initial_weights(spec: Spec, rng: np.random.Generator) -> Weights:
    """Draw the weights a training starts from.

    Kernels are Glorot uniform (Glorot & Bengio 2010), recurrent kernels orthogonal (Saxe et al. 2013),
    embeddings uniform in [-0.05, 0.05], biases zero but for the forget gate of the LSTM, which is one
    (Jozefowicz et al. 2015): the choices of the Keras layers, drawn here so that every backend starts
    from the same numbers and no global random state is touched. The embeddings of "seq2seq" are six times as
    large.

    Parameters
    ----------
    spec : Spec
        The network.
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    weights : dict of str to ndarray of float32
    """
    return {name: _draw(name, shape, spec, rng) for name, shape in weight_shapes(spec).items()}


def _draw(name: str, shape: tuple[int, ...], spec: Spec, rng: np.random.Generator) -> np.ndarray:
    kind = name.rpartition("/")[2]
    if kind == "embeddings":
        # a decoder tied to an embedding so small learns its attention late: 1.5 nats an id behind (multi30k)
        limit = 0.3 if spec.head == "seq2seq" else 0.05
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    if kind == "recurrent_kernel":
        return _orthogonal(shape, rng)
    if kind.endswith("gamma"):
        return np.ones(shape, np.float32)
    if kind == "gain":
        return np.full(shape, 0.1, np.float32)
    if kind.endswith("kernel") or kind in ("query", "context"):
        limit = np.sqrt(6.0 / (shape[0] + shape[-1]))
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    bias = np.zeros(shape, np.float32)
    if spec.layer == "lstm" and name.startswith(("forward", "backward", "decoder")):
        bias[spec.rnn_units : 2 * spec.rnn_units] = 1.0
    return bias


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    rows, columns = max(shape), min(shape)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    q *= np.sign(np.diag(r))  # makes the draw uniform over the orthogonal matrices
    return np.ascontiguousarray(q if shape[0] == rows else q.T, dtype=np.float32)
