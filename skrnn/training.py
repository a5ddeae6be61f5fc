"""Training: one call to keras.Model.fit. All that is ours around it is data and callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from skrnn.batches import Bucket, buckets, epoch, lengths, pad, take_rows, with_boundary
from skrnn.network import network, variables
from skrnn.spec import TOKEN_HEADS, Head, Spec, Weights
from skrnn.tokens import BOUNDARY, Sequences

_LOSS: dict[str, str] = {
    "softmax": "sparse_categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
    "linear": "mean_squared_error",
    "autoencoder": "sparse_categorical_crossentropy",
    "language_model": "sparse_categorical_crossentropy",
}
AfterEpoch = Callable[[int, float, Callable[[], Weights]], bool]


class Examples(NamedTuple):
    """What a network learns from."""

    sequences: Sequences
    targets: np.ndarray | None  # (n_samples,) or (n_samples, n_outputs); None where the text is the target
    weights: np.ndarray  # (n_samples,) float32


class _Batches(keras.utils.PyDataset):
    """Examples as padded batches; epoch k has the same batches whatever ran before it."""

    def __init__(self, examples: Examples, head: Head, parts: list[Bucket], seed: int) -> None:
        super().__init__()
        self.examples, self.head, self.parts, self.seed = examples, head, parts, seed
        self.epoch = 0
        self._draw()

    def _draw(self) -> None:
        self.batches = epoch(self.parts, np.random.default_rng([self.seed, self.epoch]))
        # Keras fixes the shape of all batches by those it reads first, two of them: lengths that differ
        # there are free everywhere.
        first = self.batches[0][1]
        other = next((i for i, (_, n) in enumerate(self.batches) if n != first), None)
        if other is not None:
            self.batches.insert(1, self.batches.pop(other))

    def __len__(self) -> int:
        return len(self.batches)

    def on_epoch_end(self) -> None:
        """Draw the batches of the next epoch."""
        self.epoch += 1
        self._draw()

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the inputs, targets and sample weights of one batch."""
        rows, length = self.batches[index]
        sequences, weights = take_rows(self.examples.sequences, rows), self.examples.weights[rows]
        if self.examples.targets is not None:
            return pad(sequences, length), self.examples.targets[rows], weights
        previous = pad(with_boundary(sequences, BOUNDARY, first=True), length + 1)
        following = pad(with_boundary(sequences, BOUNDARY, first=False), length + 1)
        inputs = previous if self.head == "language_model" else (pad(sequences, length), previous)
        token_weights = (following != 0) * weights[:, None]
        return inputs, following, (token_weights / token_weights.sum()).astype(np.float32)


class _EpochEnd(keras.callbacks.Callback):
    """Hands each epoch's loss and weights to `after_epoch`, which says whether to go on."""

    def __init__(self, after_epoch: AfterEpoch) -> None:
        super().__init__()
        self.after_epoch = after_epoch

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stop where `after_epoch` returns False."""
        if not self.after_epoch(epoch, float((logs or {})["loss"]), lambda: read(self.model)):
            self.model.stop_training = True


def read(model: keras.Model) -> Weights:
    """Return copies of a network's weights as NumPy arrays."""
    convert = keras.ops.convert_to_numpy
    return {name: np.array(convert(v), np.float32) for name, v in variables(model).items()}


def compile_model(model: keras.Model, loss: Any, optimizer: str, learning_rate: float) -> None:
    """Compile a network; gradients are clipped to a global norm of 1."""
    optimizer = keras.optimizers.get(
        {"class_name": optimizer, "config": {"learning_rate": learning_rate, "global_clipnorm": 1.0}}
    )
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)


def train(
    spec: Spec,
    weights: Weights,
    examples: Examples,
    *,
    optimizer: str,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    max_tokens: int,
    seed: int,
    callbacks: Sequence[Any],
    after_epoch: AfterEpoch,
) -> None:
    """Train a network; what comes of it goes to `after_epoch`.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Where to start.
    examples : Examples
        What to learn.
    optimizer : str
        Name of a Keras optimizer.
    learning_rate : float
        Its step size.
    epochs : int
        The most passes over the examples.
    batch_size : int
        Rows of a batch.
    max_tokens : int
        The most ids of a padded batch.
    seed : int
        Of the order of the batches and of the dropout masks.
    callbacks : sequence of keras.callbacks.Callback
        The user's own.
    after_epoch : callable
        Called with the epoch, its mean loss and a function that returns the weights; returns whether to
        go on.
    """
    model = network(spec, weights, seed=seed, every_step=True)
    loss: Any = _LOSS.get(spec.head)
    if spec.head in TOKEN_HEADS:  # the weights of a batch's tokens sum to one
        loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    compile_model(model, loss, optimizer, learning_rate)
    parts = buckets(lengths(examples.sequences), batch_size, max_tokens)
    model.fit(
        _Batches(examples, spec.head, parts, seed),
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, _EpochEnd(after_epoch)],
    )


def model(spec: Spec, weights: Weights, length: int, optimizer: str, learning_rate: float) -> keras.Model:
    """Return a network of fixed input length, compiled, for whoever wants the Keras world.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    length : int
        Columns of the input.
    optimizer : str
        Name of a Keras optimizer.
    learning_rate : float
        Its step size.

    Returns
    -------
    model : keras.Model
    """
    built = network(spec, weights, length=length)
    compile_model(built, _LOSS.get(spec.head), optimizer, learning_rate)
    return built
