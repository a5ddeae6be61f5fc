"""The one door to Keras: the only functions through which the rest of the package trains or builds a model.

Keras is imported at the first call, not when the package is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from skrnn.spec import Spec, Weights
from skrnn.train.job import Job, OptimizerState
from skrnn.train.recipe import Recipe

if TYPE_CHECKING:
    import keras

_BACKENDS = ("tensorflow", "jax", "torch")


def train(job: Job) -> OptimizerState:
    """Train a network; `job.after_epoch` receives the weights.

    Parameters
    ----------
    job : Job
        The training.

    Returns
    -------
    optimizer_state : dict of str to ndarray
        For the next chunk; empty if the job does not continue an optimizer.

    Raises
    ------
    ImportError
        If Keras or its backend is not installed.
    """
    with _importing_keras(job.wanted_by):
        from skrnn.train.fit import run
    return run(job)


def model(spec: Spec, weights: Weights, recipe: Recipe, *, length: int | None, wanted_by: str) -> keras.Model:
    """Return the network of a fitted estimator as a compiled Keras model.

    Parameters
    ----------
    spec : Spec
        The architecture.
    weights : dict of str to ndarray
        Its weights.
    recipe : Recipe
        Names the optimizer and its learning rate.
    length : int or None
        Number of columns of the input; None for any.
    wanted_by : str
        Estimator and attribute, for the message if Keras is missing.

    Returns
    -------
    model : keras.Model

    Raises
    ------
    ImportError
        If Keras or its backend is not installed.
    """
    with _importing_keras(wanted_by):
        from skrnn.train.fit import compiled_model
    return compiled_model(spec, weights, recipe, length)


@contextmanager
def _importing_keras(wanted_by: str) -> Iterator[None]:
    """Choose a backend for Keras and explain a failed import.

    If neither KERAS_BACKEND nor an earlier import of Keras has chosen a backend, the first one installed of
    TensorFlow, JAX and PyTorch is used. A worker process has OMP_NUM_THREADS set; TensorFlow then gets the
    same number of threads, because it cannot be limited after it is loaded.
    """
    if "keras" not in sys.modules:
        _choose_backend()
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "skrnn":
            raise
        raise ImportError(
            f"{wanted_by} needs Keras and a backend for training, but {error.name or error} cannot be "
            "imported. Install both: pip install keras tensorflow numba (or: keras jax; or: keras torch). "
            "Fitted estimators predict without them.",
            name=error.name,
        ) from error


def _choose_backend() -> None:
    installed = [name for name in _BACKENDS if find_spec(name)]
    if "KERAS_BACKEND" not in os.environ and installed and installed[0] != "tensorflow":
        os.environ["KERAS_BACKEND"] = installed[0]
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        if threads := os.environ.get("OMP_NUM_THREADS"):
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
            os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)
