"""Stages 3 to 5 in NumPy: every prediction of a fitted estimator is computed here, without Keras."""

from skrnn.serve.batches import Packed, pack
from skrnn.serve.cell import ACTIVATE, Cell, HiddenStates, cell_weights
from skrnn.serve.cells import CELLS
from skrnn.serve.forward import Forward, check_names
from skrnn.serve.layers import LAYERS
from skrnn.serve.ngrams import FACTOR, MASK, MAX_SIZE, NGrams, ngram_hashes
from skrnn.serve.pooling import POOLINGS, Attention, Concat
from skrnn.serve.search import Rules, beam, greedy, sample
from skrnn.serve.self_attention import EPSILON, frequencies
from skrnn.serve.seq2seq import Seq2Seq
from skrnn.serve.weights import head_width, initial_weights, weight_shapes
from skrnn.serve.writing import Writer, corpus_score, text_metrics
from skrnn.threads import n_threads

__all__ = [
    "ACTIVATE",
    "CELLS",
    "EPSILON",
    "FACTOR",
    "LAYERS",
    "MASK",
    "MAX_SIZE",
    "POOLINGS",
    "Attention",
    "Cell",
    "Concat",
    "Forward",
    "HiddenStates",
    "NGrams",
    "Packed",
    "Rules",
    "Seq2Seq",
    "Writer",
    "beam",
    "cell_weights",
    "check_names",
    "corpus_score",
    "frequencies",
    "greedy",
    "head_width",
    "initial_weights",
    "n_threads",
    "ngram_hashes",
    "pack",
    "sample",
    "text_metrics",
    "weight_shapes",
]
