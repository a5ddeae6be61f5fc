"""The mini-batches of a training: padded ids, targets and weights. No Keras here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skrnn.ragged import BOUNDARY, PAD, UNKNOWN, Ragged
from skrnn.spec import Spec
from skrnn.targets import HEADS
from skrnn.train.batches import LONGER_HALF, Examples, add_noise, buckets, epoch, halves
from skrnn.train.recipe import Recipe

N_SAMPLED = 2048  # ids besides those of a batch by which the softmax of a large vocabulary is estimated
LARGE_VOCABULARY = 4096  # ids: with more, the softmax is estimated in training
_MULTIPLE = 4  # lengths of batches of pairs are multiples of it

Batch = tuple[Any, np.ndarray, np.ndarray]  # inputs, targets, weights


class Batches:
    """Rows as padded mini-batches. The batches of an epoch depend on the seed and the epoch only.

    Parameters
    ----------
    spec : Spec
        The architecture.
    recipe : Recipe
        Batch size, noise and seed.
    examples : Examples
        The rows.
    """

    def __init__(self, spec: Spec, recipe: Recipe, examples: Examples) -> None:
        self.spec, self.recipe, self.examples = spec, recipe, examples
        lengths = examples.sequences.lengths
        if isinstance(examples.targets, Ragged):
            lengths = lengths + examples.targets.lengths
        self.buckets = buckets(lengths, recipe.batch_size, recipe.max_tokens)
        self.go_to(0)

    def go_to(self, number: int) -> None:
        """Draw the batches of an epoch."""
        self.epoch = number
        self.batches = epoch(self.buckets, np.random.default_rng([self.recipe.seed, number]))

    def release(self) -> None:
        """Forget the texts: TensorFlow keeps a dataset as long as the process lives."""
        del self.examples, self.batches

    def __len__(self) -> int:
        return len(self.batches)

    def n_rows(self, index: int) -> int:
        """Return the number of rows of one batch, in which each text may have two."""
        repeats = self.recipe.r_drop and isinstance(self.examples.targets, np.ndarray)
        repeats = repeats or self.spec.head == "contrastive"
        return len(self.batches[index][0]) * (2 if repeats else 1)

    def __getitem__(self, index: int) -> Batch:
        """Return the inputs, targets and weights of one batch."""
        rows, length = self.batches[index]
        sequences, weights = self.examples.sequences.take(rows), self.examples.weights[rows]
        targets = self.examples.targets
        if isinstance(targets, Ragged):
            return pair_batch(sequences, targets.take(rows), weights)
        if targets is not None:
            n_runs = 2 if self.recipe.r_drop else 1
            repeated = np.repeat(np.arange(len(rows)), n_runs)
            return sequences.pad(length)[repeated], targets[rows[repeated]], weights[repeated]
        rng = np.random.default_rng([self.recipe.seed, self.epoch, index])
        if self.spec.head == "contrastive":
            parts = halves(sequences, rng).pad(math.ceil(LONGER_HALF * length))
            return parts, np.zeros(len(parts), np.float32), np.repeat(weights, 2)
        return text_batch(self.spec, self.recipe, sequences, weights, length, rng)


def text_batch(
    spec: Spec, recipe: Recipe, sequences: Ragged, weights: np.ndarray, length: int, rng: np.random.Generator
) -> Batch:
    """Return a batch of texts whose targets are their own ids.

    Parameters
    ----------
    spec : Spec
        Autoencoder or language model.
    recipe : Recipe
        Dropout and noise of an autoencoder.
    sequences : Ragged
        Ids of the texts.
    weights : ndarray of float32 of shape (b,)
        Their weights.
    length : int
        Length to pad to.
    rng : numpy.random.Generator
        Source of the noise and of the sampled ids.

    Returns
    -------
    batch : tuple
        Inputs as :func:`skrnn.train.network.network` takes them, ids to predict, and weights that sum to one.
    """
    previous = sequences.prepend(BOUNDARY).pad(length + 1)
    targets = sequences.append(BOUNDARY).pad(length + 1)
    if spec.head == "autoencoder":
        hidden = (rng.random(previous.shape) < recipe.dropout) & (previous > BOUNDARY)
        noisy = add_noise(sequences, recipe.noise, rng)
        inputs = [noisy.pad(length), np.where(hidden, np.int32(UNKNOWN), previous)]
    elif spec.bidirectional:
        inputs = [previous, targets]
        targets = np.concatenate([targets, previous], axis=1)
    else:
        inputs = [previous]
    token_weights = _token_weights(targets, weights)
    if is_sampled(spec):
        candidates, offsets, targets = sample_ids(targets, spec.n_outputs, rng)
        inputs += [np.tile(row, (len(targets), 1)) for row in (candidates, offsets)]
    return tuple(inputs) if len(inputs) > 1 else inputs[0], targets, token_weights


def pair_batch(sources: Ragged, targets: Ragged, weights: np.ndarray) -> Batch:
    """Return a batch of pairs: both sides, the target's next ids, and weights that sum to one."""
    width = _rounded(targets.lengths.max() + 1)
    previous = targets.prepend(BOUNDARY).pad(width)
    following = targets.append(BOUNDARY).pad(width)
    inputs = sources.pad(_rounded(sources.lengths.max())), previous
    return inputs, following, _token_weights(following, weights)


def _token_weights(targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weight of each id, zero for padding; together they sum to one."""
    share = (targets != PAD) * weights[:, None]
    return (share / max(share.sum(), 1e-9)).astype(np.float32)


def _rounded(length: int) -> int:
    return -(-int(length) // _MULTIPLE) * _MULTIPLE


def is_sampled(spec: Spec) -> bool:
    """Return whether training estimates the softmax over the vocabulary from a sample of ids."""
    writes_itself = HEADS[spec.head].predicts_ids and spec.head != "seq2seq"
    return writes_itself and spec.n_outputs > LARGE_VOCABULARY


def sample_ids(
    targets: np.ndarray, n_ids: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the candidate ids of a batch: its targets and a sample of the others.

    Parameters
    ----------
    targets : ndarray of int of shape (b, t)
        Ids.
    n_ids : int
        Number of ids in the vocabulary.
    rng : numpy.random.Generator
        Source of the sample.

    Returns
    -------
    candidates : ndarray of int32 of shape (n,)
        Ids.
    offsets : ndarray of float32 of shape (n,)
        What to add to their logits: 0, or ``-log(probability of being drawn)``.
    positions : ndarray of int of shape (b, t)
        The targets as positions among the candidates.
    """
    own, positions = np.unique(targets, return_inverse=True)
    others = np.setdiff1d(np.arange(n_ids), own, assume_unique=True)
    drawn = rng.choice(others, min(N_SAMPLED, len(others)), replace=False)
    offsets = np.zeros(len(own) + len(drawn), np.float32)
    offsets[len(own) :] = np.log(len(others) / max(1, len(drawn)))
    return np.concatenate([own, drawn]).astype(np.int32), offsets, positions.reshape(targets.shape)
