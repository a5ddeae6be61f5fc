"""Keras layers that Keras does not provide: further cells, poolings, logits of token ids, attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from skrnn.ragged import PAD
from skrnn.serve import CELLS, FACTOR, MASK

FLOAT = "float32"
_MASKED = -1e30  # score of a step that is padding
# Keras finds the registered layers of a saved model by name, in a process that has imported this package.
saveable = keras.saving.register_keras_serializable(package="skrnn")


@saveable
class FormulaCell(keras.layers.Layer):
    """A cell that Keras does not have, computed by its textbook formula.

    Parameters
    ----------
    cell : str
        Name of the cell in :data:`skrnn.serve.cells.CELLS`.
    units : int
        Number of units.
    activation : str
        Activation of the candidate state.
    **kwargs
        Arguments of keras.layers.Layer.
    """

    def __init__(self, cell: str, units: int, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell, self.formula, self.units = cell, CELLS[cell], units
        self.activation = keras.activations.get(activation)
        self.state_size = [n * units for n in self.formula.states.values()]
        self.output_size = units

    def build(self, shape: tuple) -> None:
        """Create the weights."""
        for name, weight_shape in self.formula.weight_shapes(shape[-1], self.units).items():
            setattr(self, name, self.add_weight(shape=weight_shape, initializer="zeros", name=name))

    def call(self, x: Any, states: list, training: bool = False) -> tuple[Any, list]:
        """Return the hidden state (b, u) after one step, and all states."""
        weights = {weight.name: ops.convert_to_tensor(weight) for weight in self.weights}
        states = self.formula.textbook(x, states, weights, self.activation, ops.sigmoid)
        return states[0], states

    def get_config(self) -> dict:
        """Return the arguments that rebuild the cell."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "cell": self.cell, "units": self.units, "activation": activation}


class FormulaRNN(keras.layers.RNN):
    """The layer of a :class:`FormulaCell`, with the arguments of Keras' recurrent layers."""

    cell_name: str

    def __init__(self, units: int, activation: str = "tanh", **kwargs: Any) -> None:
        own = {"return_sequences", "return_state", "go_backwards", "trainable", "dtype", "name"}
        self.units = units
        of_cell = {name: kwargs[name] for name in ("trainable", "dtype") if name in kwargs}
        cell = FormulaCell(self.cell_name, units, activation, **of_cell)
        super().__init__(cell, **{name: value for name, value in kwargs.items() if name in own})

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        config = super().get_config()
        cell = config.pop("cell")["config"]
        return {**config, "units": cell["units"], "activation": cell["activation"]}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> FormulaRNN:
        """Return the layer of a configuration."""
        return cls(**config)


KERAS_LAYERS: dict[str, type[keras.layers.RNN]] = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}
KERAS_LAYERS |= {
    name: saveable(type(cell.__name__, (FormulaRNN,), {"cell_name": name, "__module__": __name__}))
    for name, cell in CELLS.items()
    if name not in KERAS_LAYERS
}


class Pooling(keras.layers.Layer):
    """Base of the poolings: the states of each text become one vector.

    A pooling gets states (b, t, w) and their mask (b, t) and returns vectors (b, w).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: the output has no steps."""


@saveable
class MeanPooling(Pooling):
    """The mean of the states."""

    def call(self, h: Any, mask: Any) -> Any:
        """Return the mean over the real steps."""
        weight = ops.cast(ops.expand_dims(mask, -1), h.dtype)  # (b, t, 1)
        return ops.sum(h * weight, axis=1) / ops.sum(weight, axis=1)


@saveable
class MaxPooling(Pooling):
    """The maximum of the states."""

    def call(self, h: Any, mask: Any) -> Any:
        """Return the maximum over the real steps."""
        return ops.max(ops.where(ops.expand_dims(mask, -1), h, _MASKED), axis=1)


