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


def can_step(spec: Spec, recipe: Recipe, wanted_by: str, *, on_model: bool) -> bool:
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
    on_model : bool
        Whether the steps work on a Keras model. The backend must then be TensorFlow; otherwise it does not
        matter which one is installed, if any.

    Raises
    ------
    ImportError, ValueError
        If Keras is set to a backend that is not installed or cannot train.
    """
    one_output = not HEADS[spec.head].predicts_ids
    if not (one_output and spec.is_recurrent and recipe.optimizer == "adam"):
        return False
    if not compiles(spec, recipe, wanted_by, default=None if on_model else "tensorflow"):
        return False
    from skrnn.train.gradients import are_known  # imports Numba, which is optional

    return are_known(spec)


def compiles(spec: Spec, recipe: Recipe, wanted_by: str, *, default: str | None = None) -> bool:
    """Return whether a compiled loop trains a recurrent layer; arguments as of `can_step` and `on_cpu`."""
    has_loop = not recipe.recurrent_dropout and on_cpu(wanted_by, default=default)
    return has_loop and use_compiled(spec.cell, spec.rnn_activation)


def on_cpu(wanted_by: str, *, default: str | None = None) -> bool:
    """Return whether TensorFlow trains on CPUs.

    Parameters
    ----------
    wanted_by : str
        Estimator and method, for the message of an error.
    default : str, default=None
        The backend if the user has set none; None for the first that is installed.
    """
    if chosen_backend(wanted_by, default=default) != "tensorflow":
        return False
    keras: Any = sys.modules.get("keras")
    is_shared = hasattr(keras, "distribution") and keras.distribution.distribution() is not None
    return not is_shared and not _sees_gpu(wanted_by)


def _sees_gpu(wanted_by: str) -> bool:
    """Return whether the backend that is installed trains on a GPU, on which cuDNN has a loop of its own."""
    if not _may_have_gpu():  # importing TensorFlow takes seconds
        return False
    if chosen_backend(wanted_by) != "tensorflow":
        return True
    if find_spec("tensorflow") is None:
        return False
    with importing_keras(wanted_by):
        import tensorflow as tf
    return bool(tf.config.list_logical_devices("GPU"))


def _may_have_gpu() -> bool:
    """Return whether there may be a GPU: a device of Linux, or a plugin of TensorFlow."""
    spec = find_spec("tensorflow")
    if spec is not None and spec.origin and (Path(spec.origin).parents[1] / "tensorflow-plugins").is_dir():
        return True
    return any(any(_DEVICES.glob(pattern)) for pattern in _GPUS)
