"""Texts with their targets and weights, as `fit` gets them, and the held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split


class Samples(NamedTuple):
    """Texts with what is to be learned from them."""

    texts: list[str]
    targets: np.ndarray | None  # encoded targets, target texts of dtype object, or None: the texts themselves
    weights: np.ndarray  # (n_samples,) float32

    def take(self, rows: np.ndarray) -> Samples:
        """Return some of the samples."""
        targets = None if self.targets is None else self.targets[rows]
        return Samples([self.texts[i] for i in rows], targets, self.weights[rows])

    def split(
        self, fraction: float, rng: np.random.Generator, *, owner: str, stratify: bool
    ) -> tuple[Samples, Samples]:
        """Return the samples to train on and those that are held out.

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
        n_held = max(1, round(n * fraction))
        if n_held == n:
            raise ValueError(
                f"validation_fraction of {owner} leaves no texts for training: {fraction} of {n} texts. "
                "Lower it."
            )
        strata = self.targets if stratify else None
        if strata is not None:
            classes, counts = np.unique(strata, return_counts=True)
            if counts.min() < 2 or n_held < len(classes) or n - n_held < len(classes):
                strata = None
        kept, held = train_test_split(
            np.arange(n), test_size=n_held, random_state=int(rng.integers(2**31)), stratify=strata
        )
        return self.take(np.sort(kept)), self.take(np.sort(held))


def check_sample_weight(sample_weight: Any, n_samples: int, *, owner: str) -> np.ndarray:
    """Return sample weights as float32, ones for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Weights.
    n_samples : int
        Number of texts.
    owner : str
        Class name of the estimator, for the messages.

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
    weights = np.asarray(sample_weight, dtype=np.float32)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight of {owner}.fit must have shape ({n_samples},), one weight for each text. Got "
            f"shape {weights.shape} instead (sample_weight.shape == {weights.shape})."
        )
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if len(bad):
        raise ValueError(
            f"sample_weight of {owner}.fit must be finite and >= 0. Got {weights[bad[0]]} at position "
            f"{bad[0]}, and {len(bad) - 1} more."
        )
    if not weights.any():
        raise ValueError(f"sample_weight of {owner}.fit must have a positive weight. Got only zeros.")
    return weights


def generator(random_state: Any) -> np.random.Generator:
    """Return the generator of one fit. None draws fresh entropy; NumPy's global state is not used."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31 - 1)
    return np.random.default_rng(random_state)


def as_objects(texts: Sequence[str]) -> np.ndarray:
    """Return texts as an ndarray of dtype object."""
    return np.fromiter(texts, dtype=object, count=len(texts))
