"""Text to text as Keras layers: the decoder of "seq2seq", its network, its batches and its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from skrnn.ragged import BOUNDARY, PAD, Ragged
from skrnn.spec import Spec, Weights
from skrnn.train.batches import buckets
from skrnn.train.checkpoint import Checkpoint
from skrnn.train.fit import AfterEpoch, Batches, EpochEnd, compile_model, fit, lent, scheduled
from skrnn.train.losses import SmoothedCrossentropy
from skrnn.train.network import FLOAT, Builder, IdsHead, variables

_STEPS = 4  # lengths of batches are multiples of it


class Attention(keras.layers.Layer):
    """What a decoder sees of the source at each step: its states, weighed by the decoder's own.

    Parameters
    ----------
    kind : {"general", "additive"}
        The weights are softmax(q · (h K)) (Luong et al. 2015) or softmax(tanh(q Q + h K) · c) (Bahdanau
        et al. 2015) over the steps of the source.
    **kwargs
        Of keras.layers.Layer.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.supports_masking = True

    def build(self, query_shape: tuple, memory_shape: tuple) -> None:
        """Make the weights."""
        u, w = query_shape[-1], memory_shape[-1]
        self.kernel = self.add_weight(shape=(w, u), initializer="zeros", name="kernel")
        if self.kind == "additive":
            self.query = self.add_weight(shape=(u, u), initializer="zeros", name="query")
            self.context = self.add_weight(shape=(u,), initializer="zeros", name="context")

    def call(self, query: Any, memory: Any, memory_mask: Any) -> Any:
        """Return contexts (b, s, w) of states (b, s, u) for a memory (b, t, w) and its mask (b, t)."""
        keys = ops.matmul(memory, self.kernel)  # (b, t, u)
        if self.kind == "general":
            score = ops.matmul(query, ops.transpose(keys, (0, 2, 1)))  # (b, s, t)
        else:
            both = ops.expand_dims(ops.matmul(query, self.query), 2) + ops.expand_dims(keys, 1)
            score = ops.matmul(ops.tanh(both), self.context[:, None])[..., 0]  # (b, s, t, u) -> (b, s, t)
        score = ops.where(ops.expand_dims(memory_mask, 1), score, -1e30)
        return ops.matmul(ops.softmax(score, axis=-1), memory)

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: every step of the target has a context."""

    def get_config(self) -> dict:
        """Return what builds the layer again."""
        return {**super().get_config(), "kind": self.kind}


def network(spec: Spec, weights: Weights, *, training: bool = False) -> keras.Model:
    """Build the "seq2seq" network of a Spec, with the given weights.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray
        Its weights.
    training : bool, default=False
        Whether it is to be trained: the softmax is then left out.

    Returns
    -------
    model : keras.Model
        [ids of the source, int32 (b, t), ids of the target with a boundary before them, (b, s)], both
        zero on the right where a text has ended, to the probabilities of each next id, (b, s, n_outputs).
    """
    build = Builder(spec, training=training)
    ids = keras.Input((None,), dtype="int32", name="ids")
    previous = keras.Input((None,), dtype="int32", name="previous")
    mask = ops.not_equal(ids, PAD)
    x = build.dropout(_embedding(spec.n_ids, spec, "embedding")(ids), "embedding")
    memory, last = build.stack(x, mask, sequences=True)
    vector = build.pooled(memory, last, mask)
    embedding = _embedding(spec.n_outputs, spec, "target_embedding")
    x = build.dropout(embedding(previous), "target_embedding")
    x = build.dropout(_decode(build, x, ops.not_equal(previous, PAD), memory, mask, vector), "combine")
    x = IdsHead(spec.n_outputs, embedding if spec.tied_embeddings else None, dtype=FLOAT, name="head")(x)
    model = keras.Model([ids, previous], x if training else ops.softmax(x), name="skrnn")
    for name, variable in variables(model).items():
        variable.assign(weights[name])
    return model


def _embedding(n_ids: int, spec: Spec, name: str) -> keras.layers.Embedding:
    return keras.layers.Embedding(
        n_ids,
        spec.embedding_dim,
        embeddings_initializer="zeros",
        trainable=spec.frozen == "nothing" or name != "embedding",
        dtype=FLOAT,
        name=name,
    )


def _decode(build: Builder, x: Any, target_mask: Any, memory: Any, mask: Any, vector: Any) -> Any:
    """Return what the head reads, (b, s, head_width).

    The bottom cell reads the ids before, its states ask for the contexts, and the cells above read both
    (Wu et al. 2016): all steps of a layer run in one call.
    """
    spec = build.spec
    starts = build.dense(spec.n_layers * spec.rnn_units, "tanh", "bridge")(vector)
    context: Any = None
    for level, start in enumerate(ops.split(starts, spec.n_layers, axis=1)):
        states = [start, ops.zeros_like(start)] if spec.layer == "lstm" else [start]
        x = x if context is None else ops.concatenate([x, context], axis=-1)
        x, _ = build.run(f"decoder_{level}", x, target_mask, sequences=True, start=states)
        if context is None and spec.attention:
            context = Attention(spec.attention, dtype=FLOAT, name="attention")(x, memory, memory_mask=mask)
        elif context is None:
            context = ops.expand_dims(vector, 1) * ops.ones_like(x[:, :, :1])
    return build.dense(spec.head_width, "tanh", "combine")(ops.concatenate([x, context], axis=-1))


class Pairs(NamedTuple):
    """What a "seq2seq" network learns from."""

    sources: Ragged
    targets: Ragged
    weights: np.ndarray  # (n_samples,) float32


class _Batches(Batches):
    """Batches of pairs."""

    def batch(self, index: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the inputs, targets and token weights of one batch."""
        rows, _ = self.batches[index]
        sources, targets = self.examples.sources.take(rows), self.examples.targets.take(rows)
        width = _rounded(targets.lengths.max() + 1)
        previous = targets.prepend(BOUNDARY).pad(width)
        following = targets.append(BOUNDARY).pad(width)
        share = (following != PAD) * self.examples.weights[rows, None]
        inputs = sources.pad(_rounded(sources.lengths.max())), previous
        return inputs, following, (share / max(share.sum(), 1e-9)).astype(np.float32)


