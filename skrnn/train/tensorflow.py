"""Training tuned for TensorFlow: recurrent loops, Adam and the reading of batches. Each has a plain fallback.

TensorFlow runs a loop over steps as many small operations, which take most of the time on short texts, and
Keras' Adam reads and writes the weights eight times. Where :func:`skrnn.kernels.use_compiled` allows it, the
loop and its gradient are compiled (:mod:`skrnn.kernels`); the product of all inputs with the kernel stays one
operation of TensorFlow. On other backends and on GPUs, Keras does everything.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from skrnn.serve import CELLS
from skrnn.spec import Spec
from skrnn.threads import in_threads, n_parts
from skrnn.train.choice import compiles, on_cpu
from skrnn.train.compat import adam_moments, trainable_variables, variable_path
from skrnn.train.layers import KERAS_LAYERS
from skrnn.train.recipe import Recipe

MANY_ROWS = 2**16  # rows of an embedding: with more, a step updates only the rows that its batch has read


def recurrent_layer(spec: Spec, recipe: Recipe) -> type[keras.layers.Layer]:
    """Return the class of a recurrent layer for training: Keras' own, or one with a compiled loop.

    Parameters
    ----------
    spec : Spec
        The architecture.
    recipe : Recipe
        With recurrent dropout there is no compiled loop.
    """
    if compiles(spec, recipe, "The training"):
        return _compiled_layer(spec.cell)
    return KERAS_LAYERS[spec.cell]


def make_optimizer(
    name: str, learning_rate: float, *, training: bool, embedding_rate: float = 1.0
) -> keras.optimizers.Optimizer:
    """Return an optimizer that clips gradients to a global norm of 1.

    Parameters
    ----------
    name : str
        Name of a Keras optimizer.
    learning_rate : float
        Its step size.
    training : bool
        Whether it is for training here. Adam is then one operation for each weight, with the same arithmetic;
        for an embedding of 65,536 rows or more, a step updates only the rows that its batch has read.
    embedding_rate : float, default=1.0
        Factor of the learning rate of the embedding. Each row has few examples and starts from vectors
        that already hold information.
    """
    kind = type(keras.optimizers.get(name))
    if training and kind is keras.optimizers.Adam and on_cpu("The training"):
        kind = _fused_adam()
    if embedding_rate != 1.0:
        kind = _with_embedding_rate(kind, embedding_rate)
    return kind(learning_rate=learning_rate, global_clipnorm=1.0)


def _with_embedding_rate(
    kind: type[keras.optimizers.Optimizer], rate: float
) -> type[keras.optimizers.Optimizer]:
    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        share = rate if variable_path(self, variable).startswith("embedding/") else 1.0
        kind.update_step(self, gradient, variable, learning_rate * share)

    return type(kind.__name__, (kind,), {"update_step": update_step})


@cache
def _fused_adam() -> type[keras.optimizers.Adam]:
    import tensorflow as tf

    def clip_gradients(self: Any, gradients: list) -> list:
        """Clip as Keras does, but leave the gradient of a large embedding sparse, each row once."""
        for i, (gradient, variable) in enumerate(zip(gradients, trainable_variables(self), strict=True)):
            if isinstance(gradient, tf.IndexedSlices) and variable.shape[0] >= MANY_ROWS:
                rows, places = tf.unique(gradient.indices)
                values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
                gradients[i] = tf.IndexedSlices(values, rows, gradient.dense_shape)
            elif gradient is not None:
                gradients[i] = tf.convert_to_tensor(gradient)
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)
        variables = variable, *adam_moments(self, variable)
        var, m, v = ((x if isinstance(x, tf.Variable) else x.value).handle for x in variables)
        beta1_power, beta2_power = self.beta_1**step, self.beta_2**step
        if not isinstance(gradient, tf.IndexedSlices):
            tf.raw_ops.ResourceApplyAdam(
                var=var, m=m, v=v, grad=tf.convert_to_tensor(gradient),
                lr=tf.convert_to_tensor(learning_rate), beta1=self.beta_1, beta2=self.beta_2,
                epsilon=self.epsilon, beta1_power=beta1_power, beta2_power=beta2_power,
            )  # fmt: skip
            return
        rows, values = gradient.indices, gradient.values

        def moved(slot: Any, value: Any, beta: float) -> Any:
            """Move some rows of a moment towards a value and return them."""
            new = tf.raw_ops.ResourceGather(resource=slot, indices=rows, dtype=value.dtype)
            new += (value - new) * (1 - beta)
            tf.raw_ops.ResourceScatterUpdate(resource=slot, indices=rows, updates=new)
            return new

        first, second = moved(m, values, self.beta_1), moved(v, values * values, self.beta_2)
        rate = learning_rate * tf.sqrt(1 - beta2_power) / (1 - beta1_power)
        change = rate * first / (tf.sqrt(second) + self.epsilon)
        tf.raw_ops.ResourceScatterSub(resource=var, indices=rows, updates=change)

    own = {"update_step": update_step, "_clip_gradients": clip_gradients}
    return type("Adam", (keras.optimizers.Adam,), own)


def as_dataset(batches: keras.utils.PyDataset) -> Any:
    """Return batches as a tf.data.Dataset; for other backends return them unchanged.

    The dataset that Keras makes itself is tuned by a thread that sleeps for up to a minute, and
    the end of an epoch often waits for it.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    data = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, range(len(batches))),
        output_signature=tf.nest.map_structure(lambda a: tf.TensorSpec([None] * a.ndim, a.dtype), batches[0]),
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2).with_options(options)


