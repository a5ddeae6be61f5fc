"""Training by keras.Model.fit or in compiled steps: data, callbacks, checkpoints, reuse of a model."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import joblib
import keras
import numpy as np

from skrnn.spec import Spec, Weights
from skrnn.targets import HEADS
from skrnn.threads import one_blas_thread
from skrnn.train.compat import adam_moments, optimizer_variables
from skrnn.train.dataset import Batch, Batches, is_sampled
from skrnn.train.job import Job, OptimizerState
from skrnn.train.losses import training_loss
from skrnn.train.network import network, variables
from skrnn.train.processes import CorrectLoss, by_rows, connected, require_agreement, several_processes, share
from skrnn.train.recipe import EMBEDDING_RATE, Recipe
from skrnn.train.tensorflow import as_dataset, make_optimizer, recurrent_layer, set_eager

# The model that was trained last, and no other. Tracing a new one takes 1 to 2 s and 35 MB that TensorFlow
# never releases. Nothing that it has learned is used again.
_last_model: dict[Hashable, tuple[keras.Model, dict[str, Any]]] = {}
_lock = Lock()
_n_training, _users_settings = 0, ("float32", 1e-7, False)  # threads that train, and what the user has set


@contextmanager
def default_settings() -> Iterator[None]:
    """Use the default settings of Keras inside, and restore those of the user.

    Layers take a dtype, but the losses, metrics and optimizers of Keras read the global settings. Each
    thread has its own dtype policy. The others belong to the process, so the first thread that trains sets
    them and the last one restores them.
    """
    global _n_training, _users_settings
    policy = keras.config.dtype_policy()
    with _lock:
        _n_training += 1
        if _n_training == 1:
            _users_settings = keras.config.floatx(), keras.config.epsilon(), set_eager(False)
            keras.config.set_floatx("float32")
            keras.config.set_epsilon(1e-7)
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        with _lock:
            _n_training -= 1
            if _n_training == 0:
                keras.config.set_floatx(_users_settings[0])
                keras.config.set_epsilon(_users_settings[1])
                set_eager(_users_settings[2])


@default_settings()
def run(job: Job, *, in_steps: bool) -> OptimizerState:
    """Train a network: all epochs of a job, or those that its checkpoint has not seen.

    Parameters
    ----------
    job : Job
        The training.
    in_steps : bool
        Whether compiled steps train the network; otherwise keras.Model.fit does.

    Returns
    -------
    optimizer_state : dict of str to ndarray
        The state of the optimizer, if the job continues one.
    """
    batches = Batches(job.spec, job.recipe, job.examples)
    with connected(job.wanted_by, job.checkpoint is not None), borrowed_model(job) as model:
        if job.optimizer_state:
            for name, variable in optimizer_variables(model.optimizer).items():
                variable.assign(job.optimizer_state[name])
        done = _epochs_done(job, model, batches, in_steps)
        try:
            if done < job.recipe.epochs:
                with one_blas_thread():  # the compiled loops have threads of their own
                    _fit(job, model, batches, done, in_steps)
            if job.callbacks and job.after_training is not None:
                job.after_training(lambda: job.weights | read_weights(model))
            if job.checkpoint is not None:
                job.checkpoint.remove()
        finally:
            batches.release()
        if job.optimizer_state is None:
            return {}
        return {name: _array(v) for name, v in optimizer_variables(model.optimizer).items()}


def _fit(job: Job, model: keras.Model, batches: Batches, done: int, in_steps: bool) -> None:
    """Train the epochs that are not done."""
    epochs = {"initial_epoch": done, "epochs": job.recipe.epochs}
    if not in_steps:
        callbacks = _callbacks(job, batches, lambda: read_weights(model), OneCycle(job.recipe))
        model.fit(as_dataset(PaddedBatches(batches)), callbacks=callbacks, shuffle=False, verbose=0, **epochs)
        return
    from skrnn.train import keras_step  # imports Numba, which is optional

    each_batch = _look_at_batches(job.callbacks)
    cycle = OneCycle(job.recipe, each_batch=each_batch)
    is_constant = job.recipe.schedule == "constant"
    named = variables(model)
    moments = {name: adam_moments(model.optimizer, v) for name, v in named.items() if v.trainable}
    step = keras_step.ModelStep(model, named, moments, batches)
    keras_step.fit(
        step,
        (lambda: float(model.optimizer.learning_rate)) if is_constant else (lambda: cycle.rate),
        _callbacks(job, batches, step.read, cycle),
        each_batch=each_batch,
        **epochs,
    )


def _callbacks(
    job: Job, batches: Batches, read: Callable[[], Weights], cycle: OneCycle
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a training in the order in which Keras calls them.

    Those of the user come after `ReportEpoch`, which adds what was validated to their logs.
    """
    callbacks: list[keras.callbacks.Callback] = [DrawBatches(batches, job.after_step)]
    if job.recipe.schedule == "one_cycle":
        callbacks.append(cycle)
    if keras.distribution.distribution():
        callbacks.append(CorrectLoss(batches.n_rows))
    callbacks += [ReportEpoch(job, read), *job.callbacks]
    if job.checkpoint is not None:
        callbacks.append(SaveState(job))
    return callbacks


