"""Recurrent neural networks for text behind the scikit-learn API: Keras trains, NumPy serves.

The flow, a file a stage: ``tokens`` (text to ids), ``vectors`` (pretrained embeddings), then the network of
a ``spec``, trained by ``network`` and ``training`` (Keras) and computed by ``forward`` (NumPy), to the
``heads`` that say what a vector means. The estimators differ in that last stage only.
"""

from skrnn.classifier import RNNTextClassifier
from skrnn.encoder import RNNTextEncoder
from skrnn.regressor import RNNTextRegressor
from skrnn.seq2seq import RNNTextSeq2Seq
from skrnn.storage.estimators import load, save
from skrnn.text.cooccurrence import train_vectors
from skrnn.text.vectors import WordVectors

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