def set_eager(eager: bool) -> bool:
    """Set whether functions of TensorFlow run eagerly, and return what was set; on other backends False."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eager)
    return before


@cache
def _compiled_layer(cell: str) -> type[keras.layers.RNN]:
    """Return the Keras layer of a cell, with a compiled loop over the steps."""
    base, formula = KERAS_LAYERS[cell], CELLS[cell]

    def inner_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple:
        """Return the last output, all outputs in the order of reading, and the last states, as Keras does."""
        u = self.units
        names = formula.weight_shapes(1, u)
        weights = {name: getattr(self.cell, name) + 0.0 for name in names}  # custom_gradient takes tensors
        kernel, bias, *inside = formula.merged(weights, ops)
        x = ops.matmul(sequences, kernel) + bias  # (b, t, n)
        counts = ops.sum(ops.cast(mask[0] if isinstance(mask, (list, tuple)) else mask, "int64"), axis=1)
        first = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        states, *last = _loop(cell, self.go_backwards, x, *inside, counts, *first)
        states = ops.reshape(states, (-1, sequences.shape[1] or ops.shape(sequences)[1], u))
        last = [ops.reshape(state, (-1, like.shape[1])) for state, like in zip(last, first, strict=True)]
        return last[0], ops.flip(states, axis=1) if self.go_backwards else states, last

    return type(base.__name__, (base,), {"inner_loop": inner_loop})


def _loop(cell: str, reverse: bool, *inputs: Any) -> Any:
    """Return the states (b, t, u) and the last states, (b, n u) each, with their gradient."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(x: Any, recurrent: Any, inner: Any, counts: Any, *first: Any) -> Any:
        n = len(first)
        out = tf.numpy_function(
            partial(_forward, cell, reverse), [x, recurrent, inner, counts, *first], [tf.float32] * (3 + n)
        )
        sequence, saved, states, *last = out

        def gradient(d_states: Any, *d_last: Any) -> Any:
            arguments = [recurrent, inner, counts, first[0], sequence, saved, d_states, *d_last]
            dx, d_recurrent, d_inner, *d_first = tf.numpy_function(
                partial(_backward, cell, reverse, x.shape[-1]), arguments, [tf.float32] * (3 + n)
            )
            given = (x, recurrent, inner, *first)
            for array, like in zip((dx, d_recurrent, d_inner, *d_first), given, strict=True):
                array.set_shape(like.shape)
            return dx, d_recurrent, d_inner, None, *d_first

        return (states, *last), gradient

    return run(*inputs)


