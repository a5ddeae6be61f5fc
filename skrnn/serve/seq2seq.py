"""Stage 5 in NumPy: the head "seq2seq", which writes another text than the one it reads.

The encoder reads the sources. The decoder starts from their vectors and attends to their states. One step
serves the searches, which feed back the ids that they chose, and the log-likelihood, which feeds true ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.batches import over_batches
from skrnn.serve.cell import Shapes
from skrnn.serve.cells import CELLS, cell_shapes
from skrnn.serve.decoders import Autoencoder, Decoder, LanguageModel, log_softmax, token_head_width
from skrnn.serve.pooling import vector_width
from skrnn.serve.search import Found
from skrnn.spec import Spec, States, Step

if TYPE_CHECKING:
    from skrnn.serve.forward import Forward

MAX_BEAMS = 256  # rows of a step

Search = Callable[[Step, States], Found]


class Seq2Seq(Decoder):
    """The probability of each token of a target text given those before it and the source text.

    Parameters
    ----------
    forward : Forward
        The network.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.ragged import Ragged
    >>> from skrnn.serve.forward import Forward
    >>> from skrnn.serve.search import Rules, greedy
    >>> from skrnn.serve.weights import initial_weights
    >>> from skrnn.spec import Spec
    >>> spec = Spec(9, 4, "gru", 3, head="seq2seq", n_outputs=8, attention="general")
    >>> decoder = Forward(spec, initial_weights(spec, np.random.default_rng(0))).decoder
    >>> sources = Ragged.from_rows([[3, 4], [5]])
    >>> found = decoder.write(sources, lambda step, states: greedy(step, states, Rules(max_length=4)))
    >>> len(found.sequences), found.log_probabilities.shape
    (2, (2,))
    """

    name = "seq2seq"

    def __init__(self, forward: Forward) -> None:
        super().__init__(forward)
        spec, weights = self.spec, self.weights
        self.cells = [CELLS[spec.cell](spec, weights, f"decoder_{level}") for level in range(spec.n_layers)]
        embeddings = weights["target_embedding/embeddings"]
        self.table = self.cells[0].inputs(embeddings)  # (n_outputs, g u)
        kernel = embeddings.T if spec.tied_embeddings else weights["head/kernel"]
        self.head = np.ascontiguousarray(kernel)  # (head_width, n_outputs)

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the target embedding, the bridge, the cells, the attention and a layer."""
        u, w, c = spec.rnn_units, spec.state_width, context_width(spec)
        shapes: Shapes = {
            "target_embedding/embeddings": (spec.n_outputs, spec.embedding_dim),
            "bridge/kernel": (vector_width(spec), spec.n_layers * u),
            "bridge/bias": (spec.n_layers * u,),
        }
        for level in range(spec.n_layers):
            shapes |= cell_shapes(spec, f"decoder_{level}", u + c if level else spec.embedding_dim)
        if spec.attention:
            shapes["attention/kernel"] = (w, u)
        if spec.attention == "additive":
            shapes |= {"attention/query": (u, u), "attention/context": (u,)}
        width = token_head_width(spec)
        return shapes | {"combine/kernel": (u + c, width), "combine/bias": (width,)}

    def outputs(self, h: np.ndarray) -> np.ndarray:
        """Return the logits of all ids, (n, head_width) -> (n, n_ids)."""
        logits = h @ self.head
        logits += self.weights["head/bias"]
        return logits

    def stepper(self, source: Ragged) -> tuple[Step, States]:
        """Return the step function and the states of the texts to write, see :class:`Decoder`."""
        reader = _Reader(self, source)
        return reader.step, reader.states

    def write(self, sources: Ragged, search: Search, *, n_beams: int = 1, n_jobs: int = 1) -> Found:
        """Search for the target texts of source texts.

        Parameters
        ----------
        sources : Ragged
            Ids of the source texts, at least one in each row.
        search : callable
            A function of :mod:`skrnn.serve.search` that takes the step function and the states.
        n_beams : int, default=1
            Number of beams of a text. With more beams, a batch has fewer texts.
        n_jobs : int, default=1
            Number of threads.

        Returns
        -------
        found : Found
            In the order of the sources.
        """
        parts: list[Found | None] = [None] * len(sources)

        def work(rows: np.ndarray) -> None:
            found = search(*self.stepper(sources.take(rows)))
            n_best = len(found.log_probabilities) // len(rows)
            for i, row in enumerate(rows.tolist()):
                own = np.arange(i * n_best, (i + 1) * n_best)
                parts[row] = Found(found.sequences.take(own), found.log_probabilities[own])

        over_batches(work, sources.lengths, n_jobs, max(1, MAX_BEAMS // n_beams))
        done = [part for part in parts if part is not None]
        if not done:
            return Found(Ragged.from_rows([]), np.empty(0))
        return Found(
            Ragged.concatenate([part.sequences for part in done]),
            np.concatenate([part.log_probabilities for part in done]),
        )

    def log_likelihood(
        self, sequences: Ragged, targets: Ragged | None = None, *, n_jobs: int = 1
    ) -> np.ndarray:
        """Return the log-probability of each target given its source, see :class:`Decoder`."""
        targets = sequences if targets is None else targets
        out = np.empty(len(sequences))
        following = targets.append(BOUNDARY)

        def work(rows: np.ndarray) -> None:
            goal = following.take(rows)
            h, _ = self._force(sequences.take(rows), goal)
            out[rows] = np.add.reduceat(self.log_probabilities(h, goal.ids), goal.offsets[:-1])

        over_batches(work, sequences.lengths + targets.lengths, n_jobs)
        return out

    def attention(self, sources: Ragged, targets: Ragged, *, n_jobs: int = 1) -> list[np.ndarray]:
        """Return the attention weights of the decoder for each id of the targets and their end.

        Parameters
        ----------
        sources, targets : Ragged
            Ids of the source and of the target texts; each source has at least one.
        n_jobs : int, default=1
            Number of threads.

        Returns
        -------
        weights : list of n_samples ndarrays of float32 of shape (n_target_ids_i + 1, n_source_ids_i)
            Each row sums to one.
        """
        out: list[np.ndarray] = [np.empty(0)] * len(sources)
        following, lengths = targets.append(BOUNDARY), sources.lengths

        def work(rows: np.ndarray) -> None:
            goal = following.take(rows)
            _, weights = self._force(sources.take(rows), goal)
            for row, part in zip(rows, np.split(weights, goal.offsets[1:-1]), strict=True):
                out[row] = part[:, : lengths[row]].copy()

        over_batches(work, lengths, n_jobs)
        return out

    def _force(self, sources: Ragged, following: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """Feed true ids; return what the head reads, (n_ids, head_width), and the attention, (n_ids, t)."""
        reader = _Reader(self, sources)
        goal = following.pad()  # (b, s)
        states, ids = reader.states, np.full(len(goal), BOUNDARY)
        read = np.empty((*goal.shape, token_head_width(self.spec)), np.float32)
        weights = np.empty((*goal.shape, reader.n_steps), np.float32)
        for s in range(goal.shape[1]):
            read[:, s], weights[:, s], states = reader.advance(ids, states)
            ids = goal[:, s]
        real = np.arange(goal.shape[1]) < following.lengths[:, None]
        return read[real], weights[real]


class _Reader:
    """The encoded sources of one batch, and the decoder's step over them."""

    def __init__(self, decoder: Seq2Seq, sources: Ragged) -> None:
        self.decoder, self.spec, self.weights = decoder, decoder.spec, decoder.weights
        n = len(sources)
        self.n_steps = 0  # of the sources, for attention
        if self.spec.attention:
            vectors, states = decoder.forward.encode_and_states(sources)
            self._remember(states)
        else:
            vectors = decoder.forward.encode(sources)
            self.memory = vectors[:, None]
        bridge = np.tanh(vectors @ self.weights["bridge/kernel"] + self.weights["bridge/bias"])
        self.states: States = []
        for cell, h in zip(decoder.cells, np.split(bridge, self.spec.n_layers, axis=1), strict=True):
            self.states += cell.start(n, h)
        self.states.append(np.arange(n))  # the source of each row
        self._take(np.arange(n))

    def _remember(self, states: list[np.ndarray]) -> None:
        """Store the states of the sources with padding, their keys, and what hides the padding."""
        self.n_steps = max(map(len, states), default=0)
        self.memory = np.zeros((len(states), self.n_steps, self.spec.state_width), np.float32)
        self.hidden = np.zeros((len(states), 1, self.n_steps), np.float32)
        for i, part in enumerate(states):
            self.memory[i, : len(part)] = part
            self.hidden[i, 0, len(part) :] = -1e30
        keys = self.memory @ self.weights["attention/kernel"]  # (b, t, u)
        self.keys = np.ascontiguousarray(keys.swapaxes(1, 2))  # (b, u, t)

    def _take(self, rows: np.ndarray) -> None:
        """Select the sources whose texts have not ended."""
        self.active = rows
        everything = len(rows) == len(self.memory)
        names = ("memory", "keys", "hidden") if self.spec.attention else ("memory",)
        self.part = [getattr(self, name) if everything else getattr(self, name)[rows] for name in names]

    def step(self, ids: np.ndarray, states: States) -> tuple[np.ndarray, States]:
        """Return the log-probabilities of the next ids and the new states."""
        read, _, states = self.advance(ids, states)
        return log_softmax(self.decoder.outputs(read)), states

    def advance(self, ids: np.ndarray, states: States) -> tuple[np.ndarray, np.ndarray, States]:
        """Return what the head reads, (r, head_width), the attention, (r, t), and the new states.

        The bottom cell reads the ids, its states attend to the source, and the cells above read both (Wu et
        al. 2016).
        """
        *states, source = states
        states = [state.copy() for state in states]  # a cell's step overwrites them
        n_states = len(self.decoder.cells[0].states)
        n_beams = self._n_beams(source)
        x, h = np.take(self.decoder.table, ids, axis=0), states[0]
        context = attention = np.empty((len(ids), 0), np.float32)
        for level, cell in enumerate(self.decoder.cells):
            own = states[level * n_states : (level + 1) * n_states]
            if level:
                x = cell.inputs(np.hstack([h, context]))
            cell.step(x, *own)
            h = own[0]
            if not level:
                context, attention = self._attend(h, n_beams)
        kernel, bias = self.weights["combine/kernel"], self.weights["combine/bias"]
        read = h @ kernel[: h.shape[1]]
        read += context @ kernel[h.shape[1] :]
        read += bias
        return np.tanh(read, out=read), attention, [*states, source]

    def _n_beams(self, source: np.ndarray) -> int:
        """Return the number of rows of each source. They lie side by side."""
        n_beams = int((source == source[0]).sum()) if len(source) else 1
        rows = source[::n_beams]
        if not np.array_equal(rows, self.active):
            self._take(rows)
        return n_beams

    def _attend(self, h: np.ndarray, n_beams: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the contexts, (r, c), and the attention weights, (r, t), of states (r, u).

        The scores are q (h K) (Luong et al. 2015) or c tanh(q Q + h K) (Bahdanau et al. 2015).
        """
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


def context_width(spec: Spec) -> int:
    """Return the width of what the decoder of "seq2seq" sees of the source at each step."""
    return spec.state_width if spec.attention else vector_width(spec)


DECODERS: dict[str, type[Decoder]] = {
    decoder.name: decoder for decoder in (LanguageModel, Autoencoder, Seq2Seq)
}
