"""A training as one object: the architecture, the recipe, the data and the initial weights. No Keras here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skrnn.spec import Spec, Weights
from skrnn.train.batches import Examples
from skrnn.train.recipe import Recipe

if TYPE_CHECKING:
    from skrnn.train.checkpoint import Checkpoint

AfterEpoch = Callable[[int, float, Callable[[], Weights]], bool]
OptimizerState = dict[str, np.ndarray]


@dataclass
class Job:
    """One training.

    Parameters
    ----------
    spec : Spec
        The architecture.
    recipe : Recipe
        How to train it.
    weights : dict of str to ndarray
        The weights to start from.
    examples : Examples
        The training data.
    after_epoch : callable
        Called with the epoch (from 0), its mean loss and a function that returns the weights, which the
        next step may change in place. Returns whether to continue.
    wanted_by : str
        Estimator and method, for the message if Keras is missing.
    callbacks : sequence of keras.callbacks.Callback, default=()
        The user's own. They see the last values of `history` in their logs.
    checkpoint : Checkpoint, default=None
        Where the state is saved after each epoch, and continued from.
    optimizer_state : dict of str to ndarray, default=None
        For training in chunks: the state after the previous chunk, empty for the first one. None starts a
        new optimizer, whose state is not returned.
    history : dict of str to list of float, default={}
        The values of each epoch, which `after_epoch` records.
    after_step : callable, default=None
        Called with the epoch and the share of its steps that are done, after each step, or before each step
        but the first.
    after_training : callable, default=None
        Called at the end with a function that returns the weights, which callbacks may have changed.
    """

    spec: Spec
    recipe: Recipe
    weights: Weights
    examples: Examples
    after_epoch: AfterEpoch
    wanted_by: str
    callbacks: Sequence[Any] = ()
    checkpoint: Checkpoint | None = None
    optimizer_state: OptimizerState | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    after_step: Callable[[int, float], None] | None = None
    after_training: Callable[[Callable[[], Weights]], None] | None = None
