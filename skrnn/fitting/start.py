"""What a training starts from: the vocabulary, the ids, the architecture and the initial weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skrnn.compat import clone_parametrized
from skrnn.fitting.samples import Samples
from skrnn.fitting.traps import warn_of_truncation, warn_of_unsplit
from skrnn.parameters import NetworkParameters, PretrainedParameters, TrainingParameters, estimator
from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.serve import initial_weights
from skrnn.spec import EMBEDDING, Activation, Spec, Weights
from skrnn.targets import HEADS, Head, Seq2Seq
from skrnn.text import Tokens, cooccurrence_vectors, vectors_of_terms
from skrnn.train import Examples, writes_progress
from skrnn.train.recipe import Frozen

WINDOW = 5  # distance of neighbours for start vectors: words of one kind get similar vectors
WIDE_WINDOW = 25  # the same for untrained encoders: words of one topic get similar vectors
START_NOISE = 0.09  # standard deviation; without training, it tells words with the same neighbours apart
MAX_LENGTH = 400  # tokens that are read of a text with sequence_length=None
ENCODER_FIELDS = (  # of a Spec: what a network takes over from the one that it starts from
    *("embedding_dim", "layer", "rnn_units", "rnn_activation"),
    *("n_layers", "n_heads", "bidirectional"),
)
_FREE = {"sequence_length", "truncation", "missing", "trainable_embeddings"}  # may change between two fits
FIXED = (  # what an estimator that continues its network must leave as it was: the others may change
    *(parameter.name for parameter in fields(NetworkParameters) if parameter.name not in _FREE),
    *("encoder", "tied_embeddings", "attention"),
    *("shared_vocabulary", "target_vocab_size", "target_vocabulary", "target_analyzer"),
)


@dataclass
class Start:
    """What a training starts from."""

    tokens: Tokens
    examples: Examples
    spec: Spec
    weights: Weights
    sequence_length: int
    truncation: str
    attributes: dict[str, Any] = field(default_factory=dict)  # further attributes that fit sets

    @property
    def n_tokens(self) -> int:
        """Number of training tokens."""
        sequences, targets, _ = self.examples
        return len(sequences.ids) + (len(targets.ids) if isinstance(targets, Ragged) else 0)


@estimator
class StartMixin(TrainingParameters, NetworkParameters, BaseEstimator):
    """Chooses the network that a training starts from: a new one, or that of a fitted estimator."""

    def _start(
        self, head: Head, samples: Samples, rng: np.random.Generator, *, is_chunk: bool = False
    ) -> Start:
        """Return the vocabulary, the ids, the architecture and the initial weights."""
        written = samples.texts if head.predicts_ids else None
        tokens, sequences, spec, weights = self._network(head, samples.texts, head.n_outputs, rng, written)
        longest = MAX_LENGTH if is_chunk else int(sequences.lengths.max())  # later chunks may be longer
        length = self.sequence_length or min(longest, MAX_LENGTH)
        if self.sequence_length is None:
            warn_of_truncation(sequences.lengths, length, owner=type(self).__name__)
        sequences = sequences.truncate(length, self.truncation)
        examples = Examples(sequences, samples.targets, samples.weights)
        return Start(tokens, examples, spec, weights, length, self.truncation)

    def _continued(self, chunk: Samples) -> Start:
        """Return what the next chunk of a stream starts from: the fitted network."""
        self._check_unchanged("partial_fit", "call fit, or partial_fit of a clone,")
        length, truncation = self.sequence_length_, self._truncation
        sequences = self._tokens.encode(chunk.texts, length, truncation)
        examples = Examples(sequences, chunk.targets, chunk.weights)
        return Start(self._tokens, examples, self._spec, self._weights, length, truncation)

    def _network(
        self,
        head: Head,
        texts: list[str],
        n_outputs: int,
        rng: np.random.Generator,
        written: list[str] | None,
    ) -> tuple[Tokens, Ragged, Spec, Weights]:
        """Return tokens, ids, architecture and weights: new ones, or those of a fitted estimator.

        For `written`, see `Tokens.fit`.
        """
        fitted = self._fitted_network()
        if fitted is None:
            self._write(f"learning the vocabulary of {len(texts):,} texts")
            tokens, sequences = self._fit_tokens(texts, self.vocab_size, self.vocabulary, written=written)
            spec = self._spec_for(head, tokens.n_ids, n_outputs)
            vectors = self._vectors(spec, tokens, sequences, rng)
            if vectors is not None:
                spec = replace(spec, embedding_dim=vectors.shape[1])
            weights = initial_weights(spec, rng)
            if vectors is not None:
                known = np.abs(vectors).sum(axis=1) > 0
                weights[EMBEDDING][known] = vectors[known]
            return tokens, sequences, spec, weights
        if fitted is self:
            self._check_unchanged("warm_start=True", "set warm_start=False")
        tokens = fitted._tokens
        same = {name: getattr(fitted._spec, name) for name in ENCODER_FIELDS}
        spec = replace(self._spec_for(head, tokens.n_ids, n_outputs), **same)
        weights = initial_weights(spec, rng)
        self._copy_weights(fitted, weights)
        sequences = tokens.encode(texts)
        self._check_tokens(tokens, texts, sequences)
        return tokens, sequences, spec, weights

    def _with_ngrams(self, head: Head, start: Start) -> Start:
        """Return a start whose network also has n-grams, with weights of zero, if the estimator uses them."""
        return start

    def _fit_ngrams(self, head: Head, start: Start) -> Weights:
        """Return the weights of n-grams, fitted on the training texts."""
        return {}

    def _fitted_network(self) -> Any:
        """Return the fitted estimator whose network training starts from, or None."""
        return self if self.warm_start and self.__sklearn_is_fitted__() else None

    def _plain_parameters(self) -> dict[str, Any]:
        """Return the parameters that fix the network and the vocabulary, if they are plain values."""
        values = {name: getattr(self, name) for name in FIXED if hasattr(self, name)}
        plain = (bool, int, float, str, type(None))
        return {name: value for name, value in values.items() if isinstance(value, plain)}

    def _check_unchanged(self, continued_by: str, remedy: str) -> None:
        """Raise a ValueError if a parameter is not that of the network that training continues."""
        now = self._plain_parameters()
        for name, before in vars(self).get("_made_with", {}).items():
            if name not in now or now[name] != before:
                value = getattr(self, name)
                raise ValueError(
                    f"{continued_by} of {type(self).__name__} continues a network that was made with "
                    f"{name}={before!r}. Got {name}={value!r:.80}. Set {name}={before!r}, or {remedy} to "
                    "make a new network."
                )

    def _copy_weights(self, fitted: Any, weights: Weights) -> None:
        """Copy the weights of a fitted estimator; of an encoder all but its head."""
        anew = ("ngrams", "importance", "projection") if fitted._spec.weighted_mean else ("ngrams",)
        for name, array in fitted._weights.items():
            if name.startswith(anew):
                continue  # they are learned anew
            fits = name in weights and weights[name].shape == array.shape
            if fitted is self and not fits:
                raise ValueError(
                    f"warm_start=True of {type(self).__name__} needs the classes and the network of the "
                    f"previous fit, but {name} of shape {array.shape} does not fit the new network. Set "
                    "warm_start=False, or use the same targets and parameters."
                )
            if fits and (fitted is self or not name.startswith("head")):
                weights[name] = array.copy()

    def _fit_tokens(
        self,
        texts: list[str],
        vocab_size: int | None,
        vocabulary: Any,
        *,
        written: list[str] | None,
        **analyzers: Any,
    ) -> tuple[Tokens, Ragged]:
        tokens, sequences = Tokens.fit(
            texts,
            **({"analyzer": self.analyzer} | analyzers),
            written=written,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            preprocessor=self.preprocessor,
            tokenizer=self.tokenizer,
            token_pattern=self.token_pattern,
            min_df=self.min_df,
            vocab_size=vocab_size,
            vocabulary=vocabulary,
        )
        self._check_tokens(tokens, texts, sequences)
        return tokens, sequences

    def _check_tokens(self, tokens: Tokens, texts: list[str], sequences: Ragged) -> None:
        """Warn if the vocabulary does not suit the training texts; sub-words suit every text."""
        if tokens.merges is None:
            warn_of_unsplit(texts, sequences, tokens.vocabulary, owner=type(self).__name__)

    def _vectors(
        self, spec: Spec, tokens: Tokens, sequences: Ragged, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Return initial rows of the embedding, zero where they are random, or None if all are."""
        if isinstance(self.embeddings, str) and self.embeddings == "random":
            return None
        if isinstance(self.embeddings, str) and self.embeddings == "auto":
            self._write(f"computing start vectors of {tokens.n_ids:,} ids")
            head = HEADS[spec.head]
            window = WINDOW if head.has_outputs else WIDE_WINDOW
            vectors = cooccurrence_vectors(sequences, spec.n_ids, spec.embedding_dim, rng, window=window)
            if not head.is_trained:
                vectors += rng.normal(0, START_NOISE, vectors.shape) * vectors.any(axis=1, keepdims=True)
            return vectors
        owner, verbose = type(self).__name__, writes_progress(self.verbose)
        matrix, found = vectors_of_terms(
            self.embeddings, list(tokens.vocabulary), owner=owner, verbose=verbose
        )
        counts = np.bincount(sequences.ids, minlength=tokens.n_ids)[N_SPECIAL:]
        share = counts[found].sum() / max(1, counts.sum())
        self._write(f"embeddings for {found.mean():.1%} of the terms, {share:.1%} of the tokens")
        return np.concatenate([np.zeros((N_SPECIAL, matrix.shape[1]), np.float32), matrix])

    def _write(self, line: str) -> None:
        """Write a line of progress, if `verbose` asks for it."""
        if writes_progress(self.verbose):
            sys.stdout.write(f"[{type(self).__name__}] {line}\n")
            sys.stdout.flush()

    def _spec_for(self, head: Head, n_ids: int, n_outputs: int) -> Spec:
        if self.layer == "self_attention" and self.rnn_units % self.n_heads:
            raise ValueError(
                f"The rnn_units parameter of {type(self).__name__} must be a multiple of "
                f"n_heads={self.n_heads} with layer='self_attention'. Got {self.rnn_units} instead."
            )
        width = 256 if isinstance(head, Seq2Seq) or not head.has_outputs else 128
        return Spec(
            n_ids=n_ids,
            embedding_dim=width if isinstance(self.embedding_dim, str) else self.embedding_dim,
            layer=self.layer,
            rnn_units=self.rnn_units,
            rnn_activation=cast(Activation, self.rnn_activation),
            n_layers=self.n_layers,
            bidirectional=self.bidirectional,
            n_heads=self.n_heads,
            pooling=self.pooling,
            n_components=self.n_components,
            activation=cast(Activation, self.activation),
            head=head.name,
            n_outputs=n_ids if head.predicts_ids and not n_outputs else n_outputs,
        )

    def _frozen(self) -> Frozen:
        """Return what training leaves unchanged."""
        return "nothing" if self.trainable_embeddings else "embedding"

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether fit has succeeded."""
        return "_weights" in vars(self)


@estimator
class PretrainedMixin(PretrainedParameters, StartMixin):
    """Starts from a fitted encoder, if there is one."""

    def _fitted_network(self) -> Any:
        found = super()._fitted_network()
        if found is None and self.encoder is not None:
            message = f"encoder of {type(self).__name__} must be fitted; this %(name)s is not. Call its fit."
            check_is_fitted(self.encoder, msg=message)
            return self.encoder
        return found

    def _frozen(self) -> Frozen:
        return "encoder" if self.encoder is not None and self.freeze_encoder else super()._frozen()

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted copy. The encoder to start from stays fitted."""
        copy = clone_parametrized(self)
        copy.encoder = self.encoder
        return copy
