"""The waist of the package: the architecture of a network as plain values.

A :class:`Spec` and a dictionary ``{name: array}`` describe a trained network completely. Keras builds a model
from them (:mod:`skrnn.train`), NumPy computes predictions with them (:mod:`skrnn.serve`), and files store
them (:mod:`skrnn.storage`).

The same letters stand for the same sizes everywhere: b rows of a batch, t steps, d `embedding_dim`, u
`rnn_units`, g gates of a cell, w width of a hidden state (u, or 2 u for two directions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Weights = dict[str, np.ndarray]
EMBEDDING = "embedding/embeddings"  # the name of the first of them, (n_ids, d)
IMPORTANCE = "importance/embeddings"  # the weight of each id in the mean of embeddings, (n_ids, 1)
States = list[np.ndarray]  # of a layer or a decoder; their first axis is the rows of a batch
Step = Callable[[np.ndarray, States], tuple[np.ndarray, States]]  # last ids, states -> output, new states
Activation = Literal["tanh", "relu", "sigmoid", "linear"]
Attention = Literal["general", "additive"]
ACTIVATIONS, ATTENTIONS = get_args(Activation), get_args(Attention)


@dataclass(frozen=True)
class Spec:
    """Everything that fixes the shapes and the arithmetic of a network.

    Parameters
    ----------
    n_ids : int
        Number of rows of the embedding: the terms and the reserved ids.
    embedding_dim : int
        Number of columns of the embedding.
    layer : str
        A recurrent cell of :data:`skrnn.serve.cells.CELLS`, or "self_attention".
    rnn_units : int
        Units of a cell, per direction; for self-attention the width of the states.
    rnn_activation : {"tanh", "relu", "sigmoid", "linear"}
        Activation of the candidate state; for self-attention that of the feed-forward network.
    n_layers : int
        Number of stacked layers.
    bidirectional : bool
        Whether a second cell reads each text backwards; for self-attention, whether a token attends to
        later tokens.
    n_heads : int
        Attention heads of self-attention; they share `rnn_units`.
    pooling : str
        How the states of a text become one vector, see :data:`skrnn.serve.pooling.POOLINGS`.
    weighted_mean : bool
        Whether a weighted mean of the embeddings of a text stands beside its pooled states. Each id has a
        weight.
    n_components : int or None
        Width of the linear layer after pooling; None for no such layer.
    activation : {"tanh", "relu", "sigmoid", "linear"}
        Activation of that linear layer.
    head : str
        What stage 5 predicts, see :data:`skrnn.targets.HEADS`.
    n_outputs : int
        Number of columns of the head; for heads that predict token ids, the number of ids.
    attention : {"general", "additive"} or None
        How the decoder of "seq2seq" attends to the states of the source; None for the vector alone.
    ngram_range : (int, int) or None
        Smallest and largest number of tokens of the n-grams whose weights are added to the outputs of the
        head; None for no n-grams.
    n_ngrams : int
        Number of n-grams that have a weight.
    tied_embeddings : bool
        Whether a head that predicts token ids reuses the embedding of the tokens that it predicts (Press &
        Wolf 2017).
    """

    n_ids: int
    embedding_dim: int
    layer: str
    rnn_units: int
    rnn_activation: Activation = "tanh"
    n_layers: int = 1
    bidirectional: bool = False
    n_heads: int = 4
    pooling: str = "last"
    n_components: int | None = None
    activation: Activation = "tanh"
    head: str = "none"
    n_outputs: int = 0
    attention: Attention | None = None
    tied_embeddings: bool = True
    ngram_range: tuple[int, int] | None = None
    n_ngrams: int = 0
    weighted_mean: bool = False

    @property
    def is_recurrent(self) -> bool:
        """Whether the layer is a recurrent cell and not self-attention."""
        return self.layer != "self_attention"

    @property
    def cell(self) -> str:
        """The recurrent cell, also of decoders: with self-attention, the decoder is a GRU."""
        return self.layer if self.is_recurrent else "gru"

    @property
    def directions(self) -> tuple[str, ...]:
        """The names of the cells of one layer."""
        return ("forward", "backward") if self.bidirectional else ("forward",)

    @property
    def state_width(self) -> int:
        """Width of a hidden state of the top layer."""
        return self.rnn_units * (len(self.directions) if self.is_recurrent else 1)
