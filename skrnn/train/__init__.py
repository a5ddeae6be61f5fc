"""Training with Keras. Only this folder imports it, and only when a function of `door` is called."""

from skrnn.train import door
from skrnn.train.batches import Examples
from skrnn.train.callbacks import reported
from skrnn.train.checkpoint import Checkpoint
from skrnn.train.job import Job
from skrnn.train.monitor import Monitor, Validation, writes_progress

__all__ = [
    "Checkpoint",
    "Examples",
    "Job",
    "Monitor",
    "Validation",
    "door",
    "reported",
    "writes_progress",
]
