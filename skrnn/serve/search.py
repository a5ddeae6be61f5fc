"""Decoding: greedy choice, beam search and sampling over one step function.

A search knows no network. It calls ``step(ids, states)`` with the id that each row chose last, int (n_rows,),
and a list of arrays whose first axis is the rows; it gets back log-probabilities, float (n_rows, n_ids), a
new array that it may overwrite, and the new states. Rows that have ended are left out of further steps, and
the beams of a text lie side by side, each text having as many: states are taken by row, nothing else is done
to them. To know which text a row belongs to, a step carries ``np.arange(n_texts)`` among its states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skrnn.ragged import BOUNDARY, PAD, Ragged

States = list[np.ndarray]
Step = Callable[[np.ndarray, States], tuple[np.ndarray, States]]
_BLOCK = 64  # values whose maximum is looked at first when the largest of many are wanted


@dataclass(frozen=True)
class Rules:
    """What a search may write.

    Parameters
    ----------
    max_length : int
        The most ids of a text; one that has not ended by then is ended.
    min_length : int, default=0
        The fewest.
    no_repeat : int, default=0
        Length of the runs of ids that no text may have twice; 0 for no such rule.
    start : int or ndarray of int of shape (n_texts,), default=2
        The id before the first.
    end : int, default=2
        The id that ends a text; it is not part of it.
    never : tuple of int, default=(0,)
        Ids that are not written.
    """

    max_length: int
    min_length: int = 0
    no_repeat: int = 0
    start: int | np.ndarray = BOUNDARY
    end: int = BOUNDARY
    never: tuple[int, ...] = (PAD,)

    def apply(self, log_probs: np.ndarray, written: np.ndarray) -> None:
        """Set what is forbidden to minus infinity, in place.

        Parameters
        ----------
        log_probs : ndarray of shape (n_rows, n_ids)
            Of the next id.
        written : ndarray of int of shape (n_rows, t)
            The ids so far.
        """
        log_probs[:, self.never] = -np.inf
        length, n = written.shape[1], self.no_repeat
        if length < self.min_length:
            log_probs[:, self.end] = -np.inf
        if n and length >= n:
            runs = np.lib.stride_tricks.sliding_window_view(written, n, axis=1)  # (n_rows, t - n + 1, n)
            latest = written[:, None, length - n + 1 :]
            row, at = np.nonzero((runs[:, :, : n - 1] == latest).all(axis=2))
            log_probs[row, runs[row, at, n - 1]] = -np.inf


class Found(NamedTuple):
    """Texts that a search has written."""

    sequences: Ragged  # without the end; n_best rows a text, the best first
    log_probabilities: np.ndarray  # (n_texts * n_best,) float64, of the ids and the end, in nats


def greedy(step: Step, states: States, rules: Rules) -> Found:
    """Write the most probable id each time.

    Parameters
    ----------
    step : callable
        The step function, see the module's docstring.
    states : list of ndarray, first axis n_texts
        Its states at the start; one or more.
    rules : Rules
        Lengths, start and end.

    Returns
    -------
    found : Found
        One row a text.

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
    return _walk(step, states, rules, lambda log_probs: log_probs.argmax(axis=1))


