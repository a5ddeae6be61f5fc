"""Fitting: from texts and targets, as `fit` gets them, to the attributes of a fitted estimator."""

from skrnn.fitting.fit import FitMixin
from skrnn.fitting.pairs import PairFitMixin
from skrnn.fitting.samples import Samples, as_objects, generator
from skrnn.fitting.supervised import SupervisedMixin

__all__ = ["FitMixin", "PairFitMixin", "Samples", "SupervisedMixin", "as_objects", "generator"]