def _rounded(length: int) -> int:
    return -(-int(length) // _STEPS) * _STEPS


def train(
    spec: Spec,
    weights: Weights,
    pairs: Pairs,
    *,
    optimizer: str,
    learning_rate: float,
    schedule: str,
    label_smoothing: float,
    epochs: int,
    batch_size: int,
    max_tokens: int,
    seed: int,
    callbacks: Sequence[Any],
    after_epoch: AfterEpoch,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train a "seq2seq" network with the true ids before each (teacher forcing).

    Parameters
    ----------
    spec, weights, optimizer, learning_rate, schedule, epochs, batch_size, max_tokens, seed, callbacks, \
after_epoch, checkpoint
        As of :func:`skrnn.train.fit.train`.
    pairs : Pairs
        What to learn.
    label_smoothing : float
        See :class:`skrnn.train.losses.SmoothedCrossentropy`.
    """

    def build() -> keras.Model:
        model = network(spec, weights, training=True)
        compile_model(model, SmoothedCrossentropy(label_smoothing), optimizer, learning_rate, training=True)
        return model

    counts = pairs.sources.lengths + pairs.targets.lengths
    batches = _Batches(pairs, buckets(counts, batch_size, max_tokens), seed)
    key = spec, optimizer, label_smoothing
    with lent(key, build, weights, learning_rate, seed, keep=not callbacks) as model:
        own = scheduled(schedule, learning_rate)
        fit(model, batches, epochs, [*own, *callbacks, EpochEnd(after_epoch, weights)], checkpoint)


def model(spec: Spec, weights: Weights, optimizer: str, learning_rate: float) -> keras.Model:
    """Return a "seq2seq" network, compiled, for whoever wants the Keras world."""
    built = network(spec, weights)
    compile_model(built, "sparse_categorical_crossentropy", optimizer, learning_rate)
    return built
