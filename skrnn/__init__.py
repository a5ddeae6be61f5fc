"""Recurrent neural networks for text behind the scikit-learn API: Keras trains, NumPy serves.

A text passes through five stages. ``skrnn.text`` splits it into tokens and ids (stages 1 and 2), and
``skrnn.serve`` computes the hidden states, one vector and the answer (stages 3 to 5) for a network that a
``Spec`` and arrays describe. ``skrnn.fitting`` prepares a training, ``skrnn.train`` runs it with Keras. The
estimators differ in stage 5: what the vector is used for.
"""

from skrnn.classifier import RNNTextClassifier
from skrnn.encoder import RNNTextEncoder
from skrnn.regressor import RNNTextRegressor
from skrnn.saving import load, save
from skrnn.seq2seq import RNNTextSeq2Seq
from skrnn.text import WordVectors, train_vectors

__all__ = [
    "RNNTextClassifier",
    "RNNTextEncoder",
    "RNNTextRegressor",
    "RNNTextSeq2Seq",
    "WordVectors",
    "load",
    "save",
    "train_vectors",
]
__version__ = "0.1.0"
