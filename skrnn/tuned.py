"""What of training is tuned for TensorFlow on a CPU: the loop of the recurrent layers, and Adam.

TensorFlow runs a loop over steps as many small operations, which is most of the time of a training on short
texts, and Keras' Adam passes over the weights eight times. Where Numba is installed and the layer is of the
usual kind, the loop and its gradient are those of :mod:`skrnn.compiled`; the product of all inputs with the
kernel stays one operation of TensorFlow. Elsewhere Keras does it all.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
from keras import ops

from skrnn.spec import Spec

_LAYERS = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}
MANY_ROWS = 2**16  # of an embedding: where it has more, a step moves those rows alone that its batch has read
_SAVED = {"simple_rnn": 0, "gru": 4, "lstm": 5}  # numbers a unit and step that the gradient needs, beside h


def recurrent_layer(spec: Spec, *, training: bool) -> type[keras.layers.Layer]:
    """Return the class of a recurrent layer: Keras' own, or in training one with a compiled loop.

    Parameters
    ----------
    spec : Spec
        The network.
    training : bool
        Whether it is to be trained.
    """
    usual = spec.rnn_activation == "tanh" and not spec.recurrent_dropout
    if not (training and usual and find_spec("numba") and _on_cpu()):
        return _LAYERS[spec.cell]
    import skrnn.compiled  # noqa: F401  # now: its BLAS is limited to a thread when the training begins

    return _compiled_layer(spec.cell)


EMBEDDING_RATE = 0.3  # of the learning rate, for embeddings that labels are learned with


def optimizer(
    name: str, learning_rate: float, *, training: bool, embedding_rate: float = 1.0
) -> keras.optimizers.Optimizer:
    """Return an optimizer that clips gradients to a global norm of 1.

    Parameters
    ----------
    name : str
        Of a Keras optimizer.
    learning_rate : float
        Its step size.
    training : bool
        Whether it is to train: Adam is then one operation a weight, of the same arithmetic; but of an
        embedding of 65,536 rows or more it moves those rows alone that a batch has read.
    embedding_rate : float, default=1.0
        What the learning rate of the embedding is multiplied by: it has few examples a row, and starts from
        vectors that know more of a word than they say.
    """
    kind = type(keras.optimizers.get(name))
    if training and kind is keras.optimizers.Adam and _on_cpu():
        kind = _fused_adam()
    if embedding_rate != 1.0:
        kind = _slower_embedding(kind, embedding_rate)
    return kind(learning_rate=learning_rate, global_clipnorm=1.0)


def _slower_embedding(
    kind: type[keras.optimizers.Optimizer], rate: float
) -> type[keras.optimizers.Optimizer]:
    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        path = self._trainable_variables[self._get_variable_index(variable)].path
        share = rate if path.startswith("embedding/") else 1.0
        kind.update_step(self, gradient, variable, learning_rate * share)

    return type(kind.__name__, (kind,), {"update_step": update_step})


@cache
def _fused_adam() -> type[keras.optimizers.Adam]:
    import tensorflow as tf

    def clip_gradients(self: Any, gradients: list) -> list:
        """Return what Keras' method does; the gradient of many rows is left as that of some, each once."""
        for i, (gradient, variable) in enumerate(zip(gradients, self._trainable_variables, strict=True)):
            if isinstance(gradient, tf.IndexedSlices) and variable.shape[0] >= MANY_ROWS:
                rows, places = tf.unique(gradient.indices)
                values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
                gradients[i] = tf.IndexedSlices(values, rows, gradient.dense_shape)
            elif gradient is not None:
                gradients[i] = tf.convert_to_tensor(gradient)
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)
        slots = self._momentums[index], self._velocities[index]
        var, m, v = ((x if isinstance(x, tf.Variable) else x.value).handle for x in (variable, *slots))
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
            """Return the rows of a moment after a step towards a value, and keep them."""
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


def _on_cpu() -> bool:
    if keras.backend.backend() != "tensorflow" or keras.distribution.distribution():
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")  # cuDNN has a loop of its own


def _compiled_layer(kind: str) -> type[keras.layers.Layer]:
    def inner_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple:
        """Return what Keras' method does: the last state, all in the order of reading, the last states."""
        cell, u = self.cell, self.units
        recurrent, bias = cell.recurrent_kernel + 0.0, cell.bias + 0.0  # custom_gradient wants no variables
        inner = bias[:1]  # of no effect on these cells
        if kind == "gru":  # the recurrent bias of z and r adds up; that of h is inside the gate
            inner = bias[1, 2 * u :]
            bias = bias[0] + ops.concatenate([bias[1, : 2 * u], ops.zeros(u)])
        x = ops.matmul(sequences, cell.kernel) + bias  # (b, t, g u)
        counts = ops.sum(ops.cast(mask[0] if isinstance(mask, (list, tuple)) else mask, "int64"), axis=1)
        first = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        states, *last = _loop(kind, self.go_backwards, x, recurrent, inner, counts, *first)
        states = ops.reshape(states, (-1, sequences.shape[1] or ops.shape(sequences)[1], u))
        last = [ops.reshape(state, (-1, u)) for state in last]
        return last[0], ops.flip(states, axis=1) if self.go_backwards else states, last

    base = _LAYERS[kind]
    return type(base.__name__, (base,), {"inner_loop": inner_loop})


