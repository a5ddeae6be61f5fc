"""Training. Only this folder imports Keras, and only when `train_network` or `build_model` needs it."""

from skrnn.train.batches import Examples
from skrnn.train.callbacks import reported
from skrnn.train.checkpoint import Checkpoint
from skrnn.train.door import build_model, train_network
from skrnn.train.job import Job
from skrnn.train.monitor import Monitor, Validation, writes_progress

__all__ = [
    "Checkpoint",
    "Examples",
    "Job",
    "Monitor",
    "Validation",
    "build_model",
    "reported",
    "train_network",
    "writes_progress",
]
