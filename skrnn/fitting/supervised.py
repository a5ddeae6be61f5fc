"""What only classifiers and regressors do when they are fitted: they also learn from n-grams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skrnn.fitting.fit import FitMixin
from skrnn.fitting.ngrams import fit_mixture, frequent_ngrams
from skrnn.fitting.start import PretrainedMixin, Start
from skrnn.parameters import SupervisedParameters, estimator
from skrnn.spec import Weights
from skrnn.targets import Head

MAX_OUTPUTS = 64  # outputs: with more, ngram_range="auto" learns no n-grams


@estimator
class SupervisedMixin(SupervisedParameters, PretrainedMixin, FitMixin):
    """Learns from n-grams beside the network."""

    def _with_ngrams(self, head: Head, start: Start) -> Start:
        ngram_range = self.ngram_range
        if isinstance(ngram_range, str):
            longest = 3 if self.analyzer == "char" else 2
            ngram_range = (1, longest) if head.n_outputs <= MAX_OUTPUTS else None
        if ngram_range is None:
            return start
        weights = frequent_ngrams(start.examples, ngram_range, head.n_outputs)
        n_ngrams = len(weights["ngrams/hashes"])
        if not n_ngrams:
            return start
        spec = replace(start.spec, ngram_range=tuple(ngram_range), n_ngrams=n_ngrams)
        return replace(start, spec=spec, weights=start.weights | weights)

    def _mixture(self, head: Head, start: Start) -> Callable[[Weights], Weights]:
        ngram_range = start.spec.ngram_range
        if ngram_range is None:
            return super()._mixture(head, start)
        ngrams = {name: array for name, array in start.weights.items() if name.startswith("ngrams")}
        return fit_mixture(head, ngram_range, ngrams, start.examples)
