"""checkpoint=: the state of a training after each epoch, in a file from which a later fit continues."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skrnn.storage import read, write
from skrnn.train.monitor import Monitor


class Checkpoint:
    """The file of one training: read before it, written after each epoch, removed after the last.

    Parameters
    ----------
    path : str or PathLike
        The file.
    monitor : Monitor
        Records the epochs. Its state is saved and restored with the rest.
    """

    def __init__(self, path: str | os.PathLike, monitor: Monitor) -> None:
        self.path, self.monitor = Path(path), monitor
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
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"checkpoint of {monitor.owner} must be a file in an existing folder. Got {self.path}."
            )
        if not self.path.exists():
            return None
        state = read(self.path, "checkpoint")
        found = state["identity"]
        other = [name for name in self.identity if found.get(name) != self.identity[name]]
        if other:
            raise ValueError(
                f"checkpoint of {monitor.owner}: {self.path} belongs to another fit, which differs in "
                f"{', '.join(other)}. Call fit with the same data and parameters, delete the file, or name "
                "another file."
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
