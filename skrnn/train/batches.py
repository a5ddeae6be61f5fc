"""Rows of ids to batches: truncation, length buckets, and packing without padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrnn.text.tokens import PAD, Sequences

_EDGES = np.unique(np.ceil(8 * 1.25 ** np.arange(80)).astype(np.int64) // 8 * 8)


def lengths(sequences: Sequences) -> np.ndarray:
    """Return the number of ids of each row, shape (n_samples,)."""
    return np.diff(sequences.offsets)


def take_rows(sequences: Sequences, rows: np.ndarray) -> Sequences:
    """Return the given rows, in the given order.

    Parameters
    ----------
    sequences : Sequences
        Ragged ids.
    rows : ndarray of int of shape (n_rows,)
        Row numbers.

    Returns
    -------
    sequences : Sequences
    """
    counts = lengths(sequences)[rows]
    return _gather(sequences.ids, sequences.offsets[:-1][rows], counts)


def join_rows(rows: list[np.ndarray]) -> Sequences:
    """Return rows of ids as one Sequences."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Sequences(np.concatenate([np.empty(0, np.int32), *rows]).astype(np.int32), offsets)


def _gather(ids: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> Sequences:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    return Sequences(ids[index], offsets)


def truncate(sequences: Sequences, length: int, side: str) -> Sequences:
    """Cut rows to at most `length` ids.

    Parameters
    ----------
    sequences : Sequences
        Ragged ids.
    length : int
        The most ids a row keeps.
    side : {"end", "start", "middle"}
        Which part of a long row is cut away.

    Returns
    -------
    sequences : Sequences

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.train.batches import truncate
    >>> from skrnn.text.tokens import Sequences
    >>> rows = Sequences(np.arange(5, dtype=np.int32), np.array([0, 5]))
    >>> [truncate(rows, 3, side).ids.tolist() for side in ("end", "start", "middle")]
    [[0, 1, 2], [2, 3, 4], [0, 1, 4]]
    """
    before = lengths(sequences)
    after = np.minimum(before, length)
    if np.array_equal(before, after):
        return sequences
    starts = sequences.offsets[:-1]
    if side == "start":
        return _gather(sequences.ids, starts + before - after, after)
    cut = _gather(sequences.ids, starts, after)
    if side == "middle":
        head = (after + 1) // 2
        column = np.arange(len(cut.ids)) - np.repeat(cut.offsets[:-1], after)
        tail = column >= np.repeat(head, after)
        shift = np.repeat(starts - cut.offsets[:-1], after) + np.repeat(before - after, after) * tail
        return Sequences(sequences.ids[np.arange(len(cut.ids)) + shift], cut.offsets)
    return cut


def with_boundary(sequences: Sequences, boundary: int, *, first: bool) -> Sequences:
    """Return the rows with one boundary id put before (`first`) or after their ids."""
    at = sequences.offsets[:-1] if first else sequences.offsets[1:]
    ids = np.insert(sequences.ids, at, boundary)
    return Sequences(ids, sequences.offsets + np.arange(len(sequences.offsets)))


def add_noise(sequences: Sequences, share: float, rng: np.random.Generator) -> Sequences:
    """Drop ids and move the others by up to three places (Hill et al. 2016; Lample et al. 2018).

    Parameters
    ----------
    sequences : Sequences
        Ragged ids.
    share : float in [0, 1)
        Share of the ids to drop; 0 leaves all as it is. Every row keeps at least one.
    rng : numpy.random.Generator
        Where the noise comes from.

    Returns
    -------
    sequences : Sequences
    """
    if not share:
        return sequences
    counts = lengths(sequences)
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) + rng.uniform(0, 3, len(row))
    keep = rng.random(len(row)) >= share
    keep[sequences.offsets[:-1]] |= np.bincount(row[keep], minlength=len(counts)) == 0
    order = np.lexsort((place, row))
    order = order[keep[order]]
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(np.bincount(row[order], minlength=len(counts)), out=offsets[1:])
    return Sequences(sequences.ids[order], offsets)


def pad(sequences: Sequences, length: int | None = None) -> np.ndarray:
    """Return the rows as one matrix, filled on the right with the padding id.

    Parameters
    ----------
    sequences : Sequences
        Ragged ids.
    length : int, default=None
        Columns; None for the longest row. No row may be longer.

    Returns
    -------
    ids : ndarray of int32 of shape (n_samples, length)
    """
    counts = lengths(sequences)
    width = int(counts.max(initial=1)) if length is None else length
    out = np.full((len(counts), width), PAD, np.int32)
    out[np.arange(width) < counts[:, None]] = sequences.ids
    return out


