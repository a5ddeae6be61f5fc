"""Texts with their targets and weights, as `fit` gets them, and the held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

MAX_WEIGHT = 1e15  # of a sample: the loss sums its products with losses, in float32


class Samples(NamedTuple):
    """Texts with what is to be learned from them."""

    texts: list[str]
    targets: np.ndarray | None  # encoded targets, target texts of dtype object, or None: the texts themselves
    weights: np.ndarray  # (n_samples,) float32

    def take(self, rows: np.ndarray) -> Samples:
        """Return some of the samples."""
        targets = None if self.targets is None else self.targets[rows]
        return Samples([self.texts[i] for i in rows], targets, self.weights[rows])

    def balanced(self) -> Samples:
        """Return the samples with weights whose mean is 1, so that their unit does not change the steps."""
        mean = self.weights.mean(dtype=np.float64)
        return self._replace(weights=(self.weights / mean).astype(np.float32))

    def split(
        self, fraction: float, rng: np.random.Generator, *, owner: str, stratify: bool
    ) -> tuple[Samples, Samples]:
        """Return the samples to train on and those that are held out; both have a positive weight.

        Parameters
        ----------
        fraction : float
            Share of the samples to hold out.
        rng : numpy.random.Generator
            Source of the split.
        owner : str
            Class name of the estimator, for the messages.
        stratify : bool
            Whether to keep the shares of the classes, if every class has two samples or more.

        Returns
        -------
        train, held_out : Samples

        Raises
        ------
        ValueError
            If there are too few samples.
        """
        n = len(self.texts)
        if n < 2:
            raise ValueError(
                f"early_stopping of {owner} needs 2 texts or more to hold some out. Got {n}. Set "
                "early_stopping=False."
            )
        if max(1, round(n * fraction)) == n:
            raise ValueError(
                f"validation_fraction of {owner} leaves no texts for training: {fraction} of {n} texts. "
                "Lower it."
            )
        kept, held = self._split_rows(np.arange(n), fraction, rng, stratify)
        if not (self.weights[kept].any() and self.weights[held].any()):
            weighted = np.flatnonzero(self.weights)
            if len(weighted) < 2:
                raise ValueError(
                    f"early_stopping of {owner} needs 2 texts or more with a positive weight. Got "
                    f"{len(weighted)}. Set early_stopping=False."
                )
            _, held = self._split_rows(weighted, fraction, rng, stratify)
            kept = np.setdiff1d(np.arange(n), held)
        return self.take(np.sort(kept)), self.take(np.sort(held))

    def _split_rows(
        self, rows: np.ndarray, fraction: float, rng: np.random.Generator, stratify: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows to train on and those to hold out, of which both have one or more."""
        n_held = min(max(1, round(len(rows) * fraction)), len(rows) - 1)
        strata = self.targets[rows] if stratify and self.targets is not None else None
        if strata is not None:
            classes, counts = np.unique(strata, return_counts=True)
            if counts.min() < 2 or n_held < len(classes) or len(rows) - n_held < len(classes):
                strata = None
        kept, held = train_test_split(
            rows, test_size=n_held, random_state=int(rng.integers(2**31)), stratify=strata
        )
        return kept, held


def weights_of(name: str) -> str:
    """Return the name of the argument that holds the weights of targets: y or y_val."""
    return "sample_weight" + name.removeprefix("y")


def check_sample_weight(
    sample_weight: Any, n_samples: int, *, owner: str, name: str = "sample_weight"
) -> np.ndarray:
    """Return sample weights as float32, ones for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Weights.
    n_samples : int
        Number of texts.
    owner : str
        Class name of the estimator, for the messages.
    name : str, default="sample_weight"
        Name of the argument, for the messages.

    Returns
    -------
    weights : ndarray of float32 of shape (n_samples,)

    Raises
    ------
    ValueError
        If the shape is wrong, or if weights are not finite, negative or all zero.
    """
    if sample_weight is None:
        return np.ones(n_samples, np.float32)
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of {owner}.fit must hold numbers: {error}.") from error
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{name} of {owner}.fit must have shape ({n_samples},), one weight for each text. Got "
            f"shape {weights.shape} instead ({name}.shape == {weights.shape})."
        )
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if len(bad):
        raise ValueError(
            f"{name} of {owner}.fit must be finite and >= 0. Got {weights[bad[0]]} at position "
            f"{bad[0]}, and {len(bad) - 1} more."
        )
    largest = weights.max(initial=0.0)
    if not largest:
        raise ValueError(f"{name} of {owner}.fit must have a positive weight. Got only zeros.")
    if not 1 / MAX_WEIGHT <= largest <= MAX_WEIGHT:
        raise ValueError(
            f"the largest {name} of {owner}.fit must be between {1 / MAX_WEIGHT:g} and {MAX_WEIGHT:g}. Got "
            f"{largest:g}. Divide {name} by its mean."
        )
    return weights.astype(np.float32)


def generator(random_state: Any) -> np.random.Generator:
    """Return the generator of one fit. None draws fresh entropy; NumPy's global state is not used."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31 - 1)
    return np.random.default_rng(random_state)


def as_objects(texts: Sequence[str]) -> np.ndarray:
    """Return texts as an ndarray of dtype object."""
    return np.fromiter(texts, dtype=object, count=len(texts))
