"""The constructor parameters: each default, constraint and description once."""

from skrnn.compat import NON_NEGATIVE
from skrnn.parameters.declaration import SHARE, estimator, parameter
from skrnn.parameters.decoding import PretrainedParameters, Seq2SeqParameters, WritingParameters
from skrnn.parameters.network import NetworkParameters
from skrnn.parameters.training import TrainingParameters

__all__ = [
    "NON_NEGATIVE",
    "SHARE",
    "NetworkParameters",
    "PretrainedParameters",
    "Seq2SeqParameters",
    "TrainingParameters",
    "WritingParameters",
    "estimator",
    "parameter",
]
