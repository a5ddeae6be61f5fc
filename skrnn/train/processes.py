"""Training in several processes that keras.distribution connects: the rows of each, agreement, and failures.

Keras sums the gradients. Every process gets all texts, draws the same batches and trains on its own rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def share(batch: tuple[Any, np.ndarray, np.ndarray]) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the rows of a batch that this process trains on.

    Rows of weight zero are added at the end, so that all devices get equally many rows.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batch
    inputs, targets, weights = _filled_up(batch, 2 * distribution.device_mesh.shape[0])  # rows may be pairs
    n_shares = min(distribution.num_processes, distribution.num_model_replicas)
    size = len(weights) // n_shares
    own = slice(distribution.data_shard_id * size, (distribution.data_shard_id + 1) * size)
    several = isinstance(inputs, tuple)
    return tuple(a[own] for a in inputs) if several else inputs[own], targets[own], weights[own]


def _filled_up(batch: tuple[Any, np.ndarray, np.ndarray], multiple: int) -> Any:
    """Return a batch with rows of weight zero at the end, so that their number is a multiple."""
    inputs, targets, weights = batch
    rows = len(weights)
    lacking = -rows % multiple
    if not lacking:
        return batch
    if weights.ndim == 1:  # the loss is a mean over rows
        weights = weights * np.float32((rows + lacking) / rows)
    weights = np.concatenate([weights, np.zeros((lacking, *weights.shape[1:]), np.float32)])
    arrays = [*(inputs if isinstance(inputs, tuple) else [inputs]), targets]
    *longer, targets = (np.concatenate([a, a[-1:].repeat(lacking, axis=0)]) for a in arrays)
    return tuple(longer) if isinstance(inputs, tuple) else longer[0], targets, weights


def require_agreement(values: dict[str, str]) -> None:
    """Raise an error in every process if some values differ between the processes.

    Parameters
    ----------
    values : dict of str to str
        What must be equal, each value under the name that the error message shows.

    Raises
    ------
    ValueError
        If a value differs.
    """
    if not several_processes():
        return
    from jax.experimental import multihost_utils

    digests = [hashlib.sha256(value.encode()).digest()[:8] for value in values.values()]
    found = multihost_utils.process_allgather(np.frombuffer(b"".join(digests), np.uint32).reshape(-1, 2))
    spread = np.ptp(found, axis=0).any(axis=1)
    if different := [name for name, differs in zip(values, spread, strict=True) if differs]:
        raise ValueError(
            f"The processes of this training differ in: {'; '.join(different)}. Call fit with the same data "
            "and parameters in every process, and give each the same checkpoint."
        )


@contextmanager
def connected(wanted_by: str, has_checkpoint: bool) -> Iterator[None]:
    """Let the processes train together inside, and explain a failure of their connection.

    Parameters
    ----------
    wanted_by : str
        Estimator and method, for the message.
    has_checkpoint : bool
        Whether a fit can continue this one.

    Raises
    ------
    RuntimeError
        If a computation fails because another process has ended.
    """
    if not several_processes():
        yield
        return
    import jax

    distribution = keras.distribution.distribution()
    automatic = distribution.auto_shard_dataset
    distribution.auto_shard_dataset = False  # Keras would refuse batches that it cannot divide itself
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        remedy = "they continue after the last completed epoch"
        if not has_checkpoint:
            remedy = "with checkpoint=, they would continue after the last completed epoch"
        raise RuntimeError(
            f"{wanted_by} cannot continue: another process of this training has ended or cannot be reached. "
            f"Start all processes again; {remedy}."
        ) from error
    finally:
        distribution.auto_shard_dataset = automatic


def several_processes() -> bool:
    """Return whether keras.distribution divides the batches among several processes."""
    distribution = keras.distribution.distribution()
    return distribution is not None and distribution.num_processes > 1