@saveable
class AttentionPooling(Pooling):
    """The mean of the states under learned weights, ``softmax(tanh(h W + b) c)`` (Yang et al. 2016)."""

    def build(self, shape: tuple) -> None:
        """Create the weights."""
        w = shape[-1]
        self.kernel = self.add_weight(shape=(w, w), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(w,), initializer="zeros", name="bias")
        self.context = self.add_weight(shape=(w,), initializer="zeros", name="context")

    def call(self, h: Any, mask: Any) -> Any:
        """Return the weighted mean over the real steps."""
        score = ops.matmul(ops.tanh(ops.matmul(h, self.kernel) + self.bias), self.context[:, None])
        weight = ops.softmax(ops.where(ops.expand_dims(mask, -1), score, _MASKED), axis=1)  # (b, t, 1)
        return ops.sum(h * weight, axis=1) / ops.sum(weight, axis=1)


def pool(kind: str, h: Any, last: Any, mask: Any) -> Any:
    """Return the pooled states of each text, (b, w) or (b, 3 w).

    Parameters
    ----------
    kind : str
        A name of :data:`skrnn.serve.pooling.POOLINGS`.
    h : tensor of shape (b, t, w) or None
        All states; not used by "last".
    last : tensor of shape (b, w)
        The last state of each text.
    mask : tensor of shape (b, t)
        Which steps are real.
    """
    if kind == "last":
        return last
    if kind == "concat":
        mean = MeanPooling(dtype=FLOAT, name="pooling_mean")(h, mask=mask)
        peak = MaxPooling(dtype=FLOAT, name="pooling_max")(h, mask=mask)
        return ops.concatenate([last, mean, peak], axis=-1)
    layer = {"mean": MeanPooling, "max": MaxPooling, "attention": AttentionPooling}[kind]
    return layer(dtype=FLOAT, name="pooling")(h, mask=mask)


