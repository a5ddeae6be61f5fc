"""checkpoint=: the state of a training after each epoch, in a file from which a later fit continues."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skrnn.spec import Weights
from skrnn.storage import check_types, read, write
from skrnn.train.monitor import Monitor

_STATE = {  # what a file holds
    "identity": dict[str, str],
    "epoch": int,
    "stopped": bool,
    "arrays": list[np.ndarray],
    "monitor": dict[str, object],
}
_MONITOR = {
    "history": dict[str, list[float]],
    "weights": Weights,
    "best_epoch": int,
    "best": float,
    "waited": int,
}


class Checkpoint:
    """The file of one training: read before it, written after each epoch, removed after the last.

    Parameters
    ----------
    path : str or PathLike
        The file, or an existing folder. In a folder, each training has a file of its own, whose name holds a
        checksum of what the training depends on.
    monitor : Monitor
        Records the epochs. Its state is saved and restored with the rest.
    """

    def __init__(self, path: str | os.PathLike, monitor: Monitor) -> None:
        self.path, self.monitor = Path(os.fsdecode(path)), monitor
        self.identity: dict[str, Any] = {}

    def read(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Return the state of an interrupted training, or None if there is no file.

        Parameters
        ----------
        identity : dict of str to Any
            What the training depends on, each value under the name that an error message shows.

        Returns
        -------
        state : dict or None
            "epoch", the number of finished epochs, "stopped", whether training is over, and "arrays", the
            arrays that were saved.

        Raises
        ------
        ValueError
            If the file is damaged or belongs to another training.
        OSError
            If the folder does not exist or the file cannot be read.
        """
        monitor = self.monitor
        held_out = monitor.validation.examples if monitor.validation else None
        self.identity = identity | {
            "the held-out texts": joblib.hash(held_out),
            "n_iter_no_change or tol": f"{monitor.patience}, {monitor.tol}",
            "early_stopping": str(monitor.by_score),
            "the estimator": monitor.owner,
        }
        if self.path.is_dir():
            self.path = self.path / f"{monitor.owner}-{joblib.hash(self.identity)}.checkpoint"
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"checkpoint of {monitor.owner} must be a file in an existing folder, or an existing folder. "
                f"Got {self.path}."
            )
        try:
            state = read(self.path, "checkpoint")
        except FileNotFoundError:
            return None
        check_types("a checkpoint", {"state": state}, {"state": dict[str, object]})
        check_types("a checkpoint", {name: state.get(name) for name in _STATE}, _STATE)
        check_types("a checkpoint", {name: state["monitor"].get(name) for name in _MONITOR}, _MONITOR)
        found = state["identity"]
        other = [name for name in self.identity if found.get(name) != self.identity[name]]
        if other:
            raise ValueError(
                f"checkpoint of {monitor.owner}: {self.path} belongs to another fit, which differs in "
                f"{', '.join(other)}. Call fit with the same data and parameters, delete the file, or name "
                "another file. For several fits, for example those of a search, set checkpoint to an "
                "existing folder: each fit then has a file of its own."
            )
        monitor.state = state["monitor"]
        return state

    def write(self, epoch: int, arrays: list[np.ndarray], *, stopped: bool) -> None:
        """Save the state after an epoch, counted from 0, in place of the previous one."""
        state = {
            "identity": self.identity,
            "epoch": epoch + 1,
            "stopped": stopped,
            "arrays": arrays,
            "monitor": self.monitor.state,
        }
        write(self.path, "checkpoint", state)

    def remove(self) -> None:
        """Remove the file after the training."""
        self.path.unlink(missing_ok=True)
