"""Fitting: from texts and targets, as `fit` gets them, to the attributes of a fitted estimator."""

from skrnn.fitting.fit import FitMixin
from skrnn.fitting.pairs import PairFitMixin
from skrnn.fitting.samples import MAX_WEIGHT, Samples, as_objects, generator
from skrnn.fitting.supervised import SupervisedMixin
from skrnn.fitting.traps import count_unknown, warn_of_unknown

__all__ = [
    "MAX_WEIGHT",
    "FitMixin",
    "PairFitMixin",
    "Samples",
    "SupervisedMixin",
    "as_objects",
    "count_unknown",
    "generator",
    "warn_of_unknown",
]