@saveable
class NGrams(keras.layers.Layer):
    """Adds a linear part over n-grams to the outputs of the head, see :mod:`skrnn.serve.ngrams`.

    Parameters
    ----------
    ngram_range : (int, int)
        Smallest and largest number of tokens of an n-gram.
    n_ngrams : int
        Number of n-grams that have a weight.
    n_outputs : int
        Number of outputs of the head.
    """

    def __init__(self, ngram_range: tuple[int, int], n_ngrams: int, n_outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ngram_range, self.n_ngrams, self.n_outputs = ngram_range, n_ngrams, n_outputs

    def build(self, *_: Any) -> None:
        """Create the weights."""
        n = self.n_ngrams
        self.hashes = self.add_weight(shape=(n,), initializer="zeros", trainable=False, name="hashes")
        self.idf = self.add_weight(shape=(n,), initializer="zeros", trainable=False, name="idf")
        self.kernel = self.add_weight(shape=(n, self.n_outputs), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(self.n_outputs,), initializer="zeros", name="bias")
        self.factor = self.add_weight(shape=(1,), initializer="ones", trainable=False, name="factor")

    def call(self, outputs: Any, ids: Any) -> Any:
        """Return outputs (b, n_outputs) with those of the n-grams of ids (b, t)."""
        n = self.n_ngrams
        found = ops.sort(self._places(ids), axis=1)
        known = found < n
        new = ops.concatenate([known[:, :1], known[:, 1:] & (found[:, 1:] != found[:, :-1])], axis=1)
        weight, found = ops.cast(new, FLOAT), ops.minimum(found, n - 1)  # (b, t')
        norm = ops.sqrt(ops.sum(weight * ops.square(ops.take(self.idf, found)), axis=1))
        total = ops.sum(ops.take(self.kernel, found, axis=0) * weight[:, :, None], axis=1)
        return outputs * self.factor + total / ops.where(norm > 0, norm, 1.0)[:, None] + self.bias

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        sizes = {"ngram_range": self.ngram_range, "n_ngrams": self.n_ngrams, "n_outputs": self.n_outputs}
        return super().get_config() | sizes

    def _places(self, ids: Any) -> Any:
        """Return the place of each n-gram among those that have a weight, or their number, (b, t')."""
        ids = ops.cast(ids, "int32")
        smallest, largest = self.ngram_range
        h, places = ops.zeros_like(ids), []
        for size in range(1, largest + 1):
            h = (h if size == 1 else h[:, :-1]) + ids[:, size - 1 :]
            h = h * FACTOR  # overflows; the last 24 bits are right
            if size >= smallest:
                # twice, because a remainder of ONNX has the sign of h
                key = ops.cast(ops.mod(ops.mod(h, MASK + 1) + MASK + 1, MASK + 1), FLOAT)
                place = self._count_smaller(key)
                near = ops.take(self.hashes, ops.minimum(place, self.n_ngrams - 1))
                known = (near == key) & (ids[:, size - 1 :] != PAD)
                places.append(ops.where(known, place, self.n_ngrams))
        return ops.concatenate(places, axis=1)

    def _count_smaller(self, keys: Any) -> Any:
        """Return how many hashes are smaller than each key, by binary search; ONNX has no searchsorted."""
        place, n = ops.zeros_like(keys, dtype="int32"), self.n_ngrams
        for i in reversed(range(n.bit_length())):
            ahead = ops.minimum(place + 2**i, n)
            place = ops.where(ops.take(self.hashes, ahead - 1) < keys, ahead, place)
        return place


@saveable
class TiedEmbedding(keras.layers.ReversibleEmbedding):
    """An embedding that also computes logits from its rows, in models that Keras can save."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.supports_masking = True  # takes states with a mask and passes none on


@saveable
class IdsHead(keras.layers.Layer):
    """Logits of token ids, by a kernel of its own or by the rows of an embedding (Press & Wolf 2017).

    In a model that is not for training here, a :class:`TiedEmbedding` computes tied logits, because Keras can
    save it; this layer then adds the bias.

    In training, the softmax over a large vocabulary may be estimated from some candidates. The targets of the
    batch are always among them; the other candidates stand for all remaining ids. An offset of
    ``-log(probability of being drawn)`` on their logits makes the sum over the candidates an unbiased
    estimate of the sum over all ids (Bengio & Senecal 2008; Jean et al. 2015).

    Parameters
    ----------
    n_ids : int
        Number of ids.
    embedding : keras.layers.Embedding, default=None
        A layer that is already built and keeps its own weights.
    only_bias : bool, default=False
        Whether the layer gets logits and adds the bias.
    **kwargs
        Arguments of keras.layers.Layer.
    """

    def __init__(self, n_ids: int, embedding: Any = None, *, only_bias: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.n_ids, self.only_bias, self.tied = n_ids, only_bias, embedding is not None
        self._rows = lambda: embedding.embeddings  # a function, so that Keras does not track it as our weight

    def build(self, x_shape: tuple, candidates_shape: Any = None, offsets_shape: Any = None) -> None:
        """Create the weights."""
        if not self.tied and not self.only_bias:
            self.kernel = self.add_weight((x_shape[-1], self.n_ids), initializer="zeros", name="kernel")
        self.bias = self.add_weight((self.n_ids,), initializer="zeros", name="bias")

    def call(self, x: Any, candidates: Any = None, offsets: Any = None) -> Any:
        """Return logits (..., n) of vectors (..., d); all rows of candidates and offsets (b, n) are equal."""
        if self.only_bias:
            return x + self.bias
        if candidates is None:
            return ops.matmul(x, ops.transpose(self._rows()) if self.tied else self.kernel) + self.bias
        ids = candidates[0]
        kernel = (
            ops.transpose(ops.take(self._rows(), ids, axis=0))
            if self.tied
            else ops.take(self.kernel, ids, axis=1)
        )
        return ops.matmul(x, kernel) + ops.take(self.bias, ids) + offsets[0]

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer, except an embedding."""
        return {**super().get_config(), "n_ids": self.n_ids, "only_bias": self.only_bias}


@saveable
class DecoderAttention(keras.layers.Layer):
    """The context of each decoder step: the states of the source, weighted by the state of the decoder.

    Parameters
    ----------
    kind : {"general", "additive"}
        The weights are softmax(q · (h K)) (Luong et al. 2015) or softmax(tanh(q Q + h K) · c) (Bahdanau
        et al. 2015) over the steps of the source.
    **kwargs
        Arguments of keras.layers.Layer.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.supports_masking = True

    def build(self, query_shape: tuple, memory_shape: tuple) -> None:
        """Create the weights."""
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
        score = ops.where(ops.expand_dims(memory_mask, 1), score, _MASKED)
        return ops.matmul(ops.softmax(score, axis=-1), memory)

    def compute_mask(self, *_: Any) -> None:
        """Return no mask: every step of the target has a context."""

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "kind": self.kind}
