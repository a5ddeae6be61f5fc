"""Stage 5 for token ids: what the decoders of a network have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skrnn.ragged import Ragged
from skrnn.serve.cell import Shapes
from skrnn.serve.search import States, Step
from skrnn.spec import Spec

if TYPE_CHECKING:
    from skrnn.serve.forward import Forward

MAX_LOGITS = 2**23  # computed at a time, which bounds the memory


class Decoder:
    """What predicts token ids in a trained network.

    Parameters
    ----------
    forward : Forward
        The network. Its layers read the texts that a decoder starts from.
    """

    name: ClassVar[str]  # of the head

    def __init__(self, forward: Forward) -> None:
        self.forward, self.spec, self.weights = forward, forward.spec, forward.weights

    @staticmethod
    def weight_shapes(spec: Spec) -> Shapes:
        """Return the shapes of the weights between the encoder and the output layer."""
        raise NotImplementedError

    def stepper(self, source: Any) -> tuple[Step, States]:
        """Return the step function that a search of :mod:`skrnn.serve.search` writes texts with.

        Parameters
        ----------
        source : int, ndarray or Ragged
            What the texts are written from. "language_model" takes the number of texts, "autoencoder" their
            encodings, float32 (n_texts, n_components), and "seq2seq" the ids of the source texts.

        Returns
        -------
        step : callable
            Takes the last ids, int (n,), and the states; returns log-probabilities, float32 (n, n_ids), and
            the new states.
        states : list of ndarray
            The states before the first id. Their first axis is the texts.
        """
        raise NotImplementedError

    def log_likelihood(
        self, sequences: Ragged, targets: Ragged | None = None, *, n_jobs: int = 1
    ) -> np.ndarray:
        """Return the log-probability of each text and its end, in nats.

        Parameters
        ----------
        sequences : Ragged
            Ids of the texts that the network reads, at least one in each row.
        targets : Ragged, default=None
            Ids of the texts to score; None for `sequences`.
        n_jobs : int, default=1
            Number of threads.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
        """
        raise NotImplementedError

    def outputs(self, h: np.ndarray) -> np.ndarray:
        """Return the logits of all ids, (n, w) -> (n, n_ids)."""
        raise NotImplementedError

    def log_probabilities(self, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the log-probability of one id for each row of h, (n, w), (n,) -> (n,), in chunks."""
        out = np.empty(len(ids))
        chunk = max(1, MAX_LOGITS // self.spec.n_outputs)
        for i in range(0, len(ids), chunk):
            logits = self.outputs(h[i : i + chunk])
            logits -= logits.max(axis=1, keepdims=True)
            chosen = np.take_along_axis(logits, ids[i : i + chunk, None].astype(np.int64), axis=1)
            out[i : i + chunk] = chosen[:, 0] - np.log(np.exp(logits).sum(axis=1))
        return out


def token_head_width(spec: Spec) -> int:
    """Return the width that the output layer of a decoder reads."""
    return spec.embedding_dim if spec.tied_embeddings else spec.rnn_units


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits
