"""Fitting on pairs of texts: two vocabularies, two sides of a batch, and held-out pairs."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from skrnn.fitting.fit import FitMixin
from skrnn.fitting.samples import Samples, as_objects, check_sample_weight, weights_of
from skrnn.fitting.start import MAX_LENGTH, PretrainedMixin, Start
from skrnn.fitting.traps import warn_of_truncation
from skrnn.parameters import Seq2SeqParameters, estimator
from skrnn.ragged import BOUNDARY, UNKNOWN, Ragged
from skrnn.serve import n_threads
from skrnn.spec import Attention, Spec, Weights
from skrnn.targets import Head, Seq2Seq
from skrnn.text import Tokens, check_texts
from skrnn.train import Examples, Validation
from skrnn.train.recipe import MAX_TOKENS_PAIRS, Recipe


@estimator
class PairFitMixin(Seq2SeqParameters, PretrainedMixin, FitMixin):
    """The parts of a fit that differ if the targets are texts."""

    def _head_for(self, y: Any, texts: list[str]) -> Seq2Seq:
        return Seq2Seq()

    def _samples(self, head: Head, texts: list[str], y: Any, sample_weight: Any, name: str) -> Samples:
        if y is None:
            raise ValueError(
                f"RNNTextSeq2Seq.fit requires {name} to be passed, but the target {name} is None. Pass one "
                "target text for each text."
            )
        targets = as_objects(self._read_targets(y, len(texts), name))
        weights = check_sample_weight(
            sample_weight, len(texts), owner="RNNTextSeq2Seq", name=weights_of(name)
        )
        return Samples(texts, targets, weights)

    def _start(
        self, head: Head, samples: Samples, rng: np.random.Generator, *, is_chunk: bool = False
    ) -> Start:
        texts, goals = samples.texts, list(cast(np.ndarray, samples.targets))
        if self.shared_vocabulary:
            tokens, both, spec, weights = self._network(head, [*texts, *goals], 0, rng, written=goals)
            rows = np.arange(len(goals))
            sources, targets = both.take(rows), both.take(rows + len(goals)).without(BOUNDARY)
            target_tokens = tokens
        else:
            target_tokens, targets = self._target_tokens_for(goals)
            tokens, sources, spec, weights = self._network(head, texts, target_tokens.n_ids, rng, written=[])
        length = self.sequence_length or min(int(sources.lengths.max()), MAX_LENGTH)
        target_length = self.target_sequence_length or min(max(1, int(targets.lengths.max())), MAX_LENGTH)
        if self.sequence_length is None:
            warn_of_truncation(sources.lengths, length, owner="RNNTextSeq2Seq")
        if self.target_sequence_length is None:
            warn_of_truncation(
                targets.lengths,
                target_length,
                owner="RNNTextSeq2Seq",
                name="target texts",
                parameter="target_sequence_length",
            )
        attributes = {
            "_target_tokens": target_tokens,
            # Unknown tokens are written only if the training targets have some, and only if a token of the
            # source can take their place.
            "_copies": bool(spec.attention)
            and tokens.settings["analyzer"] == target_tokens.settings["analyzer"]
            and bool((targets.ids == UNKNOWN).any()),
            "target_sequence_length_": target_length,
            "target_vocabulary_": target_tokens.vocabulary,
        }
        self._check_min_length(target_length)
        targets = targets.truncate(target_length, "end")
        examples = Examples(sources.truncate(length, self.truncation), targets, samples.weights)
        return Start(tokens, examples, spec, weights, length, self.truncation, attributes)

    @property
    def _target_analyzer(self) -> Any:
        return self.analyzer if self.target_analyzer is None else self.target_analyzer

    def _fit_tokens(self, *texts: Any, **settings: Any) -> tuple[Tokens, Ragged]:
        return super()._fit_tokens(*texts, **({"other_analyzer": self._target_analyzer} | settings))

    def _target_tokens_for(self, texts: list[str]) -> tuple[Tokens, Ragged]:
        """Return the tokens of the target side and the ids; a warm start keeps the vocabulary."""
        if self.warm_start and self.__sklearn_is_fitted__():
            return self._target_tokens, self._target_tokens.encode(texts).without(BOUNDARY)
        n_ids = self.target_vocab_size or self.vocab_size
        tokens, targets = self._fit_tokens(
            texts,
            n_ids,
            self.target_vocabulary,
            written=texts,
            analyzer=self._target_analyzer,
            other_analyzer=self.analyzer,
        )
        return tokens, targets.without(BOUNDARY)

    def _validation(self, start: Start, held_out: Samples) -> Validation:
        sequences = start.tokens.encode(held_out.texts, start.sequence_length, start.truncation)
        targets = start.attributes["_target_tokens"].encode(
            list(cast(np.ndarray, held_out.targets)), start.attributes["target_sequence_length_"]
        )
        targets = targets.without(BOUNDARY)
        examples = Examples(sequences, targets, held_out.weights)
        score = partial(self._score_during_fit, start, held_out) if self.early_stopping == "score" else None
        return Validation(examples, n_threads(self.n_jobs), score)

    def _score_during_fit(self, start: Start, held_out: Samples, spec: Spec, weights: Weights) -> float:
        """Return the score of a network in training; the estimator does not change."""
        twin: Any = copy(self)
        attributes = self._attributes(Seq2Seq(), replace(start, spec=spec), weights)
        for name, value in attributes.items():
            setattr(twin, name, value)
        return twin.score(held_out.texts, held_out.targets)

    def _spec_for(self, head: Head, n_ids: int, n_outputs: int) -> Spec:
        spec = super()._spec_for(head, n_ids, n_outputs)
        attention = cast(Attention | None, self.attention)
        return replace(spec, attention=attention, tied_embeddings=self.tied_embeddings)

    def _recipe(self, spec: Spec, *, n_tokens: int, n_texts: int) -> Recipe:
        recipe = super()._recipe(spec, n_tokens=n_tokens, n_texts=n_texts)
        return replace(recipe, label_smoothing=float(self.label_smoothing), max_tokens=MAX_TOKENS_PAIRS)

    def _check_min_length(self, max_length: int) -> None:
        """Raise a ValueError if no text can have the minimum number of tokens."""
        if self.min_length > max_length:
            raise ValueError(
                f"The min_length parameter of RNNTextSeq2Seq must be at most {max_length}, the maximum "
                f"number of tokens of a written text. Got {self.min_length}. Lower it, or set "
                "target_sequence_length and fit again."
            )

    def _read_targets(self, y: Any, n_texts: int, name: str = "y") -> list[str]:
        """Return target texts as a list of str, one for each text."""
        any_type = callable(self.analyzer)
        targets = check_texts(y, owner="RNNTextSeq2Seq", missing=self.missing, name=name, any_type=any_type)
        if len(targets) != n_texts:
            raise ValueError(
                f"{name} of RNNTextSeq2Seq must have one target text for each text. Got {len(targets)} for "
                f"{n_texts} (Found input variables with inconsistent numbers of samples)."
            )
        return targets

    def _target_ids(self, y: Any, n_texts: int) -> Ragged:
        """Return the ids of target texts for a fitted estimator."""
        texts = self._read_targets(y, n_texts)
        return self._target_tokens.encode(texts, self.target_sequence_length_).without(BOUNDARY)
