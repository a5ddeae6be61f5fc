"""Texts as token ids: many sequences of different length in one array, and the three reserved ids.

Three ids are reserved: 0 for padding, 1 for unknown tokens, 2 for text boundaries. Terms have the ids from
3 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PAD, UNKNOWN, BOUNDARY = 0, 1, 2
N_SPECIAL = 3


@dataclass(frozen=True, eq=False)
class Ragged:
    """Token ids of many texts, stored without padding.

    Row i is ``ids[offsets[i] : offsets[i + 1]]``. Every method returns a new object and copies only the ids
    that it returns.

    Parameters
    ----------
    ids : ndarray of int of shape (n_tokens,)
        The ids of all rows, one row after the other.
    offsets : ndarray of int64 of shape (n_rows + 1,)
        Where each row begins, and at the end ``n_tokens``.

    Examples
    --------
    >>> from skrnn.ragged import Ragged
    >>> texts = Ragged.from_rows([[3, 4, 5], [], [6]])
    >>> len(texts), texts.lengths.tolist(), texts.row(0).tolist()
    (3, [3, 0, 1], [3, 4, 5])
    >>> texts.pad()
    array([[3, 4, 5],
           [0, 0, 0],
           [6, 0, 0]], dtype=int32)
    """

    ids: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lengths(cls, ids: np.ndarray, lengths: np.ndarray) -> Ragged:
        """Return the rows of the given lengths, which follow each other in `ids`."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(ids, offsets)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int] | np.ndarray]) -> Ragged:
        """Return rows that are given one by one."""
        ids = np.concatenate([np.empty(0, np.int32), *(np.asarray(row, np.int32) for row in rows)])
        return cls.from_lengths(ids.astype(np.int32), np.fromiter(map(len, rows), np.int64, len(rows)))

    @classmethod
    def concatenate(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the rows of all parts, in their order."""
        ids = np.concatenate([np.empty(0, np.int32), *(part.ids for part in parts)])
        return cls.from_lengths(ids, np.concatenate([np.empty(0, np.int64), *(p.lengths for p in parts)]))

    def __reduce__(self) -> tuple:
        """Return what a pickle or a hash needs: the two arrays, without the cached lengths."""
        return Ragged, (self.ids, self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of ids in each row, int64 of shape (n_rows,)."""
        return np.diff(self.offsets)

    def row(self, i: int) -> np.ndarray:
        """Return the ids of one row."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    def rows(self) -> list[np.ndarray]:
        """Return the ids of each row."""
        return np.split(self.ids, self.offsets[1:-1]) if len(self) else []

    def take(self, rows: np.ndarray) -> Ragged:
        """Return the given rows, in the given order."""
        return self._gather(self.offsets[:-1][rows], self.lengths[rows])

    def _gather(self, starts: np.ndarray, lengths: np.ndarray) -> Ragged:
        """Return runs of ids, each given by its start and its length."""
        new = Ragged.from_lengths(self.ids, lengths)
        index = np.arange(new.offsets[-1]) + np.repeat(starts - new.offsets[:-1], lengths)
        return Ragged(self.ids[index], new.offsets)

    def truncate(self, length: int, side: str) -> Ragged:
        """Shorten long rows.

        Parameters
        ----------
        length : int
            Maximum number of ids of a row.
        side : {"end", "start", "middle"}
            Which part of a long row is removed.

        Returns
        -------
        rows : Ragged

        Examples
        --------
        >>> from skrnn.ragged import Ragged
        >>> rows = Ragged.from_rows([[0, 1, 2, 3, 4]])
        >>> [rows.truncate(3, side).ids.tolist() for side in ("end", "start", "middle")]
        [[0, 1, 2], [2, 3, 4], [0, 1, 4]]
        """
        kept = np.minimum(self.lengths, length)
        if np.array_equal(self.lengths, kept):
            return self
        starts, removed = self.offsets[:-1], self.lengths - kept
        if side == "start":
            return self._gather(starts + removed, kept)
        if side == "end":
            return self._gather(starts, kept)
        new = Ragged.from_lengths(self.ids, kept)
        column = np.arange(new.offsets[-1]) - np.repeat(new.offsets[:-1], kept)
        in_tail = column >= np.repeat((kept + 1) // 2, kept)
        index = np.repeat(starts, kept) + column + np.repeat(removed, kept) * in_tail
        return Ragged(self.ids[index], new.offsets)

    def prepend(self, id_: int) -> Ragged:
        """Return the rows with one id before the others."""
        return self._insert(self.offsets[:-1], id_)

    def append(self, id_: int) -> Ragged:
        """Return the rows with one id after the others."""
        return self._insert(self.offsets[1:], id_)

    def _insert(self, places: np.ndarray, id_: int) -> Ragged:
        return Ragged(np.insert(self.ids, places, id_), self.offsets + np.arange(len(self.offsets)))

    def without(self, id_: int) -> Ragged:
        """Return the rows without one id."""
        kept = self.ids != id_
        if kept.all():
            return self
        return Ragged(self.ids[kept], np.concatenate([[0], np.cumsum(kept)])[self.offsets])

    def pad(self, length: int | None = None) -> np.ndarray:
        """Return the rows as one matrix, with padding on the right.

        Parameters
        ----------
        length : int, default=None
            Number of columns; None for the length of the longest row. No row may be longer.

        Returns
        -------
        ids : ndarray of int32 of shape (n_rows, length)
        """
        width = int(self.lengths.max(initial=1)) if length is None else length
        padded = np.full((len(self), width), PAD, np.int32)
        padded[np.arange(width) < self.lengths[:, None]] = self.ids
        return padded
