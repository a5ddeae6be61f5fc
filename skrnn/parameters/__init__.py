"""The constructor parameters: each default, constraint and description once."""

from skrnn.parameters.declaration import NON_NEGATIVE, SHARE, estimator, parameter
from skrnn.parameters.decoding import (
    PretrainedParameters,
    Seq2SeqParameters,
    SupervisedParameters,
    WritingParameters,
)
from skrnn.parameters.network import NetworkParameters
from skrnn.parameters.training import TrainingParameters

__all__ = [
    "NON_NEGATIVE",
    "SHARE",
    "NetworkParameters",
    "PretrainedParameters",
    "Seq2SeqParameters",
    "SupervisedParameters",
    "TrainingParameters",
    "WritingParameters",
    "estimator",
    "parameter",
]
