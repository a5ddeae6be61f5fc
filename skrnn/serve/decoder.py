"""Stage 5 of text to text in NumPy: the twin of the Keras decoder, step by step.

The encoder reads the sources (:class:`skrnn.serve.forward.Forward`), the decoder starts from their vectors and
looks at their states. One step serves the searches, which feed what was chosen, and the log-likelihood, which
feeds the true ids.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.cells import Cell
from skrnn.serve.forward import Forward, over_batches
from skrnn.serve.search import Found, States, Step
from skrnn.spec import Spec, Weights

_VALUES = 2**22  # logits computed at a time: bounds the memory
_ROWS = 256  # of a step, all beams counted

Search = Callable[[Step, States], Found]


class Decoder:
    """A trained "seq2seq" network, ready to write.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        Its weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.serve.decoder import Decoder
    >>> from skrnn.serve.search import Rules, greedy
    >>> from skrnn.spec import Spec, initial_weights
    >>> from skrnn.ragged import Ragged
    >>> spec = Spec(9, 4, "gru", 3, head="seq2seq", n_outputs=8, attention="general")
    >>> decoder = Decoder(spec, initial_weights(spec, np.random.default_rng(0)))
    >>> sources = Ragged(np.array([3, 4, 5], np.int32), np.array([0, 2, 3]))
    >>> found = decoder.write(sources, lambda step, states: greedy(step, states, Rules(max_length=4)))
    >>> len(found.sequences), found.log_probabilities.shape
    (2, (2,))
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec, self.weights = spec, weights
        self.encoder = Forward(spec, weights)
        self.cells = [Cell(spec, weights, f"decoder_{level}") for level in range(spec.n_layers)]
        embeddings = weights["target_embedding/embeddings"]
        self.table = self.cells[0].inputs(embeddings)  # (n_outputs, g u): the bottom cell's input, folded
        kernel = embeddings.T if spec.tied_embeddings else weights["head/kernel"]
        self.head = np.ascontiguousarray(kernel)  # (head_width, n_outputs)

    def write(self, sources: Ragged, search: Search, *, n_beams: int = 1, n_jobs: int = 1) -> Found:
        """Search for the texts of sources.

        Parameters
        ----------
        sources : Ragged
            Ragged ids, at least one a row.
        search : callable
            One of :mod:`skrnn.serve.search`, all its arguments given but the step function and the states.
        n_beams : int, default=1
            Rows it makes of each.
        n_jobs : int, default=1
            Threads over batches.

        Returns
        -------
        found : Found
            In the order of the sources.
        """
        n = len(sources)
        parts: list[Found | None] = [None] * n

        def work(rows: np.ndarray) -> None:
            reader = _Reader(self, sources.take(rows))
            found = search(reader.step, reader.states)
            n_best = len(found.log_probabilities) // len(rows)
            for i, row in enumerate(rows.tolist()):
                own = np.arange(i * n_best, (i + 1) * n_best)
                parts[row] = Found(found.sequences.take(own), found.log_probabilities[own])

        over_batches(work, sources.lengths, n_jobs, max(1, _ROWS // n_beams))
        done = [part for part in parts if part is not None]
        if not done:
            return Found(Ragged.from_rows([]), np.empty(0))
        return Found(
            Ragged.concatenate([part.sequences for part in done]),
            np.concatenate([part.log_probabilities for part in done]),
        )

    def log_likelihood(self, sources: Ragged, targets: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return the log-probability of each target given its source, its end included, in nats.

        Parameters
        ----------
        sources, targets : Ragged
            Ragged ids, as many rows; those of the sources have at least one.
        n_jobs : int, default=1
            Threads over batches.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
        """
        out = np.empty(len(sources))
        following = targets.append(BOUNDARY)

        def work(rows: np.ndarray) -> None:
            goal = following.take(rows)
            read, _ = self._force(sources.take(rows), goal)
            values = self._log_probabilities(read, goal.ids)
            out[rows] = np.add.reduceat(values, goal.offsets[:-1])

        over_batches(work, sources.lengths + targets.lengths, n_jobs)
        return out

    def attention(self, sources: Ragged, targets: Ragged, n_jobs: int = 1) -> list[np.ndarray]:
        """Return where the decoder looks as it writes each id of the targets and their end.

        Parameters
        ----------
        sources, targets : Ragged
            As of :meth:`log_likelihood`.
        n_jobs : int, default=1
            Threads over batches.

        Returns
        -------
        weights : list of n_samples ndarrays of float32 of shape (n_target_ids_i + 1, n_source_ids_i)
            Each row sums to one.
        """
        out: list[np.ndarray] = [np.empty(0)] * (len(sources))
        following = targets.append(BOUNDARY)
        n_read = sources.lengths

        def work(rows: np.ndarray) -> None:
            goal = following.take(rows)
            _, weights = self._force(sources.take(rows), goal)
            for row, part in zip(rows, np.split(weights, goal.offsets[1:-1]), strict=True):
                out[row] = part[:, : n_read[row]].copy()

        over_batches(work, n_read, n_jobs)
        return out

    def _force(self, sources: Ragged, following: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """Return what the head reads, (n_tokens, head_width), and the attention, (n_tokens, t)."""
        reader = _Reader(self, sources)
        goal = following.pad()  # (b, s)
        states, ids = reader.states, np.full(len(goal), BOUNDARY)
        read = np.empty((*goal.shape, self.spec.head_width), np.float32)
        weights = np.empty((*goal.shape, reader.width), np.float32)
        for s in range(goal.shape[1]):
            read[:, s], weights[:, s], states = reader.advance(ids, states)
            ids = goal[:, s]
        real = np.arange(goal.shape[1]) < following.lengths[:, None]
        return read[real], weights[real]

    def _log_probabilities(self, read: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of ids, (n, head_width), (n,) -> (n,), in chunks."""
        out = np.empty(len(ids))
        chunk = max(1, _VALUES // self.spec.n_outputs)
        for i in range(0, len(ids), chunk):
            part = self.log_softmax(read[i : i + chunk])
            out[i : i + chunk] = part[np.arange(len(part)), ids[i : i + chunk]]
        return out

    def log_softmax(self, read: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of all ids, (n, head_width) -> (n, n_outputs)."""
        logits = read @ self.head
        logits += self.weights["head/bias"]
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits


class _Reader:
    """The sources of one batch, read, with the decoder's step over them."""

    def __init__(self, decoder: Decoder, sources: Ragged) -> None:
        self.decoder, self.spec, self.weights = decoder, decoder.spec, decoder.weights
        n = len(sources)
        self.width = 0  # steps of the source that are attended to
        if self.spec.attention:
            vectors, states = decoder.encoder.encode_and_states(sources)
            self._remember(states)
        else:
            vectors = decoder.encoder.encode(sources)
            self.memory = vectors[:, None]
        starts = np.tanh(vectors @ self.weights["bridge/kernel"] + self.weights["bridge/bias"])
        self.states: States = []
        for start in np.split(starts, self.spec.n_layers, axis=1):
            self.states.append(np.ascontiguousarray(start))
            if self.spec.layer == "lstm":
                self.states.append(np.zeros_like(start))
        self.states.append(np.arange(n))  # which source each row has
        self.active = np.arange(n)  # the sources whose memory stands in self.part
        self._take(self.active)

    def _remember(self, states: list[np.ndarray]) -> None:
        self.width = max(map(len, states), default=0)
        self.memory = np.zeros((len(states), self.width, self.spec.state_width), np.float32)
        self.hidden = np.zeros((len(states), 1, self.width), np.float32)
        for i, part in enumerate(states):
            self.memory[i, : len(part)] = part
            self.hidden[i, 0, len(part) :] = -1e30
        keys = self.memory @ self.weights["attention/kernel"]  # (b, t, u)
        self.keys = np.ascontiguousarray(keys.swapaxes(1, 2))  # (b, u, t)

    def _take(self, rows: np.ndarray) -> None:
        self.active = rows
        everything = len(rows) == len(self.memory)
        names = ("memory", "keys", "hidden") if self.spec.attention else ("memory",)
        self.part = [getattr(self, name) if everything else getattr(self, name)[rows] for name in names]

    def step(self, ids: np.ndarray, states: States) -> tuple[np.ndarray, States]:
        """Return the log-probabilities of the next ids and the new states, as a search asks for them."""
        read, _, states = self.advance(ids, states)
        return self.decoder.log_softmax(read), states

    def advance(self, ids: np.ndarray, states: States) -> tuple[np.ndarray, np.ndarray, States]:
        """Return what the head reads, (r, head_width), the attention, (r, t), and the new states."""
        *states, source = states
        states = [state.copy() for state in states]  # a cell's step overwrites them
        per_cell = self.decoder.cells[0].n_states
        n_beams = self._beams(source)
        x, h = np.take(self.decoder.table, ids, axis=0), states[0]
        context = attention = np.empty((len(ids), 0), np.float32)
        for level, cell in enumerate(self.decoder.cells):
            own = states[level * per_cell : (level + 1) * per_cell]
            if level:
                x = cell.inputs(np.hstack([h, context]))
            cell.step(x, *own)
            h = own[0]
            if not level:
                context, attention = self._look(h, n_beams)
        kernel, bias = self.weights["combine/kernel"], self.weights["combine/bias"]
        read = h @ kernel[: h.shape[1]]
        read += context @ kernel[h.shape[1] :]
        read += bias
        return np.tanh(read, out=read), attention, [*states, source]

    def _beams(self, source: np.ndarray) -> int:
        """Return how many rows each source has; they lie side by side."""
        n_beams = int((source == source[0]).sum()) if len(source) else 1
        rows = source[::n_beams]
        if not np.array_equal(rows, self.active):
            self._take(rows)
        return n_beams

    def _look(self, h: np.ndarray, n_beams: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the contexts, (r, w), and the attention, (r, t), of states (r, u)."""
        memory = self.part[0]
        if not self.spec.attention:
            return np.repeat(memory[:, 0], n_beams, axis=0), np.empty((len(h), 0), np.float32)
        _, keys, hidden = self.part
        query = h.reshape(len(memory), n_beams, h.shape[1])
        if self.spec.attention == "general":
            score = query @ keys  # (b, k, t)
        else:
            query = query @ self.weights["attention/query"]
            both = np.tanh(query[:, :, :, None] + keys[:, None])  # (b, k, u, t)
            score = self.weights["attention/context"] @ both
        score += hidden
        score -= score.max(axis=2, keepdims=True)
        np.exp(score, out=score)
        score /= score.sum(axis=2, keepdims=True)
        return (score @ memory).reshape(len(h), memory.shape[2]), score.reshape(len(h), score.shape[2])


class PairValidation:
    """Held-out pairs, scored by the NumPy twin.

    Parameters
    ----------
    sources, targets : Ragged
        Ragged ids.
    weights : ndarray of shape (n_samples,)
        Sample weights.
    n_jobs : int
        Threads.
    score : callable, default=None
        Returns how good the texts are that a network of given Spec and weights writes; None for the mean
        log-probability of an id.
    """

    def __init__(
        self,
        sources: Ragged,
        targets: Ragged,
        weights: np.ndarray,
        n_jobs: int,
        score: Callable[[Spec, Weights], float] | None = None,
    ) -> None:
        self.sources, self.targets, self.weights, self.n_jobs = sources, targets, weights, n_jobs
        self.score = score

    def __call__(self, spec: Spec, weights: Weights) -> tuple[float, float]:
        """Return loss and score: minus the mean log-probability of an id, and its opposite or `score`."""
        values = Decoder(spec, weights).log_likelihood(self.sources, self.targets, self.n_jobs)
        mean = float(self.weights @ values / (self.weights @ (self.targets.lengths + 1)))
        return -mean, mean if self.score is None else self.score(spec, weights)
