"""Training in several processes that keras.distribution connects: the rows of each, agreement, and failures.

Keras sums the gradients. Every process gets all texts, draws the same batches and trains on its own rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np

_LOST = re.compile("gloo|nccl|UNAVAILABLE|coordination service", re.IGNORECASE)  # in errors of JAX


def n_added(n_rows: int) -> int:
    """Return how many rows a batch lacks, so that all devices get equally many rows or pairs of rows."""
    distribution = keras.distribution.distribution()
    return 0 if distribution is None else -n_rows % (2 * distribution.device_mesh.shape[0])


def share(batch: tuple[Any, np.ndarray, np.ndarray]) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the rows of a batch that this process trains on, after adding rows of weight zero."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batch
    inputs, targets, weights = _filled_up(batch, n_added(len(batch[2])))
    n_shares = min(distribution.num_processes, distribution.num_model_replicas)
    size = len(weights) // n_shares
    own = slice(distribution.data_shard_id * size, (distribution.data_shard_id + 1) * size)
    several = isinstance(inputs, tuple)
    return tuple(a[own] for a in inputs) if several else inputs[own], targets[own], weights[own]


def _filled_up(batch: tuple[Any, np.ndarray, np.ndarray], lacking: int) -> Any:
    """Return a batch with rows of weight zero at the end."""
    inputs, targets, weights = batch
    if not lacking:
        return batch
    if weights.ndim == 1:  # the loss is a mean over rows
        weights = weights * np.float32((len(weights) + lacking) / len(weights))
    weights = np.concatenate([weights, np.zeros((lacking, *weights.shape[1:]), np.float32)])
    arrays = [*(inputs if isinstance(inputs, tuple) else [inputs]), targets]
    *longer, targets = (np.concatenate([a, a[-1:].repeat(lacking, axis=0)]) for a in arrays)
    return tuple(longer) if isinstance(inputs, tuple) else longer[0], targets, weights


@cache
def by_rows(layer: type[keras.layers.RNN], distribution: Any) -> type[keras.layers.RNN]:
    """Return the class of a recurrent layer that needs no other device during its loop over the steps.

    JAX would sum the gradients of the weights over all devices in each step of the loop. In this layer, each
    device sums those of its own rows first. JAX adds up these sums once for each batch.

    Parameters
    ----------
    layer : type
        A recurrent layer.
    distribution : keras.distribution.Distribution or None
        What divides the rows. Without `DataParallel`, and with a backend other than JAX, the layer itself is
        returned.
    """
    if not isinstance(distribution, keras.distribution.DataParallel) or keras.backend.backend() != "jax":
        return layer
    import jax

    rows, whole = jax.sharding.PartitionSpec(distribution.batch_dim_name), jax.sharding.PartitionSpec()

    def inner_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple:
        """Return the last output, all outputs and the last states, as Keras does."""
        inputs = sequences, initial_state, mask
        if not training or getattr(self.cell, "recurrent_dropout", 0) > 0:  # whose masks are for all rows
            return layer.inner_loop(self, *inputs, training)

        def loop(weights: list, *inputs: Any) -> tuple:
            with keras.StatelessScope(zip(self.weights, weights, strict=True)):
                return layer.inner_loop(self, *inputs, training)

        # with check_vma, JAX would sum where weights meet rows: in the loop
        mesh, specs = distribution.device_mesh.backend_mesh, (whole, rows, rows, rows)
        run = jax.shard_map(loop, mesh=mesh, in_specs=specs, out_specs=rows, check_vma=False)
        return run([weight.value for weight in self.weights], *inputs)

    return type(layer.__name__, (layer,), {"inner_loop": inner_loop})


class CorrectLoss(keras.callbacks.Callback):
    """Corrects the loss of an epoch, in which Keras weights each batch by its rows, for the added rows.

    Parameters
    ----------
    n_rows : callable
        Returns the number of rows of a batch before rows are added.
    """

    def __init__(self, n_rows: Callable[[int], int]) -> None:
        super().__init__()
        self.n_rows = n_rows

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start new sums: of rows with and without the added ones, and of losses."""
        self.n_filled, self.n, self.filled_loss, self.loss = 0, 0, 0.0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Add the loss of a batch, which is the change of the mean that Keras reports."""
        n, before = self.n_rows(batch), self.filled_loss
        filled = n + n_added(n)
        self.n_filled, self.n = self.n_filled + filled, self.n + n
        self.filled_loss = float((logs or {})["loss"]) * self.n_filled
        self.loss += (self.filled_loss - before) * n / filled

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Replace the mean of Keras."""
        if logs is not None:
            logs["loss"] = self.loss / self.n


def on_all_devices(value: float) -> Any:
    """Return a value to assign to a variable of one number, in every process.

    Given a plain number, JAX would ask all processes whether theirs is the same.
    """
    if not several_processes():
        return value
    import jax

    layout = keras.distribution.TensorLayout([], keras.distribution.distribution().device_mesh)
    return jax.make_array_from_process_local_data(layout.backend_layout, np.float32(value))


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
    distribution = keras.distribution.distribution()
    automatic = distribution.auto_shard_dataset
    distribution.auto_shard_dataset = False  # Keras would refuse batches that it cannot divide itself
    try:
        yield
    except Exception as error:  # JAX raises several types
        if not _LOST.search(str(error)):
            raise
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