def _look_at_batches(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Return whether callbacks have a method that is called for each batch."""
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in hooks
    )


class PaddedBatches(keras.utils.PyDataset):
    """Batches as a dataset of Keras."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        """Return one batch, or the rows of it that this process trains on."""
        return share(self.batches[index])


class DrawBatches(keras.callbacks.Callback):
    """Draws the batches of each epoch, and hands on which share of them is done."""

    def __init__(self, batches: Batches, after_step: Callable[[int, float], None] | None) -> None:
        super().__init__()
        self.batches, self.after_step = batches, after_step

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Draw the batches, unless they are those of this epoch."""
        if epoch != self.batches.epoch:
            self.batches.go_to(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Report the batches before this one. After a batch, Keras would wait for its loss."""
        if batch and self.after_step is not None:
            self.after_step(self.batches.epoch, batch / len(self.batches))


class ReportEpoch(keras.callbacks.Callback):
    """Hands the loss and the weights of each epoch to `after_epoch`, which decides whether to continue."""

    def __init__(self, job: Job, read: Callable[[], Weights]) -> None:
        super().__init__()
        self.after_epoch, self.start, self.history, self.read = (
            job.after_epoch, job.weights, job.history, read,
        )  # fmt: skip

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stop the training if `after_epoch` returns False; add what it has recorded to the logs."""
        logs = {} if logs is None else logs
        if not self.after_epoch(epoch, float(logs["loss"]), lambda: self.start | self.read()):
            self.model.stop_training = True
        logs.update({name: values[-1] for name, values in self.history.items() if name != "loss"})


class OneCycle(keras.callbacks.Callback):
    """Sets the learning rate of schedule="one_cycle".

    As a schedule in the optimizer, it would be part of the traced model, which could then not be used for the
    next fit; called for each step, it takes milliseconds.

    Parameters
    ----------
    recipe : Recipe
        Has the rate of each step.
    each_batch : bool, default=True
        Whether the optimizer gets the rate of each step, and not only that of the last step of an epoch.
    """

    def __init__(self, recipe: Recipe, *, each_batch: bool = True) -> None:
        super().__init__()
        self.recipe, self.each_batch, self.done = recipe, each_batch, 0
        self.rate, self.warns = recipe.learning_rate, True  # the rate that was set last

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Note the learning rate, which may be that of a checkpoint."""
        self.rate = float(_array(self.model.optimizer.learning_rate))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Note how many steps are done."""
        self.done = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate of a step."""
        if batch == 0 and self.warns:
            self._warn_of_another_schedule(float(_array(self.model.optimizer.learning_rate)))
        self.rate = self.recipe.rate(self.done + batch, self.params["epochs"] * self.params["steps"])
        if self.each_batch or batch == self.params["steps"] - 1:
            self.model.optimizer.learning_rate = self.rate

    def _warn_of_another_schedule(self, found: float) -> None:
        if not np.isclose(found, self.rate, rtol=1e-5, atol=0):
            self.warns = False
            warnings.warn(
                'A callback has set the learning rate, but schedule="one_cycle" sets it before each step. '
                'Set schedule="constant" to let callbacks change it.',
                UserWarning,
                stacklevel=2,
            )


# -- the model --------------------------------------------------------------------------------------


@contextmanager
def borrowed_model(job: Job) -> Iterator[keras.Model]:
    """Lend a compiled model in the state of a new one: the one that was trained last, if it fits.

    A model that the user's callbacks have seen is not used again, and neither is one whose training failed.
    """
    spec, recipe = job.spec, job.recipe
    distribution = keras.distribution.distribution()
    layer: Any = recurrent_layer(spec, recipe)  # SKRNN_COMPILED may have changed
    layer = by_rows(layer, distribution)
    key = spec, recipe.compiled, layer, is_sampled(spec), distribution
    with _lock:  # a training has the model to itself; a second one builds another
        found = _last_model.pop(key, None)
        _last_model.clear()
    if found is None:
        model = training_model(spec, job.weights, recipe, layer)
        # each variable of a new optimizer holds one number everywhere
        start = {name: _array(v).flat[0] for name, v in optimizer_variables(model.optimizer).items()}
    else:
        model, start = found
    reset(model, start, job.weights, recipe)
    yield model
    if not job.callbacks:
        with _lock:
            _last_model.clear()
            _last_model[key] = model, start


def training_model(
    spec: Spec, weights: Weights, recipe: Recipe, layer: type[keras.layers.Layer]
) -> keras.Model:
    """Return a new compiled model for training, with recurrent layers of a class."""
    model = network(spec, weights, recipe, recurrent=layer, training=True, sampled=is_sampled(spec))
    rate = 1.0 if HEADS[spec.head].predicts_ids else EMBEDDING_RATE
    optimizer = make_optimizer(recipe.optimizer, recipe.learning_rate, training=True, embedding_rate=rate)
    compiles = keras.backend.backend() == "jax"  # otherwise Keras runs JAX operation by operation
    model.compile(optimizer=optimizer, loss=training_loss(spec, recipe), jit_compile=compiles)
    model.optimizer.build(model.trainable_variables)
    return model


@default_settings()
def compiled_model(spec: Spec, weights: Weights, recipe: Recipe, length: int | None) -> keras.Model:
    """Return a compiled model for users of Keras.

    Parameters
    ----------
    spec : Spec
        The architecture.
    weights : dict of str to ndarray
        Its weights.
    recipe : Recipe
        Dropout, optimizer and learning rate.
    length : int or None
        Number of columns of the input.

    Returns
    -------
    model : keras.Model
    """
    model = network(spec, weights, recipe, length=length)
    head = HEADS[spec.head]
    loss = "sparse_categorical_crossentropy" if head.predicts_ids else head.loss
    optimizer = make_optimizer(recipe.optimizer, recipe.learning_rate, training=False)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when it loads a saved model
    return model


def reset(model: keras.Model, start: dict[str, Any], weights: Weights, recipe: Recipe) -> None:
    """Put a model into the state of a new one."""
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    for name, variable in optimizer_variables(model.optimizer).items():
        variable.assign(np.full(variable.shape, start[name]))
    model.optimizer.learning_rate = recipe.learning_rate
    generators = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for i, variable in enumerate(generators):
        variable.assign(np.array([(recipe.seed + 0x9E3779B9 * (i + 1)) % 2**31, 0], np.uint32))


def read_weights(model: keras.Model) -> Weights:
    """Return copies of the weights of a network as NumPy arrays."""
    return {name: _array(v).astype(np.float32, copy=False) for name, v in variables(model).items()}


def _array(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


# -- checkpoints ------------------------------------------------------------------------------------


class SaveState(keras.callbacks.Callback):
    """Saves the state of a training to its checkpoint after each epoch."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.checkpoint = job.checkpoint

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint."""
        if self.checkpoint is not None:
            arrays = [_array(v) for v in _state(self.model)]
            self.checkpoint.write(epoch, arrays, stopped=self.model.stop_training)


def _epochs_done(job: Job, model: keras.Model, batches: Batches, in_steps: bool) -> int:
    """Restore the state of a checkpoint and return how many epochs need not be trained again."""
    if job.checkpoint is None and not several_processes():
        return 0
    identity = _identity(job, model, batches, in_steps)
    state = None if job.checkpoint is None else job.checkpoint.read(identity)
    require_agreement(identity | {"the epochs in the checkpoint": str(state and state["epoch"])})
    if state is None:
        return 0
    for variable, array in zip(_state(model), state["arrays"], strict=True):
        variable.assign(array)
    return job.recipe.epochs if state["stopped"] else state["epoch"]


def _state(model: keras.Model) -> list[Any]:
    """Return the variables that training changes: weights, seeds of dropout, state of the optimizer."""
    return [v for layer in model.layers for v in layer.variables] + model.optimizer.variables


def _identity(job: Job, model: keras.Model, batches: Batches, in_steps: bool) -> dict[str, Any]:
    """Return what a training depends on, each value under the name that an error message shows."""
    backend = keras.backend.backend()
    settings = model.optimizer.get_config() | {"name": ""}  # Keras counts the optimizers of a process in it
    versions = [keras.__version__, backend, getattr(sys.modules[backend], "__version__", ""), np.__version__]
    return {
        "the texts, targets or weights": joblib.hash(job.examples),
        "batch_size": joblib.hash(batches.buckets),
        "random_state": str(job.recipe.seed),
        "the initial weights": joblib.hash(job.weights),
        "optimizer or learning_rate": joblib.hash([type(model.optimizer).__name__, settings]),
        "schedule": job.recipe.schedule,
        "label_smoothing": str(job.recipe.label_smoothing),
        "dropout, noise, r_drop or what is frozen": f"{job.recipe.compiled}, {job.recipe.noise}",
        "epochs": str(job.recipe.epochs),
        "the architecture": repr(job.spec),
        "SKRNN_COMPILED or what it allows": str(in_steps),
        "the versions of Keras, its backend or NumPy": " ".join(versions),
    }
