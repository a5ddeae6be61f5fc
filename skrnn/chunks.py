"""Training on a stream: one pass over one chunk, going on from weights and from the optimizer's state."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import keras
import numpy as np

from skrnn.network import variables
from skrnn.spec import Spec, Weights
from skrnn.tokens import Sequences
from skrnn.training import AfterEpoch, EpochEnd, Examples, fit, text_batches, trainable

Slots = dict[str, np.ndarray]  # the state of an optimizer, its learning rate aside

# The network of the last chunk, and no other. To trace a new one takes 1 to 2 s and memory that TensorFlow
# never gives back; of what it has learned nothing is used.
_kept: dict[tuple[Spec, str], keras.Model] = {}
_lock = Lock()


def train_chunk(
    spec: Spec,
    weights: Weights,
    chunk: tuple[Sequences, np.ndarray | None, np.ndarray],
    slots: Slots,
    *,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    max_tokens: int,
    seed: int,
    callbacks: Sequence[Any],
    after_epoch: AfterEpoch,
) -> Slots:
    """Pass once over a chunk; what comes of the weights goes to `after_epoch`.

    Parameters
    ----------
    spec, weights, optimizer, learning_rate, batch_size, max_tokens, seed, callbacks, after_epoch
        As of :func:`skrnn.training.train`.
    chunk : tuple
        The three parts of :class:`skrnn.training.Examples`.
    slots : dict of str to ndarray
        What this function returned last, with the same optimizer; none to start.

    Returns
    -------
    slots : dict of str to ndarray
        The state that the optimizer now has.
    """
    model = None
    with _lock:  # whoever trains has the network to himself; a second one builds another
        if slots:
            model = _kept.pop((spec, optimizer), None)
        _kept.clear()
    if model is None:
        model = trainable(spec, weights, seed, optimizer, learning_rate)
        model.optimizer.build(model.trainable_variables)
    _restore(model, weights, slots, learning_rate, seed)
    batches = text_batches(spec, Examples(*chunk), batch_size, max_tokens, seed)
    fit(model, batches, 1, [*callbacks, EpochEnd(after_epoch, weights)])
    found = {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in _state(model).items()}
    with _lock:
        _kept.clear()
        _kept[spec, optimizer] = model
    return found


def _restore(model: keras.Model, weights: Weights, slots: Slots, learning_rate: float, seed: int) -> None:
    """Make a network that has trained before the same as a new one would be."""
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    for name, variable in _state(model).items():
        if slots:
            variable.assign(slots[name])
    model.optimizer.learning_rate = learning_rate
    random = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for i, variable in enumerate(random):
        variable.assign(np.array([(seed + 0x9E3779B9 * (i + 1)) % 2**31, 0], np.uint32))


def _state(model: keras.Model) -> dict[str, Any]:
    """Return the variables of a network's optimizer by name, its learning rate aside."""
    kept = [v for v in model.optimizer.variables if v is not model.optimizer._learning_rate]
    if hasattr(model.optimizer, "_u_product"):  # nadam does not list it
        kept.append(model.optimizer._u_product)
    return {f"{i}/{v.name}": v for i, v in enumerate(kept)}
