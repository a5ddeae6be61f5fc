"""The constructor parameters: each default, constraint and description once."""

from skrnn.compat import NON_NEGATIVE
from skrnn.parameters.declaration import SHARE, Unused, estimator, parameter, warn_of_unused
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
    "Unused",
    "WritingParameters",
    "estimator",
    "parameter",
    "warn_of_unused",
]
