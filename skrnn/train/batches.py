"""Batches for training: the examples, buckets of similar length, the batches of an epoch, and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrnn.ragged import Ragged

LONGER_HALF = 0.7  # largest share of a text that is one of its halves
_EDGES = np.unique(np.ceil(8 * 1.25 ** np.arange(80)).astype(np.int64) // 8 * 8)


class Examples(NamedTuple):
    """What a network learns from."""

    sequences: Ragged  # ids of the texts
    targets: np.ndarray | Ragged | None  # encoded targets, ids of the target texts, or None: the text itself
    weights: np.ndarray  # (n_samples,) float32


class Bucket(NamedTuple):
    """Rows of similar length, their batch size, and the length to which they are padded."""

    rows: np.ndarray  # (n_rows,) int64
    batch_size: int
    length: int


def buckets(lengths: np.ndarray, batch_size: int, max_tokens: int) -> list[Bucket]:
    """Sort rows into buckets of fixed lengths: few shapes, little padding, equally many batches each epoch.

    A bucket with fewer rows than four batches joins the next longer one.

    Parameters
    ----------
    lengths : ndarray of int of shape (n_samples,)
        Length of each row.
    batch_size : int
        Number of rows of a batch.
    max_tokens : int
        Maximum number of ids in a padded batch; batches of long rows are smaller.

    Returns
    -------
    buckets : list of Bucket
    """
    edges = np.searchsorted(_EDGES, lengths)
    order = np.argsort(edges, kind="stable")
    stops = np.flatnonzero(np.diff(edges[order], append=len(_EDGES) + 1)) + 1
    out: list[Bucket] = []
    start = 0
    for stop in stops.tolist():
        if stop - start < 4 * batch_size and stop < len(order):
            continue
        rows = order[start:stop]
        longest = int(lengths[rows].max())
        length = int(_EDGES[edges[rows[-1]]]) if longest <= _EDGES[-1] else longest
        out.append(Bucket(rows, max(1, min(batch_size, max_tokens // length)), length))
        start = stop
    return out


def epoch(parts: list[Bucket], rng: np.random.Generator) -> list[tuple[np.ndarray, int]]:
    """Draw the batches of one epoch: rows are shuffled within their bucket, then the batches are shuffled.

    Parameters
    ----------
    parts : list of Bucket
        From :func:`buckets`.
    rng : numpy.random.Generator
        Source of the order.

    Returns
    -------
    batches : list of (ndarray of int, int)
        Row numbers and the length to pad to. Each row is in exactly one batch.
    """
    batches = []
    for rows, size, length in parts:
        order = rng.permutation(rows)
        batches += [(order[i : i + size], length) for i in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def halves(sequences: Ragged, rng: np.random.Generator) -> Ragged:
    """Cut each row in two at a random place in its middle. A row of one id is repeated instead.

    Parameters
    ----------
    sequences : Ragged
        Ids of the texts, at least one in each row.
    rng : numpy.random.Generator
        Source of the places, which lie between 30 % and 70 % of a row.

    Returns
    -------
    sequences : Ragged
        Rows 2 i and 2 i + 1 are the halves of row i.
    """
    n = sequences.lengths
    first = np.round(n * rng.uniform(1 - LONGER_HALF, LONGER_HALF, len(n))).astype(np.int64).clip(1)
    parts = Ragged.from_lengths(sequences.ids, np.stack([first, n - first], axis=1).ravel())
    rows = np.arange(2 * len(n))
    return parts.take(np.where(parts.lengths > 0, rows, rows - 1))


def add_noise(sequences: Ragged, share: float, rng: np.random.Generator) -> Ragged:
    """Remove ids and move the others by up to three places (Hill et al. 2016; Lample et al. 2018).

    Parameters
    ----------
    sequences : Ragged
        Ids of the texts.
    share : float in [0, 1)
        Share of the ids to remove. Every row keeps at least one. 0 returns the rows unchanged.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    sequences : Ragged
    """
    if not share:
        return sequences
    counts = sequences.lengths
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) + rng.uniform(0, 3, len(row))
    keep = rng.random(len(row)) >= share
    keep[sequences.offsets[:-1]] |= np.bincount(row[keep], minlength=len(counts)) == 0
    order = np.lexsort((place, row))
    order = order[keep[order]]
    return Ragged.from_lengths(sequences.ids[order], np.bincount(row[order], minlength=len(counts)))
