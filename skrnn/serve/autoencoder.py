"""Stage 5 in NumPy: the head "autoencoder", which writes a text from its encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skrnn.ragged import Ragged
from skrnn.serve.cell import Shapes
from skrnn.serve.cells import CELLS, cell_shapes
from skrnn.serve.decoder import log_softmax
from skrnn.serve.language_model import NextToken
from skrnn.serve.packing import Packed
from skrnn.serve.pooling import vector_width
from skrnn.serve.search import States, Step
from skrnn.serve.threads import MAX_ROWS
from skrnn.spec import Spec

if TYPE_CHECKING:
    from skrnn.serve.forward import Forward


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
        table = self.cell.inputs(self.weights["embedding/embeddings"])

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
