"""Batches for training: buckets of similar length, the batches of an epoch, and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrnn.ragged import Ragged

_EDGES = np.unique(np.ceil(8 * 1.25 ** np.arange(80)).astype(np.int64) // 8 * 8)


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


def add_noise(sequences: Ragged, share: float, rng: np.random.Generator) -> Ragged:
    """Drop ids and move the others by up to three places (Hill et al. 2016; Lample et al. 2018).

    Parameters
    ----------
    sequences : Ragged
        Token ids.
    share : float in [0, 1)
        Share of the ids to drop; 0 leaves all as it is. Every row keeps at least one.
    rng : numpy.random.Generator
        Where the noise comes from.

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
