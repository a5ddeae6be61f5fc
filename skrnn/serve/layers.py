"""Stage 3: the layers that a network can have, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np

from skrnn.serve.cells import CELLS, HiddenStates, Shapes
from skrnn.serve.packing import Packed
from skrnn.serve.recurrent import Recurrent
from skrnn.serve.self_attention import SelfAttention
from skrnn.spec import Spec, Weights

LAYERS = (*CELLS, "self_attention")


class Layer(Protocol):
    """The layers of a network: :class:`Recurrent` or :class:`SelfAttention`."""

    def __init__(self, spec: Spec, weights: Weights) -> None: ...

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights."""

    def is_compiled(self, n_tokens: int) -> bool:
        """Return whether a call over so many tokens runs the compiled loops."""

    def inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return what the layers read in place of embeddings, (n, d) -> (n, ...) for each direction."""

    def run(
        self, tables: list[np.ndarray], packed: Packed, needs: Collection[str], *, compiled: bool
    ) -> HiddenStates:
        """Run over a packed batch whose ids are rows of what :meth:`inputs` returned."""

    def start(self, n_rows: int) -> list[np.ndarray]:
        """Return the states before the first token."""

    def stepper(
        self, embeddings: np.ndarray
    ) -> Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]:
        """Return a function that reads one more token of each row."""


def layer_class(spec: Spec) -> type[Layer]:
    """Return the class of the layers of a network."""
    return Recurrent if spec.is_recurrent else SelfAttention
