"""Stages 2 to 5 as Keras layers: a Spec to a keras.Model. Keras is imported here and in training only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from skrnn.spec import Spec, Weights
from skrnn.tokens import PAD

_RECURRENT = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}
_HEAD_ACTIVATION = {"sigmoid": "sigmoid", "linear": "linear"}
FLOAT = "float32"


class Pooling(keras.layers.Layer):
    """Stage 4's compression of a masked sequence to its mean, its maximum or a learned mean.

    Parameters
    ----------
    kind : {"mean", "max", "attention"}
        How; "attention" as Yang et al. (2016), ``softmax(tanh(h W + b) c)``.
    **kwargs
        Of keras.layers.Layer.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.supports_masking = True

    def build(self, shape: tuple) -> None:
        """Make the weights of "attention"."""
        if self.kind == "attention":
            w = shape[-1]
            self.kernel = self.add_weight(shape=(w, w), initializer="zeros", name="kernel")
            self.bias = self.add_weight(shape=(w,), initializer="zeros", name="bias")
            self.context = self.add_weight(shape=(w,), initializer="zeros", name="context")

    def call(self, h: Any, mask: Any) -> Any:
        """Return (b, w) of states (b, t, w) and their mask (b, t)."""
        mask = ops.expand_dims(mask, -1)  # (b, t, 1)
        if self.kind == "max":
            return ops.max(ops.where(mask, h, -1e30), axis=1)
        if self.kind == "mean":
            weight = ops.cast(mask, h.dtype)
        else:
            score = ops.matmul(ops.tanh(ops.matmul(h, self.kernel) + self.bias), self.context[:, None])
            weight = ops.softmax(ops.where(mask, score, -1e30), axis=1)
        return ops.sum(h * weight, axis=1) / ops.sum(weight, axis=1)

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: the steps are gone."""

    def get_config(self) -> dict:
        """Return what builds the layer again."""
        return {**super().get_config(), "kind": self.kind}


class _Builder:
    """One network under construction: hands every random layer a seed of its own."""

    def __init__(self, spec: Spec, seed: int) -> None:
        self.spec, self.seed = spec, seed

    def next_seed(self) -> int:
        self.seed = (self.seed + 0x9E3779B9) % 2**31
        return self.seed

    def dropout(self, x: Any, name: str) -> Any:
        if not self.spec.dropout:
            return x
        layer = keras.layers.Dropout(
            self.spec.dropout, seed=self.next_seed(), dtype=FLOAT, name=f"{name}_dropout"
        )
        return layer(x)

    def dense(self, units: int, activation: str, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            units, activation=activation, kernel_initializer="zeros", dtype=FLOAT, name=name
        )

    def cell(self, name: str, *, sequences: bool, states: bool) -> Any:
        return _RECURRENT[self.spec.layer](
            self.spec.rnn_units,
            activation=self.spec.rnn_activation,
            recurrent_dropout=self.spec.recurrent_dropout,
            return_sequences=sequences,
            return_state=states,
            go_backwards=name.startswith("backward"),
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
            seed=self.next_seed(),
            dtype=FLOAT,
            name=name,
        )

    def layer(self, level: int, x: Any, mask: Any, *, sequences: bool) -> tuple[Any, Any]:
        """Return the states of one recurrent layer, (b, t, w) or None, and the last ones, (b, w)."""
        sequence, last = [], []
        for direction in self.spec.directions:
            cell = self.cell(f"{direction}_{level}", sequences=sequences, states=sequences)
            out = cell(x, mask=mask)
            if sequences:
                out, h = out[0], out[1]
                sequence.append(ops.flip(out, axis=1) if direction == "backward" else out)
                last.append(h)
            else:
                last.append(out)
        return _join(sequence), _join(last)

    def encoder(self, x: Any, mask: Any, *, sequences: bool) -> tuple[Any, Any]:
        """Return the sequence encoding (None where nothing asks for it) and the vector of stage 4."""
        spec = self.spec
        for level in range(spec.n_layers):
            top = level == spec.n_layers - 1
            needed = sequences or not top or spec.pooling != "last"
            x, last = self.layer(level, x, mask, sequences=needed)
        parts = [last] if spec.pooling in ("last", "concat") else []
        kinds = ("mean", "max") if spec.pooling == "concat" else (spec.pooling,)
        for kind in kinds:
            if kind != "last":
                name = "pooling" if kind == spec.pooling else f"pooling_{kind}"
                parts.append(Pooling(kind, dtype=FLOAT, name=name)(x, mask=mask))
        vector = _join(parts)
        if spec.n_components:
            vector = self.dense(spec.n_components, spec.activation, "projection")(vector)
        return x, vector


def _join(parts: list) -> Any:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def network(
    spec: Spec,
    weights: Weights,
    *,
    seed: int = 0,
    length: int | None = None,
    every_step: bool = False,
) -> keras.Model:
    """Build the network of a Spec, with the given weights.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    seed : int, default=0
        Of the dropout masks.
    length : int, default=None
        Columns of the input; None for any.
    every_step : bool, default=False
        For a language model, whether the head predicts after every id, as in training, or after the
        last one only.

    Returns
    -------
    model : keras.Model
        Ids, int32 (b, t), zero on the right where a text has ended, to the activated head, float32;
        an autoencoder takes [ids, ids with a boundary before them].
    """
    build = _Builder(spec, seed)
    ids = keras.Input((length,), dtype="int32", name="ids")
    embedding = keras.layers.Embedding(
        spec.n_ids,
        spec.embedding_dim,
        embeddings_initializer="zeros",
        trainable=spec.trainable_embeddings,
        dtype=FLOAT,
        name="embedding",
    )
    mask = ops.not_equal(ids, PAD)
    every_step = every_step and spec.head == "language_model"
    x = build.dropout(embedding(ids), "embedding")
    sequence, vector = build.encoder(x, mask, sequences=every_step)
    inputs: Any = ids
    if spec.head == "autoencoder":
        previous = keras.Input((None if length is None else length + 1,), dtype="int32", name="previous")
        inputs = [ids, previous]
        vector = _decode(build, embedding(previous), ops.not_equal(previous, PAD), vector)
    elif every_step:
        vector = sequence
    vector = build.dropout(vector, "vector")
    if spec.head != "none":
        activation = _HEAD_ACTIVATION.get(spec.head, "softmax")
        vector = build.dense(spec.n_outputs, activation, "head")(vector)
    model = keras.Model(inputs, vector, name="skrnn")
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    return model


def _decode(build: _Builder, x: Any, mask: Any, vector: Any) -> Any:
    """Return the decoder's states (b, t, u); it reads each previous id beside the vector."""
    vector = ops.expand_dims(vector, 1) * ops.ones_like(x[:, :, :1])  # (b, t, n_components)
    cell = build.cell("decoder", sequences=True, states=False)
    return cell(ops.concatenate([x, vector], axis=-1), mask=mask)


def variables(model: keras.Model) -> dict[str, Any]:
    """Return the weights of a network under the names of :func:`skrnn.spec.weight_shapes`."""
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