def _loop(kind: str, reverse: bool, *inputs: Any) -> Any:
    """Return the states (b, t, u) and the last ones, (b, u) each, with their gradient."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(x: Any, recurrent: Any, inner: Any, counts: Any, *first: Any) -> Any:
        n = len(first)
        out = tf.numpy_function(
            partial(_forward, kind, reverse), [x, recurrent, inner, counts, *first], [tf.float32] * (3 + n)
        )
        sequence, saved, states, *last = out

        def gradient(d_states: Any, *d_last: Any) -> Any:
            arguments = [recurrent, counts, *first[:1], sequence, saved, d_states, *d_last]
            dx, d_recurrent, d_inner, *d_first = tf.numpy_function(
                partial(_backward, kind, reverse), arguments, [tf.float32] * (3 + n)
            )
            given = (x, recurrent, inner, *first)
            for array, like in zip((dx, d_recurrent, d_inner, *d_first), given, strict=True):
                array.set_shape(like.shape)
            return dx, d_recurrent, d_inner, None, *d_first

        return (states, *last), gradient

    return run(*inputs)


def _forward(
    kind: str,
    reverse: bool,
    x: np.ndarray,
    recurrent: np.ndarray,
    inner: np.ndarray,
    counts: np.ndarray,
    *first: Any,
) -> list[np.ndarray]:
    """Return what the gradient needs and the states (b, t, u) of padded rows, zero where they have ended."""
    (b, t, width), u = x.shape, len(recurrent)
    order, index, starts = _packed(counts, t)
    last = [state[order] for state in first]
    sequence = np.empty((len(index), u), np.float32)
    saved = np.empty((len(index), _SAVED[kind] * u), np.float32)
    nothing = np.empty((0, u), np.float32)
    _compiled(kind)(
        x.reshape(b * t, width), index, starts, recurrent, inner, np.float32(0.5), 3 * u, 2 * u, reverse,
        last[0], last[-1], sequence, saved, nothing, nothing,
    )  # fmt: skip
    states = np.zeros((b * t, u), np.float32)
    states[index] = sequence
    return [sequence, saved, states.reshape(b, t, u), *(_unsorted(state, order) for state in last)]


def _backward(
    kind: str, reverse: bool, recurrent: np.ndarray, counts: np.ndarray, first: np.ndarray,
    sequence: np.ndarray, saved: np.ndarray, d_states: np.ndarray, *d_last: np.ndarray,
) -> list[np.ndarray]:  # fmt: skip
    """Return the gradients of x, the recurrent kernel, the bias inside a gate, and the first states."""
    b, t, u = d_states.shape
    order, index, starts = _packed(counts, t)
    gradients = [state[order] for state in d_last]
    dx = np.empty((len(index), recurrent.shape[1]), np.float32)
    d_rec = np.empty_like(dx) if kind == "gru" else dx
    d_recurrent = _compiled(f"backward_{kind}")(
        starts, recurrent, reverse, first[order], sequence, saved, d_states.reshape(b * t, u)[index],
        gradients[0], gradients[-1], dx, d_rec,
    )  # fmt: skip
    d_inner = d_rec[:, 2 * u :].sum(axis=0) if kind == "gru" else np.zeros(1, np.float32)
    padded = np.zeros((b * t, dx.shape[1]), np.float32)
    padded[index] = dx
    return [padded.reshape(b, t, -1), d_recurrent, d_inner, *(_unsorted(state, order) for state in gradients)]


def _packed(counts: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows from long to short, the places (in b x t) of ids by steps, and where steps begin."""
    order = np.argsort(-counts, kind="stable")
    active = (counts[:, None] > np.arange(width)).sum(axis=0)
    active = active[active > 0]
    starts = np.concatenate([[0], np.cumsum(active)])
    step = np.repeat(np.arange(len(active)), active)
    return order, order[np.arange(len(step)) - starts[step]] * width + step, starts


def _compiled(name: str) -> Any:
    from skrnn.compiled import loop  # Numba may be missing

    return loop(name)


def _unsorted(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    out = np.empty_like(rows)
    out[order] = rows
    return out
