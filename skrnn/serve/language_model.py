"""Stage 5 in NumPy: the head "language_model", which predicts the next token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.cell import Shapes
from skrnn.serve.decoder import Decoder, log_softmax, token_head_width
from skrnn.serve.packing import Packed, pack
from skrnn.serve.search import States, Step
from skrnn.serve.threads import MAX_ROWS, MAX_ROWS_COMPILED, over_batches
from skrnn.spec import Spec

if TYPE_CHECKING:
    from skrnn.serve.forward import Forward


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

    def outputs(self, h: np.ndarray) -> np.ndarray:
        """Return the logits of all ids, (n, u) -> (n, n_ids)."""
        if self.spec.tied_embeddings:
            h = h @ self.weights["combine/kernel"] + self.weights["combine/bias"]
            return h @ self.weights["embedding/embeddings"].T + self.weights["head/bias"]
        return h @ self.weights["head/kernel"] + self.weights["head/bias"]

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
        tables, known = look_up(inputs, self.weights["embedding/embeddings"], previous)
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
        read = self.layer.stepper(self.weights["embedding/embeddings"])

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
