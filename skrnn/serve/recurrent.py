"""Stage 3 in NumPy: a stack of recurrent layers, each with one cell for each direction."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from skrnn.kernels import use_compiled
from skrnn.serve.batches import Packed
from skrnn.serve.cell import HiddenStates, Shapes
from skrnn.serve.cells import CELLS, cell_shapes
from skrnn.spec import Spec, States, Step, Weights


class Recurrent:
    """The recurrent layers of a network.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        The weights of the network.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec = spec
        cell = CELLS[spec.cell]
        self.levels = [
            [cell(spec, weights, f"{direction}_{level}") for direction in spec.directions]
            for level in range(spec.n_layers)
        ]

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights of all layers, from the bottom to the top."""
        shapes: Shapes = {}
        for level in range(spec.n_layers):
            width = spec.state_width if level else spec.embedding_dim
            for direction in spec.directions:
                shapes |= cell_shapes(spec, f"{direction}_{level}", width)
        return shapes

    def is_compiled(self, n_tokens: int) -> bool:
        """Return whether a call over so many tokens runs the compiled loops."""
        return use_compiled(self.spec.cell, self.spec.rnn_activation, n_tokens)

    def inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the input shares of the bottom cells, (n, d) -> (n, g u) for each direction."""
        return [cell.inputs(x) for cell in self.levels[0]]

    def run(
        self, tables: list[np.ndarray], packed: Packed, needs: Collection[str], *, compiled: bool
    ) -> HiddenStates:
        """Run all layers over a packed batch, see `Layer.run`."""
        top = len(self.levels) - 1
        for level in range(top + 1):
            own_needs = needs if level == top else ["sequence"]
            hidden = self._run_level(level, tables, packed, own_needs, compiled)
            if level < top:
                tables = [cell.inputs(hidden.sequence) for cell in self.levels[level + 1]]
                packed = packed._replace(ids=np.arange(len(packed.ids)))
        return hidden

    def _run_level(
        self, level: int, tables: list[np.ndarray], packed: Packed, needs: Collection[str], compiled: bool
    ) -> HiddenStates:
        directions = [
            cell.run(table, packed, needs, reverse=direction == "backward", compiled=compiled)
            for direction, cell, table in zip(self.spec.directions, self.levels[level], tables, strict=True)
        ]
        if len(directions) == 1:
            return directions[0]
        return HiddenStates(*(np.concatenate(parts, axis=1) for parts in zip(*directions, strict=True)))

    def start(self, n_rows: int) -> States:
        """Return the states of the forward cells before the first token."""
        return [state for cells in self.levels for state in cells[0].start(n_rows)]

    def stepper(self, embeddings: np.ndarray) -> Step:
        """Return a function that reads one more token of each row, see `Layer.stepper`."""
        cells = [level[0] for level in self.levels]
        table, n_states = cells[0].inputs(embeddings), len(cells[0].states)

        def step(ids: np.ndarray, states: States) -> tuple[np.ndarray, States]:
            x = table[ids]
            for level, cell in enumerate(cells):
                own = states[level * n_states : (level + 1) * n_states]
                cell.step(cell.inputs(x) if level else x, *own)
                x = own[0]
            return x, states

        return step
