"""The backend of Keras: which one is chosen, whether it can train here, and its import in silence.

Keras is imported inside :func:`importing_keras`, not when this module is imported.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from threading import RLock
from typing import Any

from skrnn.threads import allotted_threads

BACKENDS = ("tensorflow", "jax", "torch")  # in the order of choice
_TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
N_THREADS = 4  # that compute one operation of TensorFlow
_QUIET = "2"  # the value of TF_CPP_MIN_LOG_LEVEL that leaves errors only
# Lines that TensorFlow's C++ code writes while it is imported.
_LOG_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] |"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IWE] \S+:\d+\] |To enable the following instructions: |"
    rb"Skipping registering GPU devices"
)
_inherited: set[str] = set()  # backends that the parent of this process had loaded when it forked
_lock = RLock()


def _note_fork() -> None:
    _inherited.update(name for name in BACKENDS if name in sys.modules)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@contextmanager
def importing_keras(wanted_by: str) -> Iterator[None]:
    """Choose and prepare the backend of Keras for the imports inside, and explain why they fail.

    Keras' own setting is used: KERAS_BACKEND, or its file keras.json. Without one, the first of TensorFlow,
    JAX and PyTorch that is installed is used.

    Parameters
    ----------
    wanted_by : str
        Estimator and method or attribute, for the messages.

    Raises
    ------
    ImportError
        If Keras or its backend is not installed.
    ValueError
        If Keras is set to a backend that cannot train.
    RuntimeError
        If this process was forked from one that had loaded the backend.
    """
    backend = chosen_backend(wanted_by)
    if backend in _inherited:
        title = _TITLES[backend]
        raise RuntimeError(
            f"{wanted_by} cannot use {title} in this process. It was forked from a process that had loaded "
            f"{title}, and a fork does not copy the threads of {title}, so training would never end. Start "
            "worker processes with multiprocessing.get_context('spawn'), or use joblib, whose default "
            "'loky' starts new processes. Prediction works in forked processes."
        )
    try:
        with _lock, _setting("KERAS_BACKEND", None if "keras" in sys.modules else backend):
            with _silence() if backend == "tensorflow" and backend not in sys.modules else nullcontext():
                if backend == "tensorflow":
                    _prepare_tensorflow()
                yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "skrnn":
            raise
        raise ImportError(
            f"{wanted_by} needs Keras and a backend for training, but {error.name or error} cannot be "
            "imported. Install both: pip install keras tensorflow numba (or: keras jax; or: keras torch). "
            "With numba alone, classifiers and regressors with recurrent layers can be trained, unless they "
            "have callbacks or a checkpoint. Fitted estimators predict without any of them.",
            name=error.name,
        ) from error


# -- the choice -------------------------------------------------------------------------------------


def chosen_backend(wanted_by: str, *, default: str | None = None) -> str:
    """Return the name of the backend, or raise an error that names the setting.

    If the user has set none, it is `default`, or else the first that is installed, or else "tensorflow".
    """
    installed = [name for name in BACKENDS if find_spec(name)]
    name, place, remedy = _set_backend(installed)
    if name is None:
        return default or (installed[0] if installed else "tensorflow")
    if name not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise ValueError(f"{wanted_by} needs one of the backends {known}, but {place} is {name!r}. {remedy}")
    if name not in installed and installed:
        raise ImportError(
            f"{wanted_by} needs the backend of Keras, but {place} is {name!r}, which is not installed. "
            f"{remedy} Installed: {', '.join(map(repr, installed))}.",
            name=name,
        )
    return name


def _set_backend(installed: list[str]) -> tuple[str | None, str, str]:
    """Return the backend that Keras is set to, or None, where that is written, and how to change it."""
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):
        remedy = "Start a new process with KERAS_BACKEND set to one that is installed."
        return keras.config.backend(), "the backend of the Keras that is already imported", remedy
    if name := os.environ.get("KERAS_BACKEND"):
        remedy = "Set the variable to a backend that is installed, or remove it."
        return name, "the environment variable KERAS_BACKEND", remedy
    path = _keras_json()
    try:
        with open(path, encoding="utf-8") as file:
            name = json.load(file)["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        return None, "", ""
    if name == "tensorflow" and name not in installed:  # Keras writes this into a new file unasked
        return None, "", ""
    remedy = "Change it there, or set the environment variable KERAS_BACKEND."
    return name, f'"backend" in the file {path}', remedy


def _keras_json() -> str:
    """Return the path of the settings of Keras, as Keras finds it."""
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME")
    if folder is None:
        folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return os.path.expanduser(os.path.join(folder, "keras.json"))


@contextmanager
def _setting(name: str, value: str | None) -> Iterator[None]:
    """Set an environment variable inside, and restore it, so that child processes do not inherit it."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None and before is None:
            os.environ.pop(name, None)
        elif value is not None and before is not None:
            os.environ[name] = before


# -- TensorFlow -------------------------------------------------------------------------------------


def _prepare_tensorflow() -> None:
    """Import TensorFlow, set its threads and let it find its devices; later, they cannot be set.

    The last bits of a product depend on the number of threads that compute it, so this number is the same on
    every machine and in every worker process. How many operations run at once changes no bits.
    """
    import tensorflow as tf

    logging.getLogger("tensorflow").addFilter(_is_useful)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(N_THREADS)
        if (n_threads := allotted_threads()) and not tf.config.threading.get_inter_op_parallelism_threads():
            tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    except RuntimeError:  # it has found them
        return
    tf.config.list_logical_devices()


def _is_useful(record: logging.LogRecord) -> bool:
    """Return False for the advice against tracing that TensorFlow logs when Keras trains the fifth model."""
    message = record.getMessage()
    return not ("TensorFlowTrainer." in message and "triggered tf.function retracing" in message)


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what TensorFlow logs inside, unless the user has asked for these lines by a variable.

    Its C++ code writes to file descriptor 2, also before it reads TF_CPP_MIN_LOG_LEVEL. What other threads
    write there in the meantime is written at the end; if the import fails, so is everything else.
    Keras imports Matplotlib, which logs a warning if it cannot write its cache.
    """
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL", _QUIET)
    if level < _QUIET or os.environ.keys() & {"TF_CPP_MAX_VLOG_LEVEL", "TF_CPP_VMODULE"}:
        yield
        return
    try:
        stderr = os.dup(2)
    except OSError:  # this process has no standard error
        yield
        return
    failed = True
    matplotlib = logging.getLogger("matplotlib")
    matplotlib_level = matplotlib.level
    matplotlib.setLevel(matplotlib_level or logging.ERROR)
    try:
        with _setting("TF_CPP_MIN_LOG_LEVEL", level), _scratch_file() as file:
            os.dup2(file, 2)
            try:
                yield
                failed = False
            finally:
                os.dup2(stderr, 2)
                os.lseek(file, 0, os.SEEK_SET)
                with open(file, "rb", closefd=False) as written:
                    lines = [line for line in written if failed or not _LOG_LINE.match(line)]
                os.write(2, b"".join(lines))
    finally:
        matplotlib.setLevel(matplotlib_level)
        os.close(stderr)


@contextmanager
def _scratch_file() -> Iterator[int]:
    """Open a file that nobody else sees; in memory where no folder can be written."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("skrnn")
        try:
            yield file
        finally:
            os.close(file)
    else:
        with tempfile.TemporaryFile() as temporary:
            yield temporary.fileno()
