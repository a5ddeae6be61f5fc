"""Stages 2 to 5 as Keras layers: a Spec to a keras.Model. Keras is imported here and in training only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from skrnn.ragged import PAD
from skrnn.spec import EPSILON, TOKEN_HEADS, Spec, Weights
from skrnn.train.self_attention import Block, Last, Positions
from skrnn.train.tensorflow import recurrent_layer

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


class IdsHead(keras.layers.Layer):
    """Logits of ids, by a kernel of its own or the rows of an embedding (Press & Wolf 2017).

    In training the softmax over a large vocabulary may be sampled, of some candidates only. The batch's own
    targets are among them for sure, the others stand for all that are not; an offset of ``-log(probability of
    being drawn)`` on their logits makes the sum over candidates an unbiased estimate of the sum over all
    (Bengio & Senecal 2008; Jean et al. 2015).

    Parameters
    ----------
    n_ids : int
        How many.
    embedding : keras.layers.Embedding, default=None
        Built before; its weights stay its own.
    **kwargs
        Of keras.layers.Layer.
    """

    def __init__(self, n_ids: int, embedding: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.n_ids, self.tied = n_ids, embedding is not None
        self._rows = lambda: embedding.embeddings  # a function: Keras does not count it as a weight of ours

    def build(self, x_shape: tuple, candidates_shape: Any = None, offsets_shape: Any = None) -> None:
        """Make the weights."""
        if not self.tied:
            self.kernel = self.add_weight((x_shape[-1], self.n_ids), initializer="zeros", name="kernel")
        self.bias = self.add_weight((self.n_ids,), initializer="zeros", name="bias")

    def call(self, x: Any, candidates: Any = None, offsets: Any = None) -> Any:
        """Return logits (..., n) of vectors (..., d); candidates and offsets (b, n) have equal rows."""
        if candidates is None:
            return ops.matmul(x, ops.transpose(self._rows()) if self.tied else self.kernel) + self.bias
        ids = candidates[0]
        kernel = (
            ops.transpose(ops.take(self._rows(), ids, axis=0))
            if self.tied
            else ops.take(self.kernel, ids, axis=1)
        )
        return ops.matmul(x, kernel) + ops.take(self.bias, ids) + offsets[0]


class Builder:
    """One network under construction: hands every random layer a seed of its own, which training replaces."""

    def __init__(self, spec: Spec, *, training: bool = False) -> None:
        self.spec, self.seed = spec, 0
        self.recurrent = recurrent_layer(spec, training=training)

    def next_seed(self) -> int:
        """Return a seed that no other layer has."""
        self.seed = (self.seed + 0x9E3779B9) % 2**31
        return self.seed

    def dropout(self, x: Any, name: str) -> Any:
        """Return x with a share of its values zeroed in training."""
        if not self.spec.dropout:
            return x
        layer = keras.layers.Dropout(
            self.spec.dropout, seed=self.next_seed(), dtype=FLOAT, name=f"{name}_dropout"
        )
        return layer(x)

    def dense(self, units: int, activation: str, name: str) -> keras.layers.Dense:
        """Return a linear layer with an activation."""
        return keras.layers.Dense(
            units, activation=activation, kernel_initializer="zeros", dtype=FLOAT, name=name
        )

    def run(
        self, name: str, x: Any, mask: Any, *, sequences: bool, start: list | None = None
    ) -> tuple[Any, Any]:
        """Return the states of one direction, (b, t, u) or None, and the last ones, (b, u)."""
        reverse = name.startswith("backward")
        cell = self.recurrent(
            self.spec.rnn_units,
            activation=self.spec.rnn_activation,
            recurrent_dropout=self.spec.recurrent_dropout,
            return_sequences=sequences,
            return_state=sequences,
            go_backwards=reverse,
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
            seed=self.next_seed(),
            trainable=self.spec.frozen != "encoder" or name.startswith("decoder"),
            dtype=FLOAT,
            name=name,
        )
        out = cell(x, mask=mask, initial_state=start)
        if not sequences:
            return None, out
        return (ops.flip(out[0], axis=1) if reverse else out[0]), out[1]

    def both(self, level: int, x: Any, mask: Any, *, sequences: bool) -> tuple[Any, Any]:
        """Return the states of one recurrent layer, (b, t, w) or None, and the last ones, (b, w)."""
        runs = [self.run(f"{d}_{level}", x, mask, sequences=sequences) for d in self.spec.directions]
        sequence, last = zip(*runs, strict=True)
        return _join(sequence) if sequences else None, _join(last)

    def stack(self, x: Any, mask: Any, *, sequences: bool) -> tuple[Any, Any]:
        """Return the states of the top layer, (b, t, w) or None, and the last ones, (b, w)."""
        if self.spec.layer == "self_attention":
            return self.attend(x, mask)
        for level in range(self.spec.n_layers):
            needed = sequences or level < self.spec.n_layers - 1
            x, last = self.both(level, x, mask, sequences=needed)
        return x, last

    def attend(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the states of self-attention, (b, t, w), and those of the last tokens, (b, w)."""
        spec = self.spec
        own = {"trainable": spec.frozen != "encoder", "dtype": FLOAT}
        x = Positions(spec.rnn_units, name="positions", **own)(x, mask=mask)
        for level in range(spec.n_layers):
            block = Block(
                spec.n_heads,
                not spec.bidirectional,
                spec.rnn_activation,
                spec.recurrent_dropout,
                self.next_seed() if spec.recurrent_dropout else 0,
                name=f"block_{level}",
                **own,
            )
            x = block(x, mask=mask)
        x = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm", **own)(x)
        return x, Last(dtype=FLOAT, name="last")(x, mask=mask)

    def encoder(self, x: Any, mask: Any) -> Any:
        """Return the vector of stage 4, (b, n_components)."""
        x, last = self.stack(x, mask, sequences=self.spec.pooling != "last")
        return self.pooled(x, last, mask)

    def pooled(self, x: Any, last: Any, mask: Any) -> Any:
        """Return the vector of all states of the top layer, (b, t, w), and of the last ones, (b, w)."""
        spec = self.spec
        parts = [last] if spec.pooling in ("last", "concat") else []
        kinds = ("mean", "max") if spec.pooling == "concat" else (spec.pooling,)
        for kind in kinds:
            if kind != "last":
                name = "pooling" if kind == spec.pooling else f"pooling_{kind}"
                parts.append(Pooling(kind, dtype=FLOAT, name=name)(x, mask=mask))
        vector = _join(parts)
        if spec.n_components:
            vector = self.dense(spec.n_components, spec.activation, "projection")(vector)
        return vector

    def language_model(self, x: Any, mask: Any, *, sequences: bool) -> Any:
        """Return what predicts the next id: all forward states, (b, t, u), or the last one, (b, u)."""
        if self.spec.bidirectional:
            states, last = self.run("forward_0", x, mask, sequences=sequences)
        else:
            states, last = self.stack(x, mask, sequences=sequences)
        return states if sequences else last

    def backwards(self, x: Any, mask: Any) -> Any:
        """Return what predicts the id before: the backward states, (b, t, u)."""
        return self.run("backward_0", x, mask, sequences=True)[0]

    def decoder(self, x: Any, mask: Any, vector: Any) -> Any:
        """Return the decoder's states (b, t, u); it reads each previous id beside the vector."""
        vector = ops.expand_dims(vector, 1) * ops.ones_like(x[:, :, :1])  # (b, t, n_components)
        return self.run("decoder", ops.concatenate([x, vector], axis=-1), mask, sequences=True)[0]


def _join(parts: Sequence) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def network(
    spec: Spec,
    weights: Weights,
    *,
    length: int | None = None,
    training: bool = False,
    sampled: bool = False,
) -> keras.Model:
    """Build the network of a Spec, with the given weights.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    length : int, default=None
        Columns of the input; None for any.
    training : bool, default=False
        Whether it is to be trained: a language model then predicts at every step and in both directions,
        not the next id after the last step only.
    sampled : bool, default=False
        Whether a head that predicts ids does so among some candidates only, as in training with a large
        vocabulary; two more inputs then hold their ids and what is added to their logits.

    Returns
    -------
    model : keras.Model
        Ids, int32 (b, t), zero on the right where a text has ended, to the activated head, float32 (in
        training, logits of a head that predicts ids). An
        autoencoder takes [ids, ids with a boundary before them], and so does a language model of two
        directions [ids with a boundary before them, ids with one after them].
    """
    build = Builder(spec, training=training)
    ids = keras.Input((length,), dtype="int32", name="ids")
    inputs = [ids]
    embedding = keras.layers.Embedding(
        spec.n_ids,
        spec.embedding_dim,
        embeddings_initializer="zeros",
        trainable=spec.frozen == "nothing",
        dtype=FLOAT,
        name="embedding",
    )

    def embed(ids: Any, name: str) -> tuple[Any, Any]:
        return build.dropout(embedding(ids), name), ops.not_equal(ids, PAD)

    if spec.head == "language_model":
        vector = build.language_model(*embed(ids, "embedding"), sequences=training)
        if training and spec.bidirectional:
            inputs.append(keras.Input((length,), dtype="int32", name="following"))
            vector = ops.concatenate([vector, build.backwards(*embed(inputs[1], "following"))], axis=1)
    else:
        vector = build.encoder(*embed(ids, "embedding"))
    if spec.head == "autoencoder":
        previous = keras.Input((None if length is None else length + 1,), dtype="int32", name="previous")
        inputs.append(previous)
        vector = build.decoder(*embed(previous, "previous"), vector)
    vector = build.dropout(vector, "vector")
    if spec.head in TOKEN_HEADS and spec.tied_embeddings:
        vector = build.dense(spec.head_width, "linear", "combine")(vector)
    if spec.head in TOKEN_HEADS and (training or spec.tied_embeddings):
        if sampled:
            inputs += [keras.Input((None,), dtype="int32", name="candidates"),
                       keras.Input((None,), dtype=FLOAT, name="offsets")]  # fmt: skip
        tied = embedding if spec.tied_embeddings else None
        vector = IdsHead(spec.n_outputs, tied, dtype=FLOAT, name="head")(vector, *inputs[-2:] * sampled)
        vector = vector if training else ops.softmax(vector)
    elif spec.head != "none":
        activation = _HEAD_ACTIVATION.get(spec.head, "softmax")
        vector = build.dense(spec.n_outputs, activation, "head")(vector)
    model = keras.Model(inputs if len(inputs) > 1 else ids, vector, name="skrnn")
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    return model


def variables(model: keras.Model) -> dict[str, Any]:
    """Return the weights of a network under the names of :func:`skrnn.spec.weight_shapes`."""
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
