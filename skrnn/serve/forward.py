"""Stages 2 to 5 in NumPy: the network that serves every prediction.

A batch is packed step by step without padding (:func:`skrnn.serve.batches.pack`). A step looks up rows in the
folded table ``embedding @ kernel + bias``, multiplies with the recurrent kernel once, and computes the gates.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from skrnn.ragged import Ragged
from skrnn.serve.batches import MAX_ROWS, MAX_ROWS_COMPILED, Packed, over_batches, pack
from skrnn.serve.cell import ACTIVATE, HiddenStates
from skrnn.serve.decoders import Decoder, look_up
from skrnn.serve.layers import LAYERS, layer_class
from skrnn.serve.ngrams import NGrams
from skrnn.serve.pooling import POOLINGS, vector_width, weighted_mean
from skrnn.serve.seq2seq import DECODERS
from skrnn.spec import ACTIVATIONS, EMBEDDING, Spec, Weights
from skrnn.targets import HEADS
from skrnn.threads import one_blas_thread


class Forward:
    """A trained network, ready to compute.

    Parameters
    ----------
    spec : Spec
        The network.
    weights : dict of str to ndarray of float32
        Its weights, under the names of :func:`skrnn.serve.weights.weight_shapes`.

    Attributes
    ----------
    vector_width : int
        Width of the encoding of a text.

    Raises
    ------
    ValueError
        If `spec` names a layer, a pooling, an activation or a head that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.ragged import Ragged
    >>> from skrnn.serve.forward import Forward
    >>> from skrnn.serve.weights import initial_weights
    >>> from skrnn.spec import Spec
    >>> spec = Spec(n_ids=9, embedding_dim=4, layer="gru", rnn_units=3, bidirectional=True)
    >>> forward = Forward(spec, initial_weights(spec, np.random.default_rng(0)))
    >>> forward.encode(Ragged.from_rows([[3, 4], [5]])).shape
    (2, 6)
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        check_names(spec)
        self.spec, self.weights = spec, weights
        self.layer = layer_class(spec)(spec, weights)
        self.pooling = POOLINGS[spec.pooling](weights)
        self.vector_width = vector_width(spec)
        self._tables: list[np.ndarray] | None = None
        self._tokens_seen = 0

    @cached_property
    def decoder(self) -> Decoder:
        """What predicts token ids; only for heads that do."""
        if self.spec.head not in DECODERS:
            raise ValueError(
                f"The head {self.spec.head!r} does not predict token ids. These heads do: "
                f"{', '.join(DECODERS)}."
            )
        return DECODERS[self.spec.head](self)

    @cached_property
    def _ngrams(self) -> NGrams:
        return NGrams(self.spec.ngram_range or (1, 1), self.weights)

    def encode(self, sequences: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return the encoding of each text.

        Parameters
        ----------
        sequences : Ragged
            Ids of the texts, at least one in each row.
        n_jobs : int, default=1
            Number of threads. The result does not depend on it.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_samples, n_components)
        """
        return self._run(sequences, n_jobs, encode=True)[0]

    def states(self, sequences: Ragged, n_jobs: int = 1) -> list[np.ndarray]:
        """Return the sequence encoding H of each text: the hidden states of the top layer.

        Parameters
        ----------
        sequences, n_jobs
            See :meth:`encode`.

        Returns
        -------
        states : list of n_samples ndarrays of float32 of shape (n_steps_i, w)
        """
        return self._run(sequences, n_jobs, states=True)[1]

    def encode_and_states(self, sequences: Ragged, n_jobs: int = 1) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the results of :meth:`encode` and :meth:`states`, computed in one run."""
        return self._run(sequences, n_jobs, encode=True, states=True)

    @one_blas_thread()
    def outputs(self, sequences: Ragged, n_jobs: int = 1) -> np.ndarray:
        """Return the outputs of the head before its activation.

        Parameters
        ----------
        sequences, n_jobs
            See :meth:`encode`.

        Returns
        -------
        outputs : ndarray of float32 of shape (n_samples, n_outputs)
        """
        vectors = self.encode(sequences, n_jobs)
        outputs = vectors @ self.weights["head/kernel"] + self.weights["head/bias"]
        if self.spec.ngram_range is not None:
            outputs *= self.weights["ngrams/factor"]
            outputs += self._ngrams.outputs(sequences, n_jobs)
        return outputs

    def _run(
        self, sequences: Ragged, n_jobs: int, *, encode: bool = False, states: bool = False
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        tables, known = self._look_up(sequences)
        compiled = self.layer.is_compiled(len(sequences.ids))
        needs = [*self.pooling.needs] * encode + ["sequence"] * states
        vectors = np.empty((len(sequences) * encode, self.vector_width), np.float32)
        by_text: list[np.ndarray] = [np.empty(0)] * (len(sequences) * states)

        def work(rows: np.ndarray) -> None:
            packed = pack(known.take(rows))
            hidden = self.layer.run(tables, packed, needs, compiled=compiled)
            if encode:
                vectors[rows] = self._encode(hidden, packed, sequences.take(rows))
            if states:
                for row, part in zip(rows, packed.split(hidden.sequence), strict=True):
                    by_text[row] = part.copy()  # so that one text does not keep the whole batch alive

        over_batches(work, sequences.lengths, n_jobs, MAX_ROWS_COMPILED if compiled else MAX_ROWS)
        return vectors, by_text

    def _encode(self, hidden: HiddenStates, packed: Packed, sequences: Ragged) -> np.ndarray:
        """Return stage 4 of a packed batch of texts, (b, n_components)."""
        vectors = self.pooling(hidden, packed)
        if self.spec.weighted_mean:
            vectors = np.concatenate([vectors, weighted_mean(sequences, self.weights)], axis=1)
        if self.spec.n_components:
            x = vectors @ self.weights["projection/kernel"] + self.weights["projection/bias"]
            vectors = ACTIVATE[self.spec.activation](x, out=x)
        return vectors

    @one_blas_thread()
    def _look_up(self, sequences: Ragged) -> tuple[list[np.ndarray], Ragged]:
        """Return folded embeddings, and the texts as rows of them.

        The whole vocabulary is folded once, as soon as the network has read as many tokens as there are ids.
        """
        embeddings = self.weights[EMBEDDING]
        self._tokens_seen += len(sequences.ids)
        if self._tables is None and self._tokens_seen >= len(embeddings):
            self._tables = self.layer.inputs(embeddings)
        if self._tables is not None:
            return self._tables, sequences
        return look_up(self.layer.inputs, embeddings, sequences)


def check_names(spec: Spec) -> None:
    """Raise a ValueError if a name in a Spec is unknown."""
    for field, known in (
        ("layer", LAYERS),
        ("rnn_activation", ACTIVATIONS),
        ("pooling", POOLINGS),
        ("activation", ACTIVATIONS),
        ("head", HEADS),
    ):
        name = getattr(spec, field)
        if name not in known:
            raise ValueError(f"Unknown {field} in Spec: {name!r}. Known names: {', '.join(known)}.")
