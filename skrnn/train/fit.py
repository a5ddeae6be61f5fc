"""Training: one call to keras.Model.fit. All that is ours around it is data and callbacks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any, NamedTuple

import joblib
import keras
import numpy as np

from skrnn.ragged import BOUNDARY, PAD, UNKNOWN, Ragged
from skrnn.serve.forward import one_blas_thread
from skrnn.spec import TOKEN_HEADS, Spec, Weights
from skrnn.train.batches import Bucket, add_noise, buckets, epoch
from skrnn.train.checkpoint import Checkpoint
from skrnn.train.losses import RDrop
from skrnn.train.network import network, variables
from skrnn.train.tensorflow import EMBEDDING_RATE, dataset
from skrnn.train.tensorflow import optimizer as optimizer_named

N_SAMPLED = 2048  # ids beside a batch's own that the softmax of a large vocabulary is estimated by
LARGE = 4096  # ids: with more, it is
RISE = 0.15  # share of the steps of "one_cycle" in which the learning rate rises

_LOSS: dict[str, str] = {
    "softmax": "sparse_categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
    "linear": "mean_squared_error",
    "autoencoder": "sparse_categorical_crossentropy",
    "language_model": "sparse_categorical_crossentropy",
}
AfterEpoch = Callable[[int, float, Callable[[], Weights]], bool]

# The network that was trained last, and no other. To trace a new one takes 1 to 2 s and 35 MB that TensorFlow
# never gives back; of what it has learned nothing is used.
_kept: dict[Hashable, tuple[keras.Model, dict[str, Any]]] = {}
_lock = Lock()


class Examples(NamedTuple):
    """What a network learns from."""

    sequences: Ragged
    targets: np.ndarray | None  # (n_samples,) or (n_samples, n_outputs); None where the text is the target
    weights: np.ndarray  # (n_samples,) float32
    r_drop: float = 0.0  # weight of the divergence between two answers to one text, see RDrop


class Batches(keras.utils.PyDataset):
    """Rows as padded batches; epoch k has the same batches whatever ran before it.

    Parameters
    ----------
    examples : Any
        What a subclass makes batches of.
    parts : list of Bucket
        Which rows, and how many at a time.
    seed : int
        Of their order.
    """

    def __init__(self, examples: Any, parts: list[Bucket], seed: int) -> None:
        super().__init__()
        self.examples, self.parts, self.seed = examples, parts, seed
        self.go_to(0)

    def go_to(self, number: int) -> None:
        """Draw the batches of an epoch."""
        self.epoch = number
        self.batches = epoch(self.parts, np.random.default_rng([self.seed, number]))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the inputs, targets and weights of one batch, of as many rows as the devices can share."""
        inputs, targets, weights = self.batch(index)
        distribution = keras.distribution.distribution()
        rows = len(weights)
        lacking = -rows % (2 * distribution.device_mesh.shape[0]) if distribution else 0  # rows may be pairs
        if not lacking:
            return inputs, targets, weights
        if weights.ndim == 1:  # the loss is a mean over rows
            weights = weights * np.float32((rows + lacking) / rows)
        several = isinstance(inputs, tuple)
        *arrays, targets = (
            _longer(array, lacking) for array in (*(inputs if several else [inputs]), targets)
        )
        weights = np.concatenate([weights, np.zeros((lacking, *weights.shape[1:]), np.float32)])
        return tuple(arrays) if several else arrays[0], targets, weights

    def batch(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the inputs, targets and weights of the rows of one batch."""
        raise NotImplementedError


def _longer(array: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([array, array[-1:].repeat(n, axis=0)])


class _Batches(Batches):
    """Batches of one text a row."""

    def __init__(self, spec: Spec, examples: Examples, parts: list[Bucket], seed: int) -> None:
        self.spec = spec
        super().__init__(examples, parts, seed)

    def batch(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the inputs, targets and sample weights of one batch."""
        rows, length = self.batches[index]
        sequences, weights = self.examples.sequences.take(rows), self.examples.weights[rows]
        if self.examples.targets is not None:
            twice = np.repeat(np.arange(len(rows)), 2 if self.examples.r_drop else 1)
            return sequences.pad(length)[twice], self.examples.targets[rows[twice]], weights[twice]
        return self._token_batch(sequences, weights, length, index)

    def _token_batch(
        self, sequences: Ragged, weights: np.ndarray, length: int, index: int
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return a batch whose targets are the ids themselves."""
        rng = np.random.default_rng([self.seed, self.epoch, index])
        previous = sequences.prepend(BOUNDARY).pad(length + 1)
        targets = sequences.append(BOUNDARY).pad(length + 1)
        if self.spec.head == "autoencoder":
            hidden = (rng.random(previous.shape) < self.spec.dropout) & (previous > BOUNDARY)
            noisy = add_noise(sequences, self.spec.noise, rng)
            inputs = [noisy.pad(length), np.where(hidden, np.int32(UNKNOWN), previous)]
        elif self.spec.bidirectional:
            inputs = [previous, targets]
            targets = np.concatenate([targets, previous], axis=1)
        else:
            inputs = [previous]
        token_weights = (targets != PAD) * weights[:, None]
        token_weights = (token_weights / max(token_weights.sum(), 1e-9)).astype(np.float32)
        if is_sampled(self.spec):
            candidates, offsets, targets = sample_ids(targets, self.spec.n_outputs, rng)
            inputs += [np.tile(row, (len(targets), 1)) for row in (candidates, offsets)]
        return tuple(inputs) if len(inputs) > 1 else inputs[0], targets, token_weights


class EpochBegin(keras.callbacks.Callback):
    """Draws the batches of each epoch."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Draw them, unless they are there."""
        if epoch != self.batches.epoch:
            self.batches.go_to(epoch)


class EpochEnd(keras.callbacks.Callback):
    """Hands each epoch's loss and weights to `after_epoch`, which says whether to go on."""

    def __init__(self, after_epoch: AfterEpoch, start: Weights) -> None:
        super().__init__()
        self.after_epoch, self.start = after_epoch, start

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stop where `after_epoch` returns False."""
        if not self.after_epoch(epoch, float((logs or {})["loss"]), lambda: self.start | read(self.model)):
            self.model.stop_training = True


def read(model: keras.Model) -> Weights:
    """Return copies of a network's weights as NumPy arrays."""
    convert = keras.ops.convert_to_numpy
    return {name: np.array(convert(v), np.float32) for name, v in variables(model).items()}


def is_sampled(spec: Spec) -> bool:
    """Return whether training estimates the softmax over ids from a sample of them."""
    return spec.head in TOKEN_HEADS and spec.n_outputs > LARGE


def sample_ids(
    targets: np.ndarray, n_ids: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the candidates of a batch: its targets and others.

    Parameters
    ----------
    targets : ndarray of int of shape (b, t)
        Ids.
    n_ids : int
        How many ids there are.
    rng : numpy.random.Generator
        Where the draw comes from.

    Returns
    -------
    candidates : ndarray of int32 of shape (n,)
        Ids.
    offsets : ndarray of float32 of shape (n,)
        What to add to their logits: 0, or ``-log(probability of being drawn)``.
    positions : ndarray of int of shape (b, t)
        The targets as places among the candidates.
    """
    own, positions = np.unique(targets, return_inverse=True)
    others = np.setdiff1d(np.arange(n_ids), own, assume_unique=True)
    drawn = rng.choice(others, min(N_SAMPLED, len(others)), replace=False)
    offsets = np.zeros(len(own) + len(drawn), np.float32)
    offsets[len(own) :] = np.log(len(others) / max(1, len(drawn)))
    return np.concatenate([own, drawn]).astype(np.int32), offsets, positions.reshape(targets.shape)


def compile_model(model: keras.Model, loss: Any, name: str, learning_rate: float, **options: Any) -> None:
    """Compile a network with an optimizer, see :func:`skrnn.train.tensorflow.optimizer`."""
    model.compile(
        optimizer=optimizer_named(name, learning_rate, **{"training": False} | options),
        loss=loss,
        jit_compile=False,
    )


def train(
    spec: Spec,
    weights: Weights,
    examples: Examples,
    *,
    optimizer: str,
    learning_rate: float,
    schedule: str,
    epochs: int,
    batch_size: int,
    max_tokens: int,
    seed: int,
    callbacks: Sequence[Any],
    after_epoch: AfterEpoch,
    checkpoint: Checkpoint | None = None,
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
    schedule : {"one_cycle", "constant"}
        Whether the step size rises and falls, see :class:`OneCycle`, or stays.
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
    checkpoint : Checkpoint, default=None
        Where the training is kept after each epoch, and goes on from.
    """
    batches = text_batches(spec, examples, batch_size, max_tokens, seed)
    with trainable(spec, weights, optimizer, learning_rate, seed, callbacks, examples.r_drop) as model:
        own = scheduled(schedule, learning_rate)
        fit(model, batches, epochs, [*own, *callbacks, EpochEnd(after_epoch, weights)], checkpoint)


def scheduled(schedule: str, learning_rate: float) -> list[OneCycle]:
    """Return the callback of a schedule, if it has one."""
    return [OneCycle(learning_rate)] if schedule == "one_cycle" else []


def trainable(
    spec: Spec,
    weights: Weights,
    optimizer: str,
    learning_rate: float,
    seed: int,
    callbacks: Sequence[Any],
    r_drop: float,
) -> AbstractContextManager[keras.Model]:
    """Lend the network of a Spec, compiled; parameters as of :func:`train`."""
    sampled = is_sampled(spec)

    def build() -> keras.Model:
        model = network(spec, weights, training=True, sampled=sampled)
        loss: Any = RDrop(spec.head, r_drop) if r_drop else _LOSS.get(spec.head)
        if spec.head in TOKEN_HEADS:  # the weights of a batch's tokens sum to one
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
        rate = 1.0 if spec.head in TOKEN_HEADS else EMBEDDING_RATE
        compile_model(model, loss, optimizer, learning_rate, training=True, embedding_rate=rate)
        return model

    return lent((spec, optimizer, sampled, r_drop), build, weights, learning_rate, seed, keep=not callbacks)


@contextmanager
def lent(
    key: Hashable,
    build: Callable[[], keras.Model],
    weights: Weights,
    learning_rate: float,
    seed: int,
    *,
    keep: bool,
) -> Iterator[keras.Model]:
    """Lend a network that is the same as a new one: that which was trained last, or one that is built.

    Parameters
    ----------
    key : Hashable
        All that `build` depends on, but for what follows.
    build : callable
        Returns the compiled network.
    weights : dict of str to ndarray
        Where to start.
    learning_rate : float
        Step size of the optimizer.
    seed : int
        Of the dropout masks.
    keep : bool
        Whether it may serve again. One that callbacks have seen is left to them; one whose training failed
        is given up.
    """
    key = key, keras.distribution.distribution()
    with _lock:  # whoever trains has the network to himself; a second one builds another
        kept = _kept.pop(key, None)
        _kept.clear()
    if kept is None:
        model = build()
        model.optimizer.build(model.trainable_variables)
        # each starts as one number all over
        start = {name: keras.ops.convert_to_numpy(v).flat[0] for name, v in optimizer_state(model).items()}
    else:
        model, start = kept
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    for name, variable in optimizer_state(model).items():
        variable.assign(np.full(variable.shape, start[name]))
    model.optimizer.learning_rate = learning_rate
    random = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for i, variable in enumerate(random):
        variable.assign(np.array([(seed + 0x9E3779B9 * (i + 1)) % 2**31, 0], np.uint32))
    yield model
    if keep:
        with _lock:
            _kept.clear()
            _kept[key] = model, start


def optimizer_state(model: keras.Model) -> dict[str, Any]:
    """Return the variables of a network's optimizer by name, its learning rate aside."""
    kept = [v for v in model.optimizer.variables if v is not model.optimizer._learning_rate]
    if hasattr(model.optimizer, "_u_product"):  # nadam does not list it
        kept.append(model.optimizer._u_product)
    return {f"{i}/{v.name}": v for i, v in enumerate(kept)}


def text_batches(spec: Spec, examples: Examples, batch_size: int, max_tokens: int, seed: int) -> Batches:
    """Return the batches of a training."""
    return _Batches(spec, examples, buckets(examples.sequences.lengths, batch_size, max_tokens), seed)


class OneCycle(keras.callbacks.Callback):
    """Lets the learning rate rise, then fall to zero by the last step (Smith & Topin 2019; cosine: Loshchilov
    & Hutter 2017).

    Parameters
    ----------
    peak : float
        The highest learning rate.
    """  # noqa: D205

    def __init__(self, peak: float) -> None:
        super().__init__()
        self.peak, self.done = peak, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Note how many steps are done."""
        self.done = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate of a step."""
        share = (self.done + batch + 1) / (self.params["epochs"] * self.params["steps"] + 1)
        self.model.optimizer.learning_rate = self.peak * one_cycle(share)


def one_cycle(share: float) -> float:
    """Return the learning rate, of its highest, where a share of all steps is done."""
    if share < RISE:
        return share / RISE
    return (1 + np.cos(np.pi * (share - RISE) / (1 - RISE))) / 2


class Keeper(keras.callbacks.Callback):
    """Hands the state of a training to its checkpoint after each epoch."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.checkpoint = checkpoint

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint."""
        arrays = [np.array(keras.ops.convert_to_numpy(v)) for v in everything(self.model)]
        self.checkpoint.keep(epoch, arrays, stopped=self.model.stop_training)


def everything(model: keras.Model) -> list[Any]:
    """Return the variables that a training changes: weights, seeds of the dropout, state of the optimizer."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [v for layer in model.layers for v in layer.variables] + model.optimizer.variables


def identity(model: keras.Model, batches: Batches, epochs: int) -> dict[str, Any]:
    """Return what a training depends on beside the network, for its checkpoint."""
    backend = keras.backend.backend()
    settings = model.optimizer.get_config() | {"name": ""}  # Keras counts the optimizers of a process in it
    return {
        "the texts, targets or weights": joblib.hash(batches.examples),
        "batch_size": joblib.hash(batches.parts),
        "random_state": str(batches.seed),
        "the weights that are started from": joblib.hash([read(model)]),
        "optimizer or learning_rate": joblib.hash([type(model.optimizer).__name__, settings]),
        "label_smoothing": str(getattr(model.loss, "smoothing", 0.0)),
        "epochs": str(epochs),
        "the versions of Keras, its backend or NumPy": " ".join(
            [keras.__version__, backend, getattr(sys.modules[backend], "__version__", ""), np.__version__]
        ),
    }


def fit(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    callbacks: list[Any],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Run the epochs of a training, those that its checkpoint has not seen."""
    done = 0
    if checkpoint is not None:
        callbacks = [*callbacks, Keeper(checkpoint)]
        schedule = [callback.peak for callback in callbacks if isinstance(callback, OneCycle)]
        state = checkpoint.begin(identity(model, batches, epochs) | {"schedule": str(schedule)})
        if state is not None:
            for variable, array in zip(everything(model), state["arrays"], strict=True):
                variable.assign(array)
            done = epochs if state["stopped"] else state["epoch"]
    try:
        if done < epochs:
            options = {"epochs": epochs, "initial_epoch": done, "shuffle": False, "verbose": 0}
            with one_blas_thread():  # the compiled loops have threads of their own
                model.fit(dataset(batches), callbacks=[EpochBegin(batches), *callbacks], **options)
        if checkpoint is not None:
            checkpoint.end()
    finally:  # TensorFlow keeps its generators for as long as the process lives, but not our texts
        del batches.examples, batches.batches


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
