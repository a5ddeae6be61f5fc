"""checkpoint=: the state of a training after each epoch, in a file that a later fit goes on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skrnn.storage.container import read, write
from skrnn.train.monitor import Monitor

_KEPT = ("history", "weights", "best_epoch", "_best", "_waited")  # of a Monitor
_SERVING = ("n_jobs", "score")  # of a validation: how it is computed, not what


class Checkpoint:
    """The file of one training: read before it, written after each epoch, removed after the last.

    Parameters
    ----------
    path : str or PathLike
        The file.
    monitor : Monitor
        What is known of the epochs; a training that goes on gets it back as it was.
    """

    def __init__(self, path: str | os.PathLike, monitor: Monitor) -> None:
        self.path, self.monitor = Path(path), monitor
        self.identity: dict[str, Any] = {}

    def begin(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Return where a training that was broken off had come to, or None.

        Parameters
        ----------
        identity : dict of str to Any
            What the training depends on, each under the name that is said if it differs.

        Returns
        -------
        state : dict or None
            "epoch", the number of epochs that are done, "stopped", whether they were all, and "arrays", the
            list that was kept.

        Raises
        ------
        ValueError
            If the file is of another training, or damaged.
        OSError
            If there is no folder for it, or it cannot be read.
        """
        monitor = self.monitor
        self.identity = identity | {
            "the texts held out": joblib.hash(
                {name: value for name, value in vars(monitor.validation).items() if name not in _SERVING}
                if monitor.validation
                else None
            ),
            "n_iter_no_change, tol or what stops early": f"{monitor.patience}, {monitor.tol}, {monitor.by}",
            "the network": repr(monitor.spec),
            "the estimator": monitor.owner,
        }
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"checkpoint of {monitor.owner} must be a file in a folder that exists. Got {self.path}."
            )
        if not self.path.exists():
            return None
        state = read(self.path, "checkpoint")
        before = state["identity"]
        other = [name for name in self.identity if before.get(name) != self.identity[name]]
        if other:
            raise ValueError(
                f"checkpoint of {monitor.owner}: {self.path} is that of another fit, which differs in "
                f"{', '.join(other)}. Fit with what it was begun with, or delete it, or name another file."
            )
        for name in _KEPT:
            setattr(monitor, name, state["monitor"][name])
        return state

    def keep(self, epoch: int, arrays: list[np.ndarray], *, stopped: bool) -> None:
        """Write the state after an epoch, counted from 0; the last one is replaced at once or stays."""
        monitor = self.monitor
        state = {name: vars(monitor)[name] for name in _KEPT}
        state["_best"] = float(state["_best"])
        write(
            self.path,
            "checkpoint",
            {
                "identity": self.identity,
                "epoch": epoch + 1,
                "stopped": stopped,
                "arrays": arrays,
                "monitor": state,
            },
        )

    def end(self) -> None:
        """Remove the file: the training is over."""
        self.path.unlink(missing_ok=True)
