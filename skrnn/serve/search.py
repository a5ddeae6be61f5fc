"""Decoding: greedy search, beam search and sampling over one step function.

A search knows no network. It calls ``step(ids, states)`` with the last id of each row, int (n_rows,), and a
list of arrays whose first axis is the rows. The step returns log-probabilities, float (n_rows, n_ids), in a
new array that the search may overwrite, and the new states.

The search removes rows whose text has ended. The beams of a text lie side by side, and each text has the same
number of beams. The search only selects rows of the states. A step that must know which text a row belongs to
carries ``np.arange(n_texts)`` among its states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from skrnn.compat import COUNT, NON_NEGATIVE, POSITIVE_INT, Interval, check_arguments
from skrnn.ragged import BOUNDARY, PAD, Ragged
from skrnn.spec import States, Step

_BLOCK = 64  # columns that :func:`largest` compares by their maximum first


@dataclass(frozen=True)
class Rules:
    """Constraints on the texts that a search writes.

    Parameters
    ----------
    max_length : int
        Maximum number of ids in a text. A longer text ends there.
    min_length : int, default=0
        Minimum number of ids in a text.
    no_repeat_ngram_size : int, default=0
        Size of the n-grams that may occur only once in a text; 0 allows repetition.
    start : int or ndarray of int of shape (n_texts,), default=2
        The id that precedes the text.
    end : int, default=2
        The id that ends a text. It is not part of the text.
    never : tuple of int, default=(0,)
        Ids that are never written.
    """

    max_length: int
    min_length: int = 0
    no_repeat_ngram_size: int = 0
    start: int | np.ndarray = BOUNDARY
    end: int = BOUNDARY
    never: tuple[int, ...] = (PAD,)

    def __post_init__(self) -> None:
        """Raise a ValueError if a value is invalid."""
        check_arguments("Rules", max_length=(self.max_length, [COUNT]))
        check_arguments(
            "Rules",
            min_length=(self.min_length, [Interval(Integral, 0, self.max_length + 1, closed="left")]),
            no_repeat_ngram_size=(self.no_repeat_ngram_size, [COUNT]),
        )

    def apply(self, log_probs: np.ndarray, written: np.ndarray) -> None:
        """Set the log-probabilities of forbidden ids to minus infinity, in place.

        Parameters
        ----------
        log_probs : ndarray of shape (n_rows, n_ids)
            Log-probabilities of the next id.
        written : ndarray of int of shape (n_rows, t)
            The ids that each row has written.
        """
        log_probs[:, self.never] = -np.inf
        length, n = written.shape[1], self.no_repeat_ngram_size
        if length < self.min_length:
            log_probs[:, self.end] = -np.inf
        if n and length >= n:
            ngrams = np.lib.stride_tricks.sliding_window_view(written, n, axis=1)  # (n_rows, t - n + 1, n)
            latest = written[:, None, length - n + 1 :]  # (n_rows, 1, n - 1)
            row, at = np.nonzero((ngrams[:, :, : n - 1] == latest).all(axis=2))
            log_probs[row, ngrams[row, at, n - 1]] = -np.inf


class Found(NamedTuple):
    """The texts that a search has written, `n_best` rows for each text, the best first."""

    sequences: Ragged  # ids without the end
    log_probabilities: np.ndarray  # (n_texts * n_best,) float64, in nats, with the end


def greedy(step: Step, states: States, rules: Rules) -> Found:
    """Write the most probable id at each step.

    Parameters
    ----------
    step : callable
        The step function, see the docstring of this module.
    states : list of ndarray
        The states before the first id, at least one array. Their first axis is the texts.
    rules : Rules
        Constraints on the texts.

    Returns
    -------
    found : Found
        One row for each text.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.serve.search import Rules, greedy
    >>> def count_to_five(ids, states):  # ids 3, 4, 5, then the end, 2
    ...     following = np.where(ids == 2, 3, np.where(ids == 5, 2, ids + 1))
    ...     return np.where(np.arange(6) == following[:, None], -0.1, -9.0), states
    >>> found = greedy(count_to_five, [np.zeros(1)], Rules(max_length=9))
    >>> found.sequences.ids.tolist(), found.log_probabilities.round(1).tolist()
    ([3, 4, 5], [-0.4])
    """
    return _write(step, states, rules, lambda log_probs: log_probs.argmax(axis=1))


def sample(
    step: Step,
    states: States,
    rules: Rules,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Found:
    """Draw each id from the distribution of the model.

    Parameters
    ----------
    step, states, rules
        See :func:`greedy`.
    rng : numpy.random.Generator
        Source of the random numbers.
    temperature : float, default=1.0
        Divides the log-probabilities. Values below 1 favor probable ids.
    top_k : int, default=None
        Number of the most probable ids to draw from; None for all ids.

    Returns
    -------
    found : Found
        One row for each text. `log_probabilities` ignores `temperature` and `top_k`.
    """
    check_arguments(
        "sample",
        temperature=(temperature, [Interval(Real, 0, None, closed="neither")]),
        top_k=(top_k, [POSITIVE_INT, None]),
    )

    def choose(log_probs: np.ndarray) -> np.ndarray:
        if top_k is not None and top_k < log_probs.shape[1]:
            ids = largest(log_probs, top_k)
            drawn = choose_among(np.take_along_axis(log_probs, ids, axis=1))
            return np.take_along_axis(ids, drawn[:, None], axis=1)[:, 0]
        return choose_among(log_probs)

    def choose_among(log_probs: np.ndarray) -> np.ndarray:
        # the maximum of log p + Gumbel noise is a draw from p
        return (log_probs / temperature + rng.gumbel(size=log_probs.shape)).argmax(axis=1)

    return _write(step, states, rules, choose)


def _write(step: Step, states: States, rules: Rules, choose: Callable[[np.ndarray], np.ndarray]) -> Found:
    """Write one id of each text at a time, `choose` (n_rows, n_ids) -> (n_rows,)."""
    n, end = len(states[0]), rules.end
    written = np.empty((n, 0), np.int64)
    total = np.zeros(n)
    rows, ids = np.arange(n), np.broadcast_to(rules.start, n)
    for t in range(rules.max_length + 1):
        if not len(rows):
            break
        log_probs, states = step(ids, states)
        if t == rules.max_length:
            total[rows] += log_probs[:, end]
            break
        rules.apply(log_probs, written[rows, :t])
        ids = choose(log_probs)
        total[rows] += log_probs[np.arange(len(ids)), ids]
        if t == written.shape[1]:
            written = _padded(written, 2 * t + 16, end)
        written[rows, t] = ids
        going = ids != end
        if not going.all():
            rows, ids = rows[going], ids[going]
            states = [state[going] for state in states]
    return Found(_until_end(written, end), total)


def beam(
    step: Step,
    states: States,
    rules: Rules,
    *,
    width: int,
    length_penalty: float = 1.0,
    n_best: int = 1,
) -> Found:
    """Follow the `width` most probable prefixes of each text.

    The search of a text stops when `n_best` prefixes have ended and no other prefix scores better.

    Parameters
    ----------
    step, states, rules
        See :func:`greedy`.
    width : int
        Number of beams for each text. A width of 1 finds the same texts as :func:`greedy`.
    length_penalty : float, default=1.0
        Texts compete by their log-probability divided by their length to this power. The end counts as an
        id. 0 compares probabilities, 1 compares mean log-probabilities of an id.
    n_best : int, default=1
        Number of texts to return, at most `width`.

    Returns
    -------
    found : Found
        `n_best` rows for each text, the best first. If the search finds fewer texts, the other rows are
        empty and have a log-probability of minus infinity.

    Notes
    -----
    Sutskever et al. (2014); the length penalty is that of fairseq (Ott et al. 2019).
    """
    check_arguments("beam", width=(width, [POSITIVE_INT]))
    check_arguments(
        "beam",
        length_penalty=(length_penalty, [NON_NEGATIVE]),
        n_best=(n_best, [Interval(Integral, 1, width + 1, closed="left")]),
    )
    n, end = len(states[0]), rules.end
    ended = _Ended(n, width, end, length_penalty)
    texts = np.arange(n)  # the texts whose search goes on; each has the same number of beams
    scores = np.zeros((n, 1))  # log-probability of each beam
    written = np.empty((n, 1, 0), np.int64)
    ids = np.broadcast_to(rules.start, n)
    for t in range(rules.max_length + 1):
        if not len(texts):
            break
        log_probs, states = step(ids, states)
        n_beams, n_ids = scores.shape[1], log_probs.shape[1]
        if t == rules.max_length:
            ended.add(texts, scores + log_probs[:, end].reshape(scores.shape), written)
            break
        rules.apply(log_probs, written.reshape(len(log_probs), t))
        log_probs += scores.reshape(-1, 1).astype(log_probs.dtype)
        chosen, parent, following = _best_continuations(log_probs, n_beams, width)
        ends = following == end
        ended.add(
            texts,
            np.where(ends, chosen, -np.inf)[:, :width],
            np.take_along_axis(written, parent[:, :width, None], axis=1),
        )
        on = np.argsort(ends, axis=1, kind="stable")[:, : min(width, n_beams * (n_ids - 1))]
        scores, parent, following = (np.take_along_axis(a, on, axis=1) for a in (chosen, parent, following))
        written = np.take_along_axis(written, parent[:, :, None], axis=1)
        written = np.concatenate([written, following[:, :, None]], axis=2)
        going = np.flatnonzero(~ended.is_done(texts, scores, n_best, t + 1))
        rows = (going[:, None] * n_beams + parent[going]).ravel()
        states = [state[rows] for state in states]
        texts, scores, written = texts[going], scores[going], written[going]
        ids = following[going].ravel()
    return ended.best(n_best)


def _best_continuations(
    scores: np.ndarray, n_beams: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-probability, beam and id of the best continuations of each text, (n_texts, 2 width) each.

    `scores` (n_texts * n_beams, n_ids) holds the log-probability of each beam with each id. At most half of
    the continuations end the text, so `width` of them go on.
    """
    n_ids = scores.shape[1]
    values = scores.reshape(-1, n_beams * n_ids)
    best = largest(values, min(2 * width, values.shape[1]))
    parent, following = np.divmod(best, n_ids)
    return np.take_along_axis(values, best, axis=1).astype(np.float64), parent, following


