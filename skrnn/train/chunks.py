"""Training on a stream: one pass over one chunk, going on from weights and from the optimizer's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from skrnn.ragged import Ragged
from skrnn.spec import Spec, Weights
from skrnn.train.fit import AfterEpoch, EpochEnd, Examples, fit, optimizer_state, text_batches, trainable

Slots = dict[str, np.ndarray]  # the state of an optimizer, its learning rate aside


def train_chunk(
    spec: Spec,
    weights: Weights,
    chunk: tuple[Ragged, np.ndarray | None, np.ndarray, float],
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
        As of :func:`skrnn.train.fit.train`.
    chunk : tuple
        The four parts of :class:`skrnn.train.fit.Examples`.
    slots : dict of str to ndarray
        What this function returned last, with the same optimizer; none to start.

    Returns
    -------
    slots : dict of str to ndarray
        The state that the optimizer now has.
    """
    batches = text_batches(spec, Examples(*chunk), batch_size, max_tokens, seed)
    with trainable(spec, weights, optimizer, learning_rate, seed, callbacks, chunk[3]) as model:
        for name, variable in optimizer_state(model).items():
            if slots:
                variable.assign(slots[name])
        fit(model, batches, 1, [*callbacks, EpochEnd(after_epoch, weights)])
        return {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in optimizer_state(model).items()}
