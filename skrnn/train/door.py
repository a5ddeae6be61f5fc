"""The one door to training: the functions through which the rest of the package trains or builds models.

Keras is imported when it is first needed, not when the package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skrnn.spec import Spec, Weights
from skrnn.train.backend import importing_keras
from skrnn.train.choice import can_step
from skrnn.train.job import Job, OptimizerState
from skrnn.train.recipe import Recipe

if TYPE_CHECKING:
    import keras


def train_network(job: Job) -> OptimizerState:
    """Train a network; `job.after_epoch` receives the weights.

    Recurrent classifiers and regressors are trained without Keras, unless a callback, a checkpoint or a state
    of the optimizer needs its model.

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
    on_model = bool(job.callbacks or job.checkpoint or job.optimizer_state is not None)
    in_steps = can_step(job.spec, job.recipe, job.wanted_by, on_model=on_model)
    if in_steps and not on_model:
        from skrnn.train import step  # imports Numba, which is optional

        return step.run(job)
    with importing_keras(job.wanted_by):
        from skrnn.train.fit import run
    return run(job, in_steps=in_steps)


def build_model(
    spec: Spec, weights: Weights, recipe: Recipe, *, length: int | None, wanted_by: str
) -> keras.Model:
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
    with importing_keras(wanted_by):
        from skrnn.train.fit import compiled_model
    return compiled_model(spec, weights, recipe, length)
