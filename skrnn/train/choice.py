"""What trains a network: compiled steps, or Keras with or without compiled loops. No Keras here."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skrnn.kernels import use_compiled
from skrnn.spec import Spec
from skrnn.targets import HEADS
from skrnn.train.backend import chosen_backend, importing_keras
from skrnn.train.recipe import Recipe

_DEVICES = Path("/dev")
_GPUS = ("nvidia[0-9]*", "kfd", "dxg")  # of NVIDIA, of AMD, and under Windows' Linux


def can_step(spec: Spec, recipe: Recipe, wanted_by: str) -> bool:
    """Return whether the steps of :mod:`skrnn.train.step` can train a network.

    They train recurrent networks that read one text and have one output layer, by Adam, on CPUs. If the user
    has chosen JAX or PyTorch, Keras trains.

    Parameters
    ----------
    spec : Spec
        The architecture.
    recipe : Recipe
        The training.
    wanted_by : str
        Estimator and method, for the message of an error.

    Raises
    ------
    ImportError, ValueError
        If Keras is set to a backend that is not installed or cannot train.
    """
    one_output = not HEADS[spec.head].predicts_ids
    if not (one_output and spec.is_recurrent and recipe.optimizer == "adam"):
        return False
    if not compiles(spec, recipe, wanted_by):
        return False
    from skrnn.train.gradients import are_known  # imports Numba, which is optional

    return are_known(spec)


def compiles(spec: Spec, recipe: Recipe, wanted_by: str) -> bool:
    """Return whether a compiled loop trains a recurrent layer; arguments as of :func:`can_step`."""
    return not recipe.recurrent_dropout and on_cpu(wanted_by) and use_compiled(spec.cell, spec.rnn_activation)


def on_cpu(wanted_by: str) -> bool:
    """Return whether TensorFlow would train on CPUs, or no backend is installed."""
    if chosen_backend(wanted_by) != "tensorflow":
        return False
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "distribution") and keras.distribution.distribution() is not None:
        return False
    if not _may_have_gpu():  # importing TensorFlow takes seconds
        return True
    with importing_keras(wanted_by):
        import tensorflow as tf
    return not tf.config.list_logical_devices("GPU")  # on a GPU, cuDNN has a loop of its own


def _may_have_gpu() -> bool:
    """Return whether TensorFlow is installed and could find a GPU: by a device of Linux or by a plugin."""
    spec = find_spec("tensorflow")
    if spec is None or not spec.origin:
        return False
    plugins = Path(spec.origin).parents[1] / "tensorflow-plugins"
    return plugins.is_dir() or any(any(_DEVICES.glob(pattern)) for pattern in _GPUS)