class Bucket(NamedTuple):
    """Rows of like length, the batch size they are cut to and the length they are padded to."""

    rows: np.ndarray  # (n_rows,) int64
    batch_size: int
    length: int


def buckets(counts: np.ndarray, batch_size: int, max_tokens: int) -> list[Bucket]:
    """Sort rows into buckets of fixed lengths: few shapes, little padding, as many batches each epoch.

    A bucket of fewer rows than four batches joins the next longer one.

    Parameters
    ----------
    counts : ndarray of int of shape (n_samples,)
        Length of each row.
    batch_size : int
        Rows of a batch.
    max_tokens : int
        The most ids of a padded batch: long rows come in smaller batches.

    Returns
    -------
    buckets : list of Bucket
    """
    edges = np.searchsorted(_EDGES, counts)
    order = np.argsort(edges, kind="stable")
    stops = np.flatnonzero(np.diff(edges[order], append=len(_EDGES) + 1)) + 1
    out: list[Bucket] = []
    start = 0
    for stop in stops.tolist():
        if stop - start < 4 * batch_size and stop < len(order):
            continue
        rows = order[start:stop]
        longest = int(counts[rows].max())
        length = int(_EDGES[edges[rows[-1]]]) if longest <= _EDGES[-1] else longest
        out.append(Bucket(rows, max(1, min(batch_size, max_tokens // length)), length))
        start = stop
    return out


def epoch(parts: list[Bucket], rng: np.random.Generator) -> list[tuple[np.ndarray, int]]:
    """Draw the batches of one epoch: rows shuffled within their bucket, batches among each other.

    Parameters
    ----------
    parts : list of Bucket
        From :func:`buckets`.
    rng : numpy.random.Generator
        Where the order comes from.

    Returns
    -------
    batches : list of (ndarray of int, int)
        Row numbers and the length to pad to; together each row once.
    """
    batches = []
    for rows, size, length in parts:
        order = rng.permutation(rows)
        batches += [(order[i : i + size], length) for i in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


class Packed(NamedTuple):
    """A batch stored step by step, without padding; rows sorted from long to short.

    ``ids[starts[t] : starts[t + 1]]`` are the ids of step t for the first ``starts[t + 1] - starts[t]``
    rows: as texts end, the rows of a step shrink.
    """

    ids: np.ndarray  # (n_tokens,) int32, step-major
    starts: np.ndarray  # (t + 1,) int64
    row_major: np.ndarray  # (n_tokens,) int64, where each id stands in row-major order
    offsets: np.ndarray  # (b + 1,) int64, row-major


def pack(sequences: Sequences) -> Packed:
    """Pack rows sorted by falling length, each of at least one id.

    Parameters
    ----------
    sequences : Sequences
        Ragged ids, the longest row first.

    Returns
    -------
    packed : Packed

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.train.batches import pack
    >>> from skrnn.text.tokens import Sequences
    >>> packed = pack(Sequences(np.array([7, 8, 9, 5], np.int32), np.array([0, 3, 4])))
    >>> packed.ids.tolist(), packed.starts.tolist()
    ([7, 5, 8, 9], [0, 2, 3, 4])
    """
    counts = lengths(sequences)
    n_steps = int(counts[0])
    active = len(counts) - np.searchsorted(counts[::-1], np.arange(n_steps), side="right")
    starts = np.zeros(n_steps + 1, np.int64)
    np.cumsum(active, out=starts[1:])
    step = np.repeat(np.arange(n_steps), active)
    row = np.arange(len(step)) - starts[:-1][step]
    row_major = sequences.offsets[row] + step
    return Packed(sequences.ids[row_major], starts, row_major, sequences.offsets)


def serving_batches(counts: np.ndarray, max_rows: int, max_tokens: int) -> list[np.ndarray]:
    """Cut rows into batches of like length, longest first within each.

    Parameters
    ----------
    counts : ndarray of int of shape (n_samples,)
        Length of each row.
    max_rows, max_tokens : int
        The most rows and the most ids of a batch (a longer row stands alone).

    Returns
    -------
    batches : list of ndarray of int
        Row numbers; together each row once.
    """
    order = np.argsort(-counts, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, min(max_rows, max_tokens // max(1, int(counts[order[start]]))))
        batches.append(order[start : start + rows])
        start += rows
    return batches