def _forward(
    cell: str,
    reverse: bool,
    x: np.ndarray,
    recurrent: np.ndarray,
    inner: np.ndarray,
    counts: np.ndarray,
    *first: np.ndarray,
) -> list[np.ndarray]:
    """Return what the gradient needs, and the states (b, t, u) of padded rows, zero for padding."""
    from skrnn.train.loop import Loop, saved_per_unit

    (b, t, width), u = x.shape, first[0].shape[1]
    n_ids = int(counts.sum())
    sequence = np.empty((n_ids, u), np.float32)
    saved = np.empty((n_ids, saved_per_unit(cell) * u), np.float32)
    states, last = np.zeros((b * t, u), np.float32), [np.empty_like(state) for state in first]
    loop = Loop(cell, recurrent, inner, reverse=reverse)

    def read(part: Part) -> None:
        run = loop.read(
            x.reshape(b * t, width),
            part.places,
            part.starts,
            [state[part.rows] for state in first],
            pool=False,
        )
        sequence[part.own], saved[part.own], states[part.places] = run.sequence, run.saved, run.sequence
        for state, end in zip(last, run.last, strict=True):
            state[part.rows] = end

    in_threads(read, _parts(counts, t))
    return [sequence, saved, states.reshape(b, t, u), *last]


def _backward(
    cell: str, reverse: bool, width: int, recurrent: np.ndarray, inner: np.ndarray, counts: np.ndarray,
    first: np.ndarray, sequence: np.ndarray, saved: np.ndarray, d_states: np.ndarray, *d_last: np.ndarray,
) -> list[np.ndarray]:  # fmt: skip
    """Return the gradients of x, the recurrent kernel, the bias inside a gate, and the first states."""
    from skrnn.train.loop import Loop, Run

    b, t, u = d_states.shape
    d_states, padded = d_states.reshape(b * t, u), np.zeros((b * t, width), np.float32)
    d_first = [np.empty_like(state) for state in d_last]
    loop = Loop(cell, recurrent, inner, reverse=reverse)

    def go_back(part: Part) -> tuple[np.ndarray, np.ndarray]:
        run = Run(part.starts, [first[part.rows]], sequence[part.own], saved[part.own])
        dx, d_recurrent, d_inner, ends = loop.gradients(
            run, d_states[part.places], [state[part.rows] for state in d_last], width
        )
        padded[part.places] = dx
        for state, end in zip(d_first, ends, strict=True):
            state[part.rows] = end
        return d_recurrent, d_inner

    found = in_threads(go_back, _parts(counts, t))
    d_recurrent, d_inner = (np.sum(parts, axis=0) for parts in zip(*found, strict=True))
    return [padded.reshape(b, t, width), d_recurrent, d_inner, *d_first]


class Part(NamedTuple):
    """Some rows of a padded batch (b, t), packed step by step, the longest row first."""

    rows: np.ndarray  # the row numbers
    places: np.ndarray  # (n_ids,), the place of each id in the batch
    starts: np.ndarray  # where each step begins among the ids
    own: slice  # the ids of this part among those of all parts


def _parts(counts: np.ndarray, width: int) -> list[Part]:
    """Divide the rows of a batch, whose lengths are given; the parts do not depend on the threads."""
    order = np.argsort(-counts, kind="stable")
    n, parts = n_parts(len(counts)), list[Part]()
    for k in range(n):
        rows = order[k::n]
        active = (counts[rows, None] > np.arange(width)).sum(axis=0)
        active = active[active > 0]
        starts = np.concatenate([[0], np.cumsum(active)])
        step = np.repeat(np.arange(len(active)), active)
        places = rows[np.arange(len(step)) - starts[step]] * width + step
        begin = parts[-1].own.stop if parts else 0
        parts.append(Part(rows, places, starts, slice(begin, begin + len(places))))
    return parts
