"""The one door to Keras: nothing else in the package imports the Keras half, and it does so only to fit."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_BACKENDS = ("tensorflow", "jax", "torch")


def keras_half(part: str, *, wanted_by: str) -> Any:
    """Import and return a module of the Keras half.

    Parameters
    ----------
    part : {"network", "fit", "seq2seq", "chunks"}
        Which.
    wanted_by : str
        Estimator and method, for the error message.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        If Keras or its backend is not installed.

    Notes
    -----
    Where neither KERAS_BACKEND nor an import of Keras has chosen a backend, the first one installed of
    TensorFlow, JAX and PyTorch is taken. In a worker process, which has OMP_NUM_THREADS set, TensorFlow is
    held to as many threads, for nothing else can limit it once it is loaded.
    """
    if "keras" not in sys.modules:
        _choose_backend()
    try:
        return import_module(f"skrnn.train.{part}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "skrnn":
            raise
        raise ImportError(
            f"{wanted_by} needs Keras and a backend to train with, and {error.name or error} cannot be "
            "imported. Install one of them: pip install 'skrnn[tensorflow]' (or [tensorflow-cpu], [jax], "
            "[torch]). Fitted estimators predict without any.",
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
