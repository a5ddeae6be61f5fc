"""Stages 2 to 5 in NumPy: the twin of the Keras network that serves every prediction.

A batch is packed step by step without padding (:func:`skrnn.train.batches.pack`), so a step is a row look-up in
the folded table ``embedding @ kernel + bias``, one product with the recurrent kernel, and the gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from skrnn.ragged import BOUNDARY, Ragged
from skrnn.serve.cells import ACTIVATE, Cell, can_compile, keep, run_cell
from skrnn.serve.heads import log_softmax
from skrnn.serve.packing import Packed, pack, serving_batches
from skrnn.serve.self_attention import SelfAttention
from skrnn.spec import TOKEN_HEADS, Spec, Weights

MAX_TOKENS = 65536  # of a batch
MAX_ROWS = {False: 256, True: 64}  # of a batch; True: compiled loops, whose gates are to stay in the cache
MANY = 2**18  # tokens: so many are read by compiled loops
Step = Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]


class Forward:
    """A trained network, ready to compute.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        Its weights, under the names of :func:`skrnn.spec.weight_shapes`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.serve.forward import Forward
    >>> from skrnn.spec import Spec, initial_weights
    >>> from skrnn.ragged import Ragged
    >>> spec = Spec(n_ids=9, embedding_dim=4, layer="gru", rnn_units=3, bidirectional=True)
    >>> forward = Forward(spec, initial_weights(spec, np.random.default_rng(0)))
    >>> forward.encode(Ragged(np.array([3, 4, 5], np.int32), np.array([0, 2, 3]))).shape
    (2, 6)
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec, self.weights = spec, weights
        self.attention = SelfAttention(spec, weights) if spec.layer == "self_attention" else None
        self.levels = [
            [Cell(spec, weights, f"{direction}_{level}") for direction in spec.directions]
            for level in range(0 if self.attention else spec.n_layers)
        ]
        self.decoder = Cell(spec, weights, "decoder") if spec.head == "autoencoder" else None
        self._tables: list[np.ndarray] | None = None
        self._tokens_seen = 0

    def encode(self, sequences: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return the encoding of each row.

        Parameters
        ----------
        sequences : Ragged
            Ragged ids, at least one a row.
        n_jobs : int, default=1
            Threads over batches. The batches, and so the bits, do not depend on it.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_samples, n_components)
        """
        tables, known = self._look_up(sequences)
        compiled = _pays(sequences)
        out = np.empty((len(sequences), self.spec.vector_width), np.float32)

        def work(rows: np.ndarray) -> None:
            out[rows], _ = self._encode(pack(known.take(rows)), tables, compiled=compiled)

        over_batches(work, sequences.lengths, n_jobs, MAX_ROWS[compiled])
        return out

    def states(self, sequences: Ragged, n_jobs: int = 1) -> list[np.ndarray]:
        """Return the sequence encoding H of each row.

        Parameters
        ----------
        sequences : Ragged
            Ragged ids, at least one a row.
        n_jobs : int, default=1
            Threads over batches.

        Returns
        -------
        states : list of n_samples ndarrays of float32 of shape (n_steps_i, w)
        """
        tables, known = self._look_up(sequences)
        compiled = _pays(sequences)
        out: list[np.ndarray] = [np.empty(0)] * (len(sequences))

        def work(rows: np.ndarray) -> None:
            packed = pack(known.take(rows))
            states = self._stack(packed, tables, compiled=compiled).sequence
            for row, part in zip(rows, packed.split(states), strict=True):
                out[row] = part.copy()

        over_batches(work, sequences.lengths, n_jobs, MAX_ROWS[compiled])
        return out

    def encode_and_states(self, sequences: Ragged, n_jobs: int = 1) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return what `encode` and what `states` return, of one reading."""
        tables, known = self._look_up(sequences)
        compiled = _pays(sequences)
        n = len(sequences)
        vectors = np.empty((n, self.spec.vector_width), np.float32)
        out: list[np.ndarray] = [np.empty(0)] * n

        def work(rows: np.ndarray) -> None:
            packed = pack(known.take(rows))
            vectors[rows], h = self._encode(packed, tables, compiled=compiled, sequence=True)
            for row, part in zip(rows, packed.split(h), strict=True):
                out[row] = part

        over_batches(work, sequences.lengths, n_jobs, MAX_ROWS[compiled])
        return vectors, out

    def outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Return the head's values before its activation, of encodings or states, (n, n_outputs)."""
        if self.spec.head in TOKEN_HEADS and self.spec.tied_embeddings:
            vectors = vectors @ self.weights["combine/kernel"] + self.weights["combine/bias"]
            return vectors @ self.weights["embedding/embeddings"].T + self.weights["head/bias"]
        return vectors @ self.weights["head/kernel"] + self.weights["head/bias"]

    def log_likelihood(self, sequences: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return the log-probability of each row, its end included, in nats.

        For a language model the probability of each id given those before it; for an autoencoder given
        those before it and the row's own encoding.

        Parameters
        ----------
        sequences : Ragged
            Ragged ids.
        n_jobs : int, default=1
            Threads over batches.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
        """
        inputs = sequences.prepend(BOUNDARY)
        targets = sequences.append(BOUNDARY)
        extra = None if self.decoder is None else self._vector_inputs(self.encode(sequences, n_jobs))
        cells = self._predicting
        reading = self.attention if self.attention and self.decoder is None else cells[0]
        (table,), known = self._look_up(inputs, [reading])
        compiled = _pays(inputs)
        out = np.empty(len(sequences))

        def work(rows: np.ndarray) -> None:
            packed = pack(known.take(rows))
            if isinstance(reading, Cell):
                more = None if extra is None else extra[rows]
                h = _states(reading, table, packed, packed.ids, compiled=compiled, extra=more)
            else:
                h = self._attended(reading, packed, table).sequence
            for cell in cells[1:]:
                h = _states(cell, cell.inputs(h), packed, np.arange(len(h)), compiled=compiled)
            goal = targets.take(rows).ids
            out[rows] = np.add.reduceat(
                self._token_log_likelihood(packed.to_row_major(h), goal), packed.offsets[:-1]
            )

        over_batches(work, inputs.lengths, n_jobs, MAX_ROWS[compiled])
        return out

    @property
    def _predicting(self) -> list[Cell]:
        """The cells whose top states predict the next id."""
        return [cells[0] for cells in self.levels] if self.decoder is None else [self.decoder]

    def _vector_inputs(self, vectors: np.ndarray) -> np.ndarray:
        """Return the share of the decoder's gates that comes from the encodings, (b, g u)."""
        return vectors @ self._predicting[0].kernel[self.spec.embedding_dim :]

    def stepper(self, n_rows: int, vectors: np.ndarray | None = None) -> tuple[Step, list[np.ndarray]]:
        """Return the step function that a search writes texts with, and its states at the start.

        Parameters
        ----------
        n_rows : int
            Texts to write.
        vectors : ndarray of float32 of shape (n_rows, n_components), default=None
            For an autoencoder, what to write.

        Returns
        -------
        step : callable
            The last ids (n,) and the states to log-probabilities (n, n_ids) and the next states.
        states : list of ndarray, first axis n_rows
        """
        if self.attention and self.decoder is None:
            return partial(self._attentive_step, self.attention), self.attention.start(n_rows)
        cells = self._predicting
        table = cells[0].inputs(self.weights["embedding/embeddings"])
        states = [state for cell in cells for state in cell.start(n_rows)]
        if vectors is not None:
            states.append(self._vector_inputs(vectors))

        def step(ids: np.ndarray, states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            x = table[ids] if vectors is None else table[ids] + states[-1]
            for level, cell in enumerate(cells):
                own = states[level * cell.n_states : (level + 1) * cell.n_states]
                cell.step(cell.inputs(x) if level else x, *own)
                x = own[0]
            return log_softmax(self.outputs(x)), states

        return step, states

    def _attentive_step(
        self, attention: SelfAttention, ids: np.ndarray, states: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        h, states = attention.step(attention.inputs(self.weights["embedding/embeddings"][ids]), states)
        return log_softmax(self.outputs(h)), states

    def _token_log_likelihood(self, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return log softmax(head(h))[ids], (n, w), (n,) -> (n,), in chunks of bounded memory."""
        out = np.empty(len(ids))
        chunk = max(1, 2**23 // self.spec.n_outputs)
        for i in range(0, len(ids), chunk):
            logits = self.outputs(h[i : i + chunk])
            logits -= logits.max(axis=1, keepdims=True)
            chosen = np.take_along_axis(logits, ids[i : i + chunk, None].astype(np.int64), axis=1)
            out[i : i + chunk] = chosen[:, 0] - np.log(np.exp(logits).sum(axis=1))
        return out

    def _look_up(
        self, sequences: Ragged, cells: Sequence[Cell | SelfAttention] | None = None
    ) -> tuple[list[np.ndarray], Ragged]:
        """Return the folded input tables of cells and the sequences as rows of them.

        For those of layer 0, the tables of the whole vocabulary are made once so many ids have been seen
        that they pay.
        """
        embeddings = self.weights["embedding/embeddings"]
        if cells is None:
            cells = [self.attention] if self.attention else self.levels[0]
            self._tokens_seen += len(sequences.ids)
            if self._tables is None and self._tokens_seen >= len(embeddings):
                self._tables = [cell.inputs(embeddings) for cell in cells]
            if self._tables is not None:
                return self._tables, sequences
        used, rows = np.unique(sequences.ids, return_inverse=True)
        return [cell.inputs(embeddings[used]) for cell in cells], Ragged(rows, sequences.offsets)

    def _encode(
        self, packed: Packed, tables: list[np.ndarray], *, compiled: bool, sequence: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return stage 4 of a packed batch, (b, n_components), and its states if wanted, step-major."""
        kind = self.spec.pooling
        run = self._stack(packed, tables, kind, compiled=compiled, sequence=sequence)
        if kind == "attention":
            vectors = self._attend(run.sequence, packed)
        else:
            counts = np.diff(packed.offsets).astype(np.float32)[:, None]
            parts = {"last": run.last, "mean": run.total / counts[: len(run.total)], "max": run.peak}
            names = tuple(parts) if kind == "concat" else (kind,)
            vectors = np.concatenate([parts[name] for name in names], axis=1)
        if self.spec.n_components:
            x = vectors @ self.weights["projection/kernel"] + self.weights["projection/bias"]
            vectors = ACTIVATE[self.spec.activation](x, out=x)
        return vectors, run.sequence

    def _attend(self, h: np.ndarray, packed: Packed) -> np.ndarray:
        """Return the mean of the states under learned weights (Yang et al. 2016), (b, w)."""
        h = packed.to_row_major(h)
        kernel, bias, context = (self.weights[f"pooling/{part}"] for part in ("kernel", "bias", "context"))
        score = np.tanh(h @ kernel + bias) @ context  # (n_tokens,)
        starts, counts = packed.offsets[:-1], np.diff(packed.offsets)
        score = np.exp(score - np.repeat(np.maximum.reduceat(score, starts), counts))
        score /= np.repeat(np.add.reduceat(score, starts), counts)
        return np.add.reduceat(h * score[:, None], starts, axis=0)

    def _stack(
        self,
        packed: Packed,
        tables: list[np.ndarray],
        pooling: str = "attention",
        *,
        compiled: bool,
        sequence: bool = False,
    ) -> _Run:
        """Run all layers over a packed batch, keeping of the top one what `pooling` needs."""
        if self.attention:
            return self._attended(self.attention, packed, tables[0])
        ids = packed.ids
        for level, cells in enumerate(self.levels):
            top = level == len(self.levels) - 1
            wants = {
                "sequence": sequence or not top or pooling == "attention",
                "total": top and pooling in ("mean", "concat"),
                "peak": top and pooling in ("max", "concat"),
            }
            directions = []
            for i, (cell, table) in enumerate(zip(cells, tables, strict=True)):
                kept = keep(packed, cell.units, **wants)
                last = run_cell(cell, table, packed, ids, kept, reverse=i == 1, compiled=compiled)
                directions.append((last, *kept))
            run = _Run(*(_join(parts) for parts in zip(*directions, strict=True)))
            if not top:
                tables = [cell.inputs(run.sequence) for cell in self.levels[level + 1]]
                ids = np.arange(len(ids))
        return run

    def _attended(self, attention: SelfAttention, packed: Packed, table: np.ndarray) -> _Run:
        """Return what `_stack` does, of self-attention."""
        h = attention.states(packed.to_row_major(table[packed.ids]), packed.offsets)
        starts = packed.offsets[:-1]
        return _Run(
            h[packed.offsets[1:] - 1],
            h[packed.row_major],
            np.add.reduceat(h, starts),
            np.maximum.reduceat(h, starts),
        )


class _Run(NamedTuple):
    """What is kept of one layer's states; what is not wanted has no rows."""

    last: np.ndarray  # (b, w)
    sequence: np.ndarray  # (n_tokens, w), step-major
    total: np.ndarray  # (b, w)
    peak: np.ndarray  # (b, w)


def _states(cell: Cell, table: np.ndarray, packed: Packed, ids: np.ndarray, **options: Any) -> np.ndarray:
    """Return all states of one cell, step-major (n_tokens, u)."""
    kept = keep(packed, cell.units, sequence=True)
    run_cell(cell, table, packed, ids, kept, **options)
    return kept.sequence


def _join(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _pays(sequences: Ragged) -> bool:
    """Return whether so much is to be read that the compiled loops are worth their start, 0.6 s of a process.

    It depends on the work alone, and so do the last bits of a state.
    """
    return len(sequences.ids) >= MANY and can_compile()


def over_batches(
    work: Callable[[np.ndarray], None], counts: np.ndarray, n_jobs: int, max_rows: int = MAX_ROWS[False]
) -> None:
    """Call `work` on the rows of each batch; the batches do not depend on the threads.

    Parameters
    ----------
    work : callable
        Called with row numbers, of rows of like length, the longest first.
    counts : ndarray of int of shape (n_samples,)
        Length of each row.
    n_jobs : int
        Threads; BLAS has one in each.
    max_rows : int, default=256
        The most rows of a batch.
    """
    if len(counts) == 1:
        work(np.zeros(1, np.int64))
        return
    batches = serving_batches(counts, max_rows, MAX_TOKENS)
    with one_blas_thread():
        if n_jobs == 1 or len(batches) < 2:
            for rows in batches:
                work(rows)
        else:
            with ThreadPoolExecutor(min(n_jobs, len(batches))) as pool:
                list(pool.map(work, batches))


_blas_lock, _blas_users, _blas_limit = Lock(), 0, None


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread while any thread is inside: the limit is the process's, not a thread's."""
    global _blas_users, _blas_limit
    with _blas_lock:
        _blas_users += 1
        if _blas_users == 1:
            _blas_limit = _threadpools().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0 and _blas_limit is not None:
                _blas_limit.restore_original_limits()
