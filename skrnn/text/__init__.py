"""Stages 1 and 2: texts to tokens, tokens to ids, and vectors for words. No Keras, no network."""

from skrnn.text.analyzers import ANALYZERS
from skrnn.text.columns import check_texts, column_name
from skrnn.text.cooccurrence import cooccurrence_vectors, train_vectors
from skrnn.text.target_columns import as_matrix, check_labels, check_one_column, check_targets
from skrnn.text.tokens import Tokens
from skrnn.text.vectors import WordVectors, vectors_of_terms
from skrnn.text.words import WordSplitter

__all__ = [
    "ANALYZERS",
    "Tokens",
    "WordSplitter",
    "WordVectors",
    "as_matrix",
    "check_labels",
    "check_one_column",
    "check_targets",
    "check_texts",
    "column_name",
    "cooccurrence_vectors",
    "train_vectors",
    "vectors_of_terms",
]
