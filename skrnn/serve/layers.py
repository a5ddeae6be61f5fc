"""Stage 3 in NumPy: the layers that a network can have, behind one interface."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np

from skrnn.serve.batches import Packed
from skrnn.serve.cell import HiddenStates, Shapes
from skrnn.serve.cells import CELLS
from skrnn.serve.recurrent import Recurrent
from skrnn.serve.self_attention import SelfAttention
from skrnn.spec import Spec, States, Step, Weights

LAYERS = (*CELLS, "self_attention")


class Layer(Protocol):
    """The layers between the embedding and the pooling of a network.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        The weights of the network.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None: ...

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights of all layers, from the bottom to the top."""

    def is_compiled(self, n_tokens: int) -> bool:
        """Return whether a call over so many tokens runs the compiled loops."""

    def inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return folded embeddings, (n, d) -> (n, ...), one array for each direction."""

    def run(
        self, tables: list[np.ndarray], packed: Packed, needs: Collection[str], *, compiled: bool
    ) -> HiddenStates:
        """Run over a packed batch.

        Parameters
        ----------
        tables : list of ndarray
            Folded embeddings, see :meth:`inputs`.
        packed : Packed
            The batch; its ids are rows of `tables`.
        needs : collection of {"last", "sequence", "total", "peak"}
            The hidden states to keep.
        compiled : bool
            What :meth:`is_compiled` returned for the call.

        Returns
        -------
        hidden : HiddenStates
            The states of the top layer. The forward direction comes first.
        """

    def start(self, n_rows: int) -> States:
        """Return the states before the first token, for :meth:`stepper`."""

    def stepper(self, embeddings: np.ndarray) -> Step:
        """Return a function that reads one more token of each row, in the forward direction.

        Parameters
        ----------
        embeddings : ndarray of float32 of shape (n_ids, d)
            The embedding.

        Returns
        -------
        step : callable
            Takes ids, int (b,), and states; returns the hidden states of the top layer, (b, w), and the new
            states. It may overwrite the states.
        """


def layer_class(spec: Spec) -> type[Layer]:
    """Return the class of the layers of a network."""
    return Recurrent if spec.is_recurrent else SelfAttention
