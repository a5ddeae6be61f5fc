"""What only classifiers and regressors do when they are fitted: they also learn from n-grams."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from skrnn.fitting.ngrams import fit_ngrams, frequent_ngrams
from skrnn.fitting.start import PretrainedMixin, Start
from skrnn.parameters import SupervisedParameters, estimator
from skrnn.serve import MAX_SIZE
from skrnn.spec import Weights
from skrnn.targets import Head

MAX_OUTPUTS = 64  # outputs: with more, ngram_range="auto" learns no n-grams


@estimator
class SupervisedMixin(SupervisedParameters, PretrainedMixin):
    """Learns from n-grams beside the network."""

    def _with_ngrams(self, head: Head, start: Start) -> Start:
        ngram_range = self.ngram_range
        if isinstance(ngram_range, str):
            longest = 3 if start.tokens.settings["analyzer"] == "char" else 2
            ngram_range = (1, longest) if head.n_outputs <= MAX_OUTPUTS else None
        if ngram_range is None:
            return start
        sizes = [n for n in ngram_range if isinstance(n, (int, np.integer)) and 1 <= n <= MAX_SIZE]
        if len(sizes) != 2 or len(ngram_range) != 2 or sizes[0] > sizes[1]:
            raise ValueError(
                f"The ngram_range parameter of {type(self).__name__} must be two integers, the smallest and "
                f"the largest number of tokens, from 1 to {MAX_SIZE}, for example (1, 2). Got "
                f"{ngram_range!r} instead."
            )
        weights = frequent_ngrams(start.examples.sequences, ngram_range, head.n_outputs)
        n_ngrams = len(weights["ngrams/hashes"])
        if not n_ngrams:
            return start
        spec = replace(start.spec, ngram_range=(int(sizes[0]), int(sizes[1])), n_ngrams=n_ngrams)
        return replace(start, spec=spec, weights=start.weights | weights)

    def _fit_ngrams(self, head: Head, start: Start) -> Weights:
        ngram_range = start.spec.ngram_range
        if ngram_range is None:
            return {}
        self._write(f"fitting {start.spec.n_ngrams:,} n-grams")
        ngrams = {name: array for name, array in start.weights.items() if name.startswith("ngrams")}
        sequences, targets, sample_weight = start.examples
        targets = cast(np.ndarray, targets)
        return fit_ngrams(head, ngram_range, ngrams, sequences, targets, sample_weight)
