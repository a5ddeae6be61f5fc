"""How a network is trained, as plain values: the counterpart of :class:`skrnn.spec.Spec`. No Keras here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Frozen = Literal["nothing", "embedding", "encoder"]
Schedule = Literal["one_cycle", "constant"]

RISE = 0.15  # share of the steps of "one_cycle" in which the learning rate rises
EMBEDDING_RATE = 0.3  # times the learning rate: for embeddings that are trained with labels
MAX_TOKENS_READ = (
    2**24
)  # tokens that epochs="auto" reads in all epochs together, if 4 epochs do not exceed it
SHORT_TEXT = 12  # tokens: texts that average no more are read in 15 epochs
MIN_STEPS = 80  # steps of an epoch that batch_size="auto" keeps, down to batches of 8 texts
SMALL_VOCABULARY = 256  # ids: each is seen so often that it needs only half of the dropout
TINY = 1e-7  # added to what a loss divides by or takes the logarithm of
TEMPERATURE = 1.0  # of the cosines of halves of texts
CONTRAST_DROPOUT = 0.1
MAX_TEXTS_CUT = 45_000  # in all epochs of epochs="auto", if 2 epochs do not exceed it
CONTRAST_SIZE = 256  # texts in a mini-batch from whose halves the halves of a text are told
RESTORING_DROPOUT = 0.05  # a text cannot be restored from a vector of which half is missing
MAX_TOKENS = 64 * 400  # ids of a padded batch: batches of longer texts have fewer rows, in the same memory
MAX_TOKENS_PREDICTED = 2**13  # the same where each id of a large vocabulary is predicted
MAX_TOKENS_PAIRS = 2**14  # the same for source and target together


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on besides the architecture and the data.

    Parameters
    ----------
    optimizer : str
        Name of a Keras optimizer.
    learning_rate : float
        Its step size, or the highest one of a schedule.
    schedule : {"one_cycle", "constant"}
        How the step size changes.
    epochs : int
        Maximum number of epochs.
    batch_size : int
        Number of texts in a mini-batch.
    max_tokens : int
        Maximum number of ids in a padded mini-batch.
    dropout : float
        Share of the values of the embedding and of the encoding that are set to zero.
    recurrent_dropout : float
        Share of the values of the hidden state that are set to zero.
    noise : float
        Share of the ids that an autoencoder's encoder does not see.
    r_drop : float
        Weight of the divergence between two outputs for one text; 0 runs each batch once.
    label_smoothing : float
        Share of the probability that the loss of "seq2seq" spreads over all ids.
    frozen : {"nothing", "embedding", "encoder"}
        What training leaves unchanged; "encoder" is the embedding and the layers that read it.
    seed : int
        Seed of the order of the batches, of the noise and of dropout.
    """

    optimizer: str = "adam"
    learning_rate: float = 0.004
    schedule: Schedule = "constant"
    epochs: int = 1
    batch_size: int = 64
    max_tokens: int = MAX_TOKENS
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    noise: float = 0.0
    r_drop: float = 0.0
    label_smoothing: float = 0.0
    frozen: Frozen = "nothing"
    seed: int = 0

    def rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of all the steps of a training.

        "one_cycle" raises it, then lowers it to zero (Smith & Topin 2019; Loshchilov & Hutter 2017).
        keras.optimizers.schedules.CosineDecay with `warmup_target` gives the same rates, within 5e-10.
        """
        if self.schedule == "constant":
            return self.learning_rate
        share = (step + 1) / (n_steps + 1)
        if share < RISE:
            return self.learning_rate * share / RISE
        return self.learning_rate * (1 + math.cos(math.pi * (share - RISE) / (1 - RISE))) / 2

    @property
    def compiled(self) -> tuple:
        """The values that are part of a compiled Keras model; the others can change without a new one."""
        return (
            self.optimizer,
            self.dropout,
            self.recurrent_dropout,
            self.r_drop,
            self.label_smoothing,
            self.frozen,
        )


def auto_epochs(n_tokens: int, n_texts: int, head: str) -> int:
    """Return the number of epochs for epochs="auto"."""
    epochs = min(max(MAX_TOKENS_READ // n_tokens, 4), 15 if n_tokens <= SHORT_TEXT * n_texts else 10)
    return min(epochs, max(MAX_TEXTS_CUT // n_texts, 2)) if head == "contrastive" else epochs


def auto_batch_size(n_texts: int, head: str) -> int:
    """Return the number of texts in a mini-batch for batch_size="auto"."""
    if head == "contrastive":
        return CONTRAST_SIZE
    return min(max(n_texts // MIN_STEPS, 8), 64)


def auto_dropout(n_ids: int, head: str) -> float:
    """Return the share of values that dropout="auto" sets to zero."""
    if head == "autoencoder":
        return RESTORING_DROPOUT
    if head == "contrastive":
        return CONTRAST_DROPOUT
    return 0.25 if n_ids <= SMALL_VOCABULARY else 0.5
