"""Stages 2 to 5 as a Keras model, built from a Spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from skrnn.ragged import PAD
from skrnn.serve import CELLS, head_width
from skrnn.spec import Spec, Weights
from skrnn.targets import HEADS
from skrnn.train.layers import (
    FLOAT,
    KERAS_LAYERS,
    DecoderAttention,
    IdsHead,
    MeanPooling,
    NGrams,
    TiedEmbedding,
    pool,
)
from skrnn.train.recipe import Recipe
from skrnn.train.self_attention import read_by_self_attention


def network(
    spec: Spec,
    weights: Weights,
    recipe: Recipe | None = None,
    *,
    length: int | None = None,
    recurrent: type[keras.layers.Layer] | None = None,
    training: bool = False,
    sampled: bool = False,
) -> keras.Model:
    """Build the network of a Spec, with the given weights.

    Parameters
    ----------
    spec : Spec
        The architecture.
    weights : dict of str to ndarray
        Its weights.
    recipe : Recipe, default=None
        Dropout, and what training leaves unchanged. None for no dropout.
    length : int, default=None
        Number of columns of the input; None for any.
    recurrent : type, default=None
        The class of recurrent layers; None for that of Keras.
    training : bool, default=False
        Whether the model is for training. A language model then predicts at each step and in both directions,
        not only after the last step, and heads that predict ids return logits.
    sampled : bool, default=False
        Whether a head that predicts ids does so among some candidates. Two more inputs then hold the
        candidate ids and the offsets of their logits.

    Returns
    -------
    model : keras.Model
        Takes ids, int32 (b, t), with zeros on the right as padding, and returns the activated head, float32.
        An autoencoder takes [ids, previous ids], with a boundary before the text. In training, a
        bidirectional language model takes [ids after a boundary, ids before a boundary]. A "seq2seq" model
        takes [ids of the source, previous ids of the target] and returns (b, s, n_outputs).
    """
    recurrent = recurrent or KERAS_LAYERS[spec.cell]
    build = Builder(spec, recipe or Recipe(), recurrent, length, training=training, sampled=sampled)
    outputs = build.text_to_text() if spec.head == "seq2seq" else build.text_to_head()
    inputs = build.inputs
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name="skrnn")
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    return model


def variables(model: keras.Model) -> dict[str, Any]:
    """Return the weights of a network under the names of :func:`skrnn.serve.weights.weight_shapes`."""
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}


class Builder:
    """One network under construction.

    Parameters
    ----------
    spec, recipe, recurrent, length, training, sampled
        As for :func:`network`.
    """

    def __init__(
        self,
        spec: Spec,
        recipe: Recipe,
        recurrent: type[keras.layers.Layer],
        length: int | None,
        *,
        training: bool,
        sampled: bool,
    ) -> None:
        self.spec, self.recipe, self.recurrent, self.length = spec, recipe, recurrent, length
        self.training, self.sampled = training, sampled
        self.encoder_is_frozen = recipe.frozen == "encoder"
        self.inputs: list[Any] = []
        self.seed = 0

    # -- the networks --------------------------------------------------------------------------

    def text_to_head(self) -> Any:
        """Return the output for one text: its label, its number, or its own ids."""
        spec = self.spec
        ids = self.input("ids", self.length)
        embedding = self.embedding(spec.n_ids, "embedding")
        if spec.head == "language_model":
            vector = self.next_and_previous(ids, embedding)
        else:
            x = self.dropout(embedding(ids), "embedding")
            vector = self.encode(x, ids)
        if spec.head == "autoencoder":
            previous = self.input("previous", None if self.length is None else self.length + 1)
            x = self.dropout(embedding(previous), "previous")
            vector = self.decode_vector(x, ops.not_equal(previous, PAD), vector)
        vector = self.dropout(vector, "vector")
        head = HEADS[spec.head]
        if head.predicts_ids:
            return self.ids_head(vector, embedding)
        if not head.has_outputs:
            return vector
        if spec.ngram_range is None:
            return self.dense(spec.n_outputs, head.activation, "head")(vector)
        ngrams = NGrams(spec.ngram_range, spec.n_ngrams, spec.n_outputs, dtype=FLOAT, name="ngrams")
        outputs = ngrams(self.dense(spec.n_outputs, "linear", "head")(vector), ids)
        return keras.layers.Activation(head.activation, dtype=FLOAT, name="activation")(outputs)

    def text_to_text(self) -> Any:
        """Return the output for each id of the target text."""
        spec = self.spec
        ids, previous = self.input("ids", None), self.input("previous", None)
        mask = ops.not_equal(ids, PAD)
        x = self.dropout(self.embedding(spec.n_ids, "embedding")(ids), "embedding")
        memory, last = self.read(x, mask, sequences=True)
        vector = self.project(pool(spec.pooling, memory, last, mask))
        embedding = self.embedding(spec.n_outputs, "target_embedding")
        x = self.dropout(embedding(previous), "target_embedding")
        x = self.decode_with_attention(x, ops.not_equal(previous, PAD), memory, mask, vector)
        x = self.dropout(x, "combine")
        logits = self.logits(x, embedding)
        return logits if self.training else ops.softmax(logits)

    # -- stage 2 -------------------------------------------------------------------------------

    def input(self, name: str, length: int | None, dtype: str = "int32") -> Any:
        """Return a new input of the model."""
        self.inputs.append(keras.Input((length,), dtype=dtype, name=name))
        return self.inputs[-1]

    def embedding(self, n_ids: int, name: str) -> keras.layers.Embedding:
        """Return an embedding layer. The logits of a model that Keras saves need one that works both ways."""
        is_tied = HEADS[self.spec.head].predicts_ids and self.spec.tied_embeddings and not self.training
        kind = TiedEmbedding if is_tied else keras.layers.Embedding
        return kind(
            n_ids,
            self.spec.embedding_dim,
            embeddings_initializer="zeros",
            trainable=self.recipe.frozen == "nothing" or name != "embedding",
            dtype=FLOAT,
            name=name,
        )

    # -- stage 3 -------------------------------------------------------------------------------

    def read(self, x: Any, mask: Any, *, sequences: bool) -> tuple[Any, Any]:
        """Return the states of the top layer, (b, t, w) or None, and the last states, (b, w)."""
        if not self.spec.is_recurrent:
            return read_by_self_attention(
                self.spec, self.recipe, x, mask, self.next_seed, trainable=not self.encoder_is_frozen
            )
        for level in range(self.spec.n_layers):
            needed = sequences or level < self.spec.n_layers - 1
            runs = [self.run(f"{d}_{level}", x, mask, sequences=needed) for d in self.spec.directions]
            states, last = zip(*runs, strict=True)
            x = join(states) if needed else None
        return x, join(last)

    def run(
        self, name: str, x: Any, mask: Any, *, sequences: bool, start: list | None = None
    ) -> tuple[Any, Any]:
        """Return the states of one direction, (b, t, u) or None, and the last states, (b, u)."""
        reverse = name.startswith("backward")
        layer = self.recurrent(
            self.spec.rnn_units,
            activation=self.spec.rnn_activation,
            recurrent_dropout=self.recipe.recurrent_dropout,
            return_sequences=sequences,
            return_state=sequences,
            go_backwards=reverse,
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
            seed=self.next_seed(),
            trainable=not self.encoder_is_frozen or name.startswith("decoder"),
            dtype=FLOAT,
            name=name,
        )
        out = layer(x, mask=mask, initial_state=start)
        if not sequences:
            return None, out
        return (ops.flip(out[0], axis=1) if reverse else out[0]), out[1]

    # -- stage 4 -------------------------------------------------------------------------------

    def encode(self, x: Any, ids: Any) -> Any:
        """Return the encoding of each text, (b, n_components), from its embeddings and ids."""
        mask = ops.not_equal(ids, PAD)
        states, last = self.read(x, mask, sequences=self.spec.pooling != "last")
        vector = pool(self.spec.pooling, states, last, mask)
        if self.spec.weighted_mean:
            options = dict[str, Any](embeddings_initializer="zeros", dtype=FLOAT, name="importance")
            importance = keras.layers.Embedding(
                self.spec.n_ids, 1, trainable=HEADS[self.spec.head].is_trained, **options
            )
            mean = MeanPooling(dtype=FLOAT, name="weighted_mean")(x * importance(ids), mask=mask)
            vector = ops.concatenate([vector, mean], axis=-1)
        return self.project(vector)

    def project(self, vector: Any) -> Any:
        """Return the linear layer and activation of pooled states, where there is one."""
        if self.spec.n_components is None:
            return vector
        return self.dense(self.spec.n_components, self.spec.activation, "projection")(vector)

    # -- stage 5 -------------------------------------------------------------------------------

    def next_and_previous(self, ids: Any, embedding: Any) -> Any:
        """Return the states that predict the ids of a language model.

        In training these are all forward states and, for two directions, all backward states after them,
        (b, t, u) or (b, 2 t, u); otherwise the last forward state, (b, u).
        """

        def read(ids: Any, name: str, direction: str) -> Any:
            x, mask = self.dropout(embedding(ids), name), ops.not_equal(ids, PAD)
            if self.spec.bidirectional:
                states, last = self.run(direction, x, mask, sequences=self.training)
            else:
                states, last = self.read(x, mask, sequences=self.training)
            return states if self.training else last

        vector = read(ids, "embedding", "forward_0")
        if self.training and self.spec.bidirectional:
            following = self.input("following", self.length)
            backward = read(following, "following", "backward_0")
            vector = ops.concatenate([vector, backward], axis=1)
        return vector

    def decode_vector(self, x: Any, mask: Any, vector: Any) -> Any:
        """Return the states (b, t, u) of a decoder that reads the vector beside each previous id."""
        vector = ops.expand_dims(vector, 1) * ops.ones_like(x[:, :, :1])  # (b, t, n_components)
        return self.run("decoder", ops.concatenate([x, vector], axis=-1), mask, sequences=True)[0]

    def decode_with_attention(self, x: Any, target_mask: Any, memory: Any, mask: Any, vector: Any) -> Any:
        """Return what the output layer reads, (b, s, head_width).

        The bottom cell reads the previous ids, its states query the attention, and the cells above read its
        states and contexts (Wu et al. 2016). All steps of a layer run in one call.
        """
        spec = self.spec
        starts = self.dense(spec.n_layers * spec.rnn_units, "tanh", "bridge")(vector)
        context: Any = None
        for level, start in enumerate(ops.split(starts, spec.n_layers, axis=1)):
            _, *further = CELLS[spec.cell].states.values()
            states = [start, *(ops.tile(ops.zeros_like(start), (1, n)) for n in further)]
            x = x if context is None else ops.concatenate([x, context], axis=-1)
            x, _ = self.run(f"decoder_{level}", x, target_mask, sequences=True, start=states)
            if context is None and spec.attention:
                attention = DecoderAttention(spec.attention, dtype=FLOAT, name="attention")
                context = attention(x, memory, memory_mask=mask)
            elif context is None:
                context = ops.expand_dims(vector, 1) * ops.ones_like(x[:, :, :1])
        combined = ops.concatenate([x, context], axis=-1)
        return self.dense(head_width(spec), "tanh", "combine")(combined)

    def ids_head(self, vector: Any, embedding: Any) -> Any:
        """Return the logits of ids in training, otherwise their probabilities."""
        spec = self.spec
        if spec.tied_embeddings:
            vector = self.dense(head_width(spec), "linear", "combine")(vector)
        elif not self.training:
            return self.dense(spec.n_outputs, "softmax", "head")(vector)
        candidates = []
        if self.sampled:
            candidates = [self.input("candidates", None), self.input("offsets", None, FLOAT)]
        logits = self.logits(vector, embedding, *candidates)
        return logits if self.training else ops.softmax(logits)

    def logits(self, x: Any, embedding: Any, *candidates: Any) -> Any:
        """Return the logits of ids, of all or of some candidates."""
        n_ids, options = self.spec.n_outputs, dict[str, Any](dtype=FLOAT, name="head")
        if not self.spec.tied_embeddings:
            return IdsHead(n_ids, **options)(x, *candidates)
        if self.training:
            return IdsHead(n_ids, embedding, **options)(x, *candidates)
        return IdsHead(n_ids, only_bias=True, **options)(embedding(x, reverse=True))

    # -- layers --------------------------------------------------------------------------------

    def next_seed(self) -> int:
        """Return a seed that no other layer has; training replaces it."""
        self.seed = (self.seed + 0x9E3779B9) % 2**31
        return self.seed

    def dropout(self, x: Any, name: str) -> Any:
        """Return x with dropout in training."""
        if not self.recipe.dropout:
            return x
        layer = keras.layers.Dropout(
            self.recipe.dropout, seed=self.next_seed(), dtype=FLOAT, name=f"{name}_dropout"
        )
        return layer(x)

    def dense(self, units: int, activation: str, name: str) -> keras.layers.Dense:
        """Return a linear layer with an activation."""
        return keras.layers.Dense(
            units, activation=activation, kernel_initializer="zeros", dtype=FLOAT, name=name
        )


def join(parts: Sequence) -> Any:
    """Return tensors side by side."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