class _Ended:
    """The `width` best ended beams of each text, the best first."""

    def __init__(self, n: int, width: int, end: int, length_penalty: float) -> None:
        self.end, self.length_penalty = end, length_penalty
        self.penalized = np.full((n, width), -np.inf)  # log-probability / length ** length_penalty
        self.scores = np.full((n, width), -np.inf)  # log-probability
        self.written = np.empty((n, width, 0), np.int64)

    def add(self, texts: np.ndarray, scores: np.ndarray, written: np.ndarray) -> None:
        """Add ended beams: log-probabilities (r, m), minus infinity for none, and ids (r, m, t)."""
        if not np.isfinite(scores).any():
            return
        width, length = self.scores.shape[1], written.shape[2]
        if length > self.written.shape[2]:
            self.written = _padded(self.written, 2 * length, self.end)
        padded = _padded(written, self.written.shape[2], self.end)
        penalized = np.hstack([self.penalized[texts], scores / (length + 1.0) ** self.length_penalty])
        order = np.argsort(-penalized, axis=1, kind="stable")[:, :width]
        self.penalized[texts] = np.take_along_axis(penalized, order, axis=1)
        self.scores[texts] = np.take_along_axis(np.hstack([self.scores[texts], scores]), order, axis=1)
        both = np.concatenate([self.written[texts], padded], axis=1)
        self.written[texts] = np.take_along_axis(both, order[:, :, None], axis=1)

    def is_done(self, texts: np.ndarray, scores: np.ndarray, n_best: int, length: int) -> np.ndarray:
        """Return which texts are done; `scores` (r, m) are those of beams that have not ended."""
        worst = self.penalized[texts, n_best - 1]
        if self.penalized.shape[1] == 1:
            return np.isfinite(worst)
        return scores.max(axis=1) / (length + 1.0) ** self.length_penalty <= worst

    def best(self, n_best: int) -> Found:
        """Return the best texts."""
        scores = self.scores[:, :n_best].ravel()
        written = self.written[:, :n_best].reshape(len(scores), self.written.shape[2])
        return Found(_until_end(written, self.end), scores)


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k largest values of each row, the largest first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Values.
    k : int
        Number of columns to return, at most n_columns.

    Returns
    -------
    columns : ndarray of int of shape (n_rows, k)

    Notes
    -----
    The k largest values of a wide row lie in the k blocks with the largest maxima. So one pass over all
    values is enough, and only few values are sorted.
    """
    n_rows, n_columns = values.shape
    n_blocks = n_columns // _BLOCK
    if n_blocks <= 2 * k:
        return _largest(values, k)
    whole = n_blocks * _BLOCK
    peaks = values[:, :whole].reshape(n_rows, n_blocks, _BLOCK).max(axis=2)
    blocks = np.argpartition(-peaks, k - 1, axis=1)[:, :k]
    columns = (blocks[:, :, None] * _BLOCK + np.arange(_BLOCK)).reshape(n_rows, -1)
    rest = np.broadcast_to(np.arange(whole, n_columns), (n_rows, n_columns - whole))
    columns = np.sort(np.hstack([columns, rest]), axis=1)  # equal values: the first column first
    found = _largest(np.take_along_axis(values, columns, axis=1), k)
    return np.take_along_axis(columns, found, axis=1)


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    if k < values.shape[1]:
        columns = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
    else:
        columns = np.broadcast_to(np.arange(k), values.shape)
    order = np.argsort(-np.take_along_axis(values, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def _padded(written: np.ndarray, length: int, end: int) -> np.ndarray:
    """Return ids with their last axis padded to a length, which grows with the texts and not with a limit."""
    rest = np.full((*written.shape[:-1], length - written.shape[-1]), end, np.int64)
    return np.concatenate([written, rest], axis=-1)


def _until_end(written: np.ndarray, end: int) -> Ragged:
    """Return the ids of each row before its first `end`."""
    n, longest = written.shape
    counts = (np.hstack([written, np.full((n, 1), end)]) == end).argmax(axis=1)
    ids = written[np.arange(longest) < counts[:, None]]
    return Ragged.from_lengths(ids.astype(np.int32), counts)
