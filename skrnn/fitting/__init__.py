"""Fitting: from texts and targets, as `fit` gets them, to the attributes of a fitted estimator."""

from skrnn.fitting.fit import FitMixin
from skrnn.fitting.pairs import PairFitMixin
from skrnn.fitting.samples import Samples, as_objects, generator
from skrnn.fitting.start import PretrainedMixin

__all__ = ["FitMixin", "PairFitMixin", "PretrainedMixin", "Samples", "as_objects", "generator"]