def sample(
    step: Step,
    states: States,
    rules: Rules,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Found:
    """Draw each id with its probability.

    Parameters
    ----------
    step, states, rules
        As of :func:`greedy`.
    rng : numpy.random.Generator
        Where the draws come from.
    temperature : float, default=1.0
        Log-probabilities are divided by it: below 1 the probable becomes more so.
    top_k : int, default=None
        Draw among so many of the most probable ids; None for all.

    Returns
    -------
    found : Found
        One row a text; `log_probabilities` are those of the model, not of the draw.
    """

    def choose(log_probs: np.ndarray) -> np.ndarray:
        if top_k is not None and top_k < log_probs.shape[1]:
            ids = largest(log_probs, top_k)
            drawn = choose_among(np.take_along_axis(log_probs, ids, axis=1))
            return np.take_along_axis(ids, drawn[:, None], axis=1)[:, 0]
        return choose_among(log_probs)

    def choose_among(log_probs: np.ndarray) -> np.ndarray:
        # The largest of log p + Gumbel noise is a draw from p.
        return (log_probs / temperature + rng.gumbel(size=log_probs.shape)).argmax(axis=1)

    return _walk(step, states, rules, choose)


def _walk(step: Step, states: States, rules: Rules, choose: Callable[[np.ndarray], np.ndarray]) -> Found:
    n, end = len(states[0]), rules.end
    written = np.full((n, rules.max_length), end, np.int64)
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
    """Follow the `width` most probable beginnings of each text.

    A text is done when `n_best` of its beginnings have ended and none that goes on is better so far.

    Parameters
    ----------
    step, states, rules
        As of :func:`greedy`.
    width : int
        Beams a text; with 1, what :func:`greedy` finds is found.
    length_penalty : float, default=1.0
        Texts are compared by log-probability over length to this power, the end being counted: 0 compares
        probabilities, 1 the mean log-probability of an id.
    n_best : int, default=1
        Texts to return, `width` at the most.

    Returns
    -------
    found : Found
        `n_best` rows a text, the best first; a row that there is no text for is empty and has the
        log-probability minus infinity.

    Notes
    -----
    Sutskever et al. (2014); the length penalty is that of fairseq (Ott et al. 2019).
    """
    n, longest, end = len(states[0]), rules.max_length, rules.end
    pool = _Pool(n, width, longest, end, length_penalty)
    texts = np.arange(n)  # those not done, each with as many beams
    scores = np.zeros((n, 1))  # of each beam
    written = np.empty((n, 1, 0), np.int64)
    ids = np.broadcast_to(rules.start, n)
    for t in range(longest + 1):
        if not len(texts):
            break
        log_probs, states = step(ids, states)
        n_beams, n_ids = scores.shape[1], log_probs.shape[1]
        if t == longest:
            pool.add(texts, scores + log_probs[:, end].reshape(scores.shape), written)
            break
        rules.apply(log_probs, written.reshape(len(log_probs), t))
        log_probs += scores.reshape(-1, 1).astype(log_probs.dtype)
        values = log_probs.reshape(len(texts), n_beams * n_ids)
        best = largest(values, min(2 * width, values.shape[1]))
        chosen = np.take_along_axis(values, best, axis=1).astype(np.float64)
        parent, following = np.divmod(best, n_ids)
        ended = following == end
        ending = np.where(ended, chosen, -np.inf)[:, :width]
        pool.add(texts, ending, np.take_along_axis(written, parent[:, :width, None], axis=1))

        on = np.argsort(ended, axis=1, kind="stable")[:, : min(width, n_beams * (n_ids - 1))]
        scores, parent, following = (np.take_along_axis(a, on, axis=1) for a in (chosen, parent, following))
        written = np.take_along_axis(written, parent[:, :, None], axis=1)
        written = np.concatenate([written, following[:, :, None]], axis=2)
        going = np.flatnonzero(~pool.done(texts, scores, n_best, t + 1))
        index = (going[:, None] * n_beams + parent[going]).ravel()
        states = [state[index] for state in states]
        texts, scores, written = texts[going], scores[going], written[going]
        ids = following[going].ravel()
    return pool.best(n_best)


class _Pool:
    """The ended beams of every text, the best first."""

    def __init__(self, n: int, width: int, longest: int, end: int, length_penalty: float) -> None:
        self.end, self.length_penalty = end, length_penalty
        self.goodness = np.full((n, width), -np.inf)  # log-probability over length to the power
        self.scores = np.full((n, width), -np.inf)
        self.written = np.full((n, width, longest), end, np.int64)

    def add(self, texts: np.ndarray, scores: np.ndarray, written: np.ndarray) -> None:
        """Take in ended beams: scores (r, m), minus infinity where there is none, ids (r, m, t)."""
        if not np.isfinite(scores).any():
            return
        width, length = self.scores.shape[1], written.shape[2]
        rest = self.written.shape[2] - length
        padded = np.pad(written, ((0, 0), (0, 0), (0, rest)), constant_values=self.end)
        goodness = np.hstack([self.goodness[texts], scores / (length + 1.0) ** self.length_penalty])
        order = np.argsort(-goodness, axis=1, kind="stable")[:, :width]
        self.goodness[texts] = np.take_along_axis(goodness, order, axis=1)
        self.scores[texts] = np.take_along_axis(np.hstack([self.scores[texts], scores]), order, axis=1)
        both = np.concatenate([self.written[texts], padded], axis=1)
        self.written[texts] = np.take_along_axis(both, order[:, :, None], axis=1)

    def done(self, texts: np.ndarray, scores: np.ndarray, n_best: int, length: int) -> np.ndarray:
        """Return which texts need no further step; `scores` (r, m) are of beams of `length` that go on."""
        worst = self.goodness[texts, n_best - 1]
        if self.goodness.shape[1] == 1:
            return np.isfinite(worst)
        return scores.max(axis=1) / (length + 1.0) ** self.length_penalty <= worst

    def best(self, n_best: int) -> Found:
        scores = self.scores[:, :n_best].ravel()
        written = self.written[:, :n_best].reshape(len(scores), self.written.shape[2])
        return Found(_until_end(written, self.end), scores)


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return where the k largest values of each row are, the largest first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Values.
    k : int
        How many, n_columns at the most.

    Returns
    -------
    columns : ndarray of int of shape (n_rows, k)

    Notes
    -----
    In a wide row they lie in the k blocks with the largest maxima, so that one pass over all values is
    enough and the sorting is done on few.
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


def _until_end(written: np.ndarray, end: int) -> Ragged:
    """Return the ids of each row before its first `end`."""
    n, longest = written.shape
    counts = (np.hstack([written, np.full((n, 1), end)]) == end).argmax(axis=1)
    ids = written[np.arange(longest) < counts[:, None]]
    return Ragged.from_lengths(ids.astype(np.int32), counts)
