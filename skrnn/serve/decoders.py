"""Stage 5 in NumPy for token ids: what decoders have in common, language models and autoencoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.batches import MAX_ROWS, MAX_ROWS_COMPILED, Packed, over_batches, pack
from skrnn.serve.cell import Shapes
from skrnn.serve.cells import CELLS, cell_shapes
from skrnn.serve.pooling import vector_width
from skrnn.spec import EMBEDDING, Spec, States, Step
from skrnn.threads import one_blas_thread

if TYPE_CHECKING:
    from skrnn.serve.forward import Forward

MAX_LOGITS = 2**23  # computed at a time, which bounds the memory


class Decoder:
    """What predicts token ids in a trained network.

    Parameters
    ----------
    forward : Forward
        The network. Its layers read the texts that a decoder starts from.
    """

    name: ClassVar[str]  # of the head

    def __init__(self, forward: Forward) -> None:
        self.forward, self.spec, self.weights = forward, forward.spec, forward.weights

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights between the encoder and the output layer."""
        raise NotImplementedError

    def stepper(self, source: Any) -> tuple[Step, States]:
        """Return the step function that a search of :mod:`skrnn.serve.search` writes texts with.

        Parameters
        ----------
        source : int, ndarray or Ragged
            What the texts are written from. "language_model" takes the number of texts, "autoencoder" their
            encodings, float32 (n_texts, n_components), and "seq2seq" the ids of the source texts.

        Returns
        -------
        step : callable
            Takes the last ids, int (n,), and the states; returns log-probabilities, float32 (n, n_ids), and
            the new states.
        states : list of ndarray
            The states before the first id. Their first axis is the texts.
        """
        raise NotImplementedError

    def log_likelihood(
        self, sequences: Ragged, targets: Ragged | None = None, *, n_jobs: int = 1
    ) -> np.ndarray:
        """Return the log-probability of each text and its end, in nats.

        Parameters
        ----------
        sequences : Ragged
            Ids of the texts that the network reads, at least one in each row.
        targets : Ragged, default=None
            Ids of the texts to score; None for `sequences`.
        n_jobs : int, default=1
            Number of threads.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
        """
        raise NotImplementedError

    def outputs(self, h: np.ndarray) -> np.ndarray:
        """Return the logits of all ids, (n, w) -> (n, n_ids)."""
        raise NotImplementedError

    def log_probabilities(self, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the log-probability of one id for each row of h, (n, w), (n,) -> (n,), in chunks."""
        out = np.empty(len(ids))
        chunk = max(1, MAX_LOGITS // self.spec.n_outputs)
        for i in range(0, len(ids), chunk):
            logits = self.outputs(h[i : i + chunk])
            logits -= logits.max(axis=1, keepdims=True)
            chosen = np.take_along_axis(logits, ids[i : i + chunk, None].astype(np.int64), axis=1)
            out[i : i + chunk] = chosen[:, 0] - np.log(np.exp(logits).sum(axis=1))
        return out


def token_head_width(spec: Spec) -> int:
    """Return the width that the output layer of a decoder reads."""
    return spec.embedding_dim if spec.tied_embeddings else spec.rnn_units


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


class NextToken(Decoder):
    """A decoder whose output layer reads hidden states, and whose texts are ids of the embedding.

    Tied embeddings need a linear layer, "combine", from the width of a state to that of the embedding.
    """

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the layer before tied embeddings."""
        if not spec.tied_embeddings:
            return {}
        width = token_head_width(spec)
        return {"combine/kernel": (spec.rnn_units, width), "combine/bias": (width,)}

    @one_blas_thread()
    def outputs(self, h: np.ndarray) -> np.ndarray:
        """Return the logits of all ids, (n, u) -> (n, n_ids)."""
        if self.spec.tied_embeddings:
            h = h @ self.weights["combine/kernel"] + self.weights["combine/bias"]
            return h @ self.weights[EMBEDDING].T + self.weights["head/bias"]
        return h @ self.weights["head/kernel"] + self.weights["head/bias"]

    @one_blas_thread()
    def _sum_by_text(
        self,
        texts: Ragged,
        inputs: Callable[[np.ndarray], list[np.ndarray]],
        states: Callable[[list[np.ndarray], Packed, np.ndarray], np.ndarray],
        n_jobs: int,
        max_rows: int,
    ) -> np.ndarray:
        """Return the log-probability of each text.

        Parameters
        ----------
        texts : Ragged
            Their ids.
        inputs : callable
            Folds embeddings, see :meth:`skrnn.serve.layers.Layer.inputs`.
        states : callable
            Takes folded embeddings, a packed batch and its row numbers; returns the states that predict the
            next ids, step-major (n_tokens, u).
        n_jobs : int
            Number of threads.
        max_rows : int
            Maximum number of rows of a batch.
        """
        previous, following = texts.prepend(BOUNDARY), texts.append(BOUNDARY)
        tables, known = look_up(inputs, self.weights[EMBEDDING], previous)
        out = np.empty(len(texts))

        def work(rows: np.ndarray) -> None:
            packed = pack(known.take(rows))
            h = packed.to_row_major(states(tables, packed, rows))
            values = self.log_probabilities(h, following.take(rows).ids)
            out[rows] = np.add.reduceat(values, packed.offsets[:-1])

        over_batches(work, previous.lengths, n_jobs, max_rows)
        return out


class LanguageModel(NextToken):
    """The probability of each token given those before it.

    A network of two directions is scored and continued by its forward direction.

    Parameters
    ----------
    forward : Forward
        The network.
    """

    name = "language_model"

    def __init__(self, forward: Forward) -> None:
        super().__init__(forward)
        self.layer = forward.layer
        if self.spec.bidirectional:
            self.layer = type(forward.layer)(replace(self.spec, bidirectional=False), self.weights)

    def stepper(self, source: int) -> tuple[Step, States]:
        """Return the step function and the states of a number of empty texts, see :class:`Decoder`."""
        read = self.layer.stepper(self.weights[EMBEDDING])

        def step(ids: np.ndarray, states: States) -> tuple[np.ndarray, States]:
            h, states = read(ids, states)
            return log_softmax(self.outputs(h)), states

        return step, self.layer.start(source)

    def log_likelihood(
        self, sequences: Ragged, targets: Ragged | None = None, *, n_jobs: int = 1
    ) -> np.ndarray:
        """Return the log-probability of each text, see :class:`Decoder`.

        The model reads nothing beside the texts that it scores.
        """
        texts = sequences if targets is None else targets
        compiled = self.layer.is_compiled(len(texts.ids) + len(texts))
        max_rows = MAX_ROWS_COMPILED if compiled else MAX_ROWS

        def states(tables: list[np.ndarray], packed: Packed, rows: np.ndarray) -> np.ndarray:
            return self.layer.run(tables, packed, ["sequence"], compiled=compiled).sequence

        return self._sum_by_text(texts, self.layer.inputs, states, n_jobs, max_rows)


def look_up(
    inputs: Callable[[np.ndarray], list[np.ndarray]], embeddings: np.ndarray, sequences: Ragged
) -> tuple[list[np.ndarray], Ragged]:
    """Return the folded embeddings of the ids that occur, and the texts as rows of them."""
    used, rows = np.unique(sequences.ids, return_inverse=True)
    return inputs(embeddings[used]), Ragged(rows, sequences.offsets)


class Autoencoder(NextToken):
    """The probability of each token given those before it and the encoding of the text.

    One cell reads the embedding of the last token and the encoding side by side.

    Parameters
    ----------
    forward : Forward
        The network.
    """

    name = "autoencoder"

    def __init__(self, forward: Forward) -> None:
        super().__init__(forward)
        self.cell = CELLS[self.spec.cell](self.spec, self.weights, "decoder")

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the cell and of the layer before tied embeddings."""
        cell = cell_shapes(spec, "decoder", spec.embedding_dim + vector_width(spec))
        return cell | NextToken.weight_shapes(spec)

    def _vector_inputs(self, vectors: np.ndarray) -> np.ndarray:
        """Return the share of encodings in the cell's input, (b, v) -> (b, g u)."""
        return self.cell.further_inputs(vectors, first=self.spec.embedding_dim)

    def stepper(self, source: np.ndarray) -> tuple[Step, States]:
        """Return the step function and the states of texts with given encodings, see :class:`Decoder`."""
        table = self.cell.inputs(self.weights[EMBEDDING])

        def step(ids: np.ndarray, states: States) -> tuple[np.ndarray, States]:
            *own, vectors = states
            self.cell.step(table[ids] + vectors, *own)
            return log_softmax(self.outputs(own[0])), states

        return step, [*self.cell.start(len(source)), self._vector_inputs(source)]

    def log_likelihood(
        self, sequences: Ragged, targets: Ragged | None = None, *, n_jobs: int = 1
    ) -> np.ndarray:
        """Return the log-probability of each text given its encoding, see :class:`Decoder`."""
        extra = self._vector_inputs(self.forward.encode(sequences, n_jobs))

        def states(tables: list[np.ndarray], packed: Packed, rows: np.ndarray) -> np.ndarray:
            return self.cell.run(tables[0], packed, ["sequence"], extra=extra[rows]).sequence

        texts = sequences if targets is None else targets
        return self._sum_by_text(texts, lambda x: [self.cell.inputs(x)], states, n_jobs, MAX_ROWS)
