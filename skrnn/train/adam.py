"""Adam with gradients clipped to a global norm of 1, for networks of which a batch reads few embeddings."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from skrnn.kernels import adam  # imports Numba, which is optional
from skrnn.spec import EMBEDDING, Weights


class Adam:
    """The optimizer of a training.

    Parameters
    ----------
    weights : dict of str to ndarray of float32
        The weights that are trained. They are updated in place; the rows of the embedding lag behind until
        they are read.
    first, second : dict of str to ndarray of float32
        Their moments, updated in place.
    n_steps : int
        How many steps have been made before.
    embedding_rate : float
        Factor of the learning rate of the embedding.
    """

    def __init__(
        self, weights: Weights, first: Weights, second: Weights, n_steps: int, embedding_rate: float
    ) -> None:
        self.states = {name: (weights[name], first[name], second[name]) for name in first}
        self.n_before, self.embedding_rate = n_steps, embedding_rate
        self.rates = array("d")  # of the embedding, in the steps since all of its rows were up to date
        self.done = np.zeros(len(weights[EMBEDDING]), np.int64)  # how many of these steps each row has made
        self.rows, self.places = np.empty(0, np.int64), np.empty_like(self.done)
        self.moves = np.zeros(len(self.done), bool)  # which rows have had a gradient
        if n_steps and EMBEDDING in first:
            self.moves |= first[EMBEDDING].any(axis=1) | second[EMBEDDING].any(axis=1)

    @property
    def n_steps(self) -> int:
        """How many steps have been made in all."""
        return self.n_before + len(self.rates)

    def moments(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the moments of a weight."""
        return self.states[name][1:]

    def read(self, rows: np.ndarray) -> None:
        """Bring rows of the embedding up to date, int64 of shape (k,), sorted; the next step changes them."""
        self.rows = rows
        if EMBEDDING in self.states:
            adam.catch_up(*self.states[EMBEDDING], rows, self.done, np.asarray(self.rates))

    def read_all(self) -> np.ndarray:
        """Bring all rows of the embedding up to date and return those that have changed, int64 (k,)."""
        rows = np.flatnonzero(self.moves)
        self.read(rows)
        self.n_before, self.rates = self.n_steps, array("d")
        self.done[:] = 0
        return rows

    def step(
        self, gradients: Weights, of_ids: Sequence[tuple[np.ndarray, np.ndarray]], learning_rate: float
    ) -> None:
        """Change the weights.

        Parameters
        ----------
        gradients : dict of str to ndarray of float32
            The gradients of all weights except the embedding.
        of_ids : sequence of (ndarray of int, ndarray of float32)
            Parts of the gradient of the embedding: ids (n,) and the gradient of each, (n, d).
        learning_rate : float
            The step size.
        """
        self.places[self.rows] = np.arange(len(self.rows))
        rows = np.zeros((len(self.rows), self.states[EMBEDDING][0].shape[1]), np.float32) if of_ids else None
        for ids, values in of_ids:
            adam.add_rows(values, self.places[ids], rows)
        found = {name: _as_matrix(gradients[name]) for name in self.states if name != EMBEDDING}
        parts = [*found.values(), *([] if rows is None else [rows])]
        norm = np.sqrt(sum(float(np.vdot(part, part)) for part in parts))
        scale = 1 / max(norm, 1.0)
        t, b1, b2 = self.n_steps + 1, float(adam.B1), float(adam.B2)
        rate = float(np.float32(learning_rate)) * np.sqrt(1 - b2**t) / (1 - b1**t)  # as in Keras
        for name, gradient in found.items():
            w, m, v = map(_as_matrix, self.states[name])
            adam.step(w, m, v, gradient, scale, rate)
        self.rates.append(rate * self.embedding_rate)
        if rows is not None:
            self.moves[self.rows] = True
            adam.step_rows(*self.states[EMBEDDING], rows, scale, self.rates[-1], self.rows, self.done)


def _as_matrix(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])
