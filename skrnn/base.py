"""What the estimators share: reading texts, one way to fit, one way to serve."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import cache, cached_property
from numbers import Integral, Real
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _clone_parametrized,
)
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from skrnn.parameters import document
from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.serve.forward import Forward
from skrnn.spec import (
    ACTIVATIONS,
    LAYERS,
    POOLINGS,
    TOKEN_HEADS,
    Frozen,
    Head,
    Spec,
    Weights,
    initial_weights,
)
from skrnn.text.columns import check_texts
from skrnn.text.cooccurrence import cooccurrence_vectors
from skrnn.text.tokens import Tokens
from skrnn.text.vectors import vectors_of_terms
from skrnn.train.checkpoint import Checkpoint
from skrnn.train.door import keras_half
from skrnn.train.monitor import Monitor, Validation, is_heard
from skrnn.train.tasks import CallbackSupportMixin, tasks, with_callbacks

BLOCK = 8192  # texts tokenised and encoded at a time: bounds the memory of transform
LONGEST = 400  # tokens: the cap of sequence_length=None
MOST_READ = 2**24  # tokens: what epochs="auto" reads of many texts
STEPS = 80  # of an epoch: batch_size="auto" gives few texts so many at least
SHORT = 12  # tokens: texts that have no more on average, epochs="auto" reads more often
ALPHABET = 256  # ids: with so few, each is seen so often that it needs half the dropout
MAX_TOKENS = 64 * LONGEST  # ids of a padded training batch: of longer texts it has fewer, in the same memory
MAX_TOKENS_DECODED = 2**13  # of one that predicts every id of a large vocabulary


class Labelled(NamedTuple):
    """Texts with what is to be learned of them."""

    texts: list[str]
    targets: np.ndarray | None  # (n,) class numbers, (n, n_outputs) float32, or None: the texts
    weights: np.ndarray  # (n,) float32


class BaseRNNText(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators; a subclass says what stage 5 learns."""

    _parameter_constraints: dict = {
        "analyzer": [StrOptions({"word", "char", "subword"}), callable],
        "lowercase": ["boolean"],
        "strip_accents": [StrOptions({"ascii", "unicode"}), callable, None],
        "preprocessor": [callable, None],
        "tokenizer": [callable, None],
        "token_pattern": [str, None],
        "min_df": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="both"),
        ],
        "vocab_size": [Interval(Integral, 4, None, closed="left"), None],
        "vocabulary": ["array-like", dict, set, None],
        "sequence_length": [Interval(Integral, 1, None, closed="left"), None],
        "truncation": [StrOptions({"end", "start", "middle"})],
        "missing": [StrOptions({"error", "empty"})],
        "embeddings": "no_validation",  # vectors_of_terms checks it
        "trainable_embeddings": ["boolean"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "layer": [StrOptions(set(LAYERS))],
        "rnn_units": [Interval(Integral, 1, None, closed="left")],
        "rnn_activation": [StrOptions(set(ACTIVATIONS))],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "optimizer": [StrOptions({"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"one_cycle", "constant"})],
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "early_stopping": [StrOptions({"auto", "score"}), "boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Fill what the estimators share into the docstring of one."""
        super().__init_subclass__(**kwargs)
        document(cls)

    # -- reading -------------------------------------------------------------------------------

    def _read(self, X: Any, *, reset: bool = False, least: int = 0) -> list[str]:
        """Return texts as a list of str, so many at `least`; the name of a column may be new at a `reset`."""
        texts = check_texts(X, owner=type(self).__name__, missing=self.missing)
        if not reset and hasattr(X, "columns") and hasattr(self, "feature_names_in_"):
            _check_feature_names(self, X, reset=False)
        if len(texts) < least:
            raise ValueError(
                f"{type(self).__name__} got {len(texts)} texts ({len(texts)} sample(s)); a minimum of "
                f"{least} is required."
            )
        return texts

    # -- fitting -------------------------------------------------------------------------------

    @with_callbacks
    def _learn(
        self,
        head: Head,
        train: Labelled,
        held_out: Labelled | None,
        rng: np.random.Generator,
        *,
        n_outputs: int = 0,
        data: tuple,
        also: dict[str, Any],
    ) -> dict[str, Any]:
        """Fit tokens and network and return the fitted attributes; the estimator is left as it is.

        `data` is what `fit` got (X, y, sample_weight), and `also` what else it will assign.
        """
        tokens, sequences, spec, weights = self._start(head, train.texts, rng, n_outputs)
        cap = self.sequence_length or min(int(sequences.lengths.max()), LONGEST)
        validation = None
        if held_out is not None:
            ids = tokens.encode(held_out.texts).truncate(cap, self.truncation)
            validation = Validation(ids, held_out.targets, held_out.weights, n_threads(self.n_jobs))
        sequences = sequences.truncate(cap, self.truncation)
        monitor = self._monitor(spec, validation, len(sequences.ids), len(sequences))

        def fitted() -> dict[str, Any]:
            return fitted_attributes(tokens, spec, cap, self.truncation, monitor) | also

        if head == "none":
            monitor.weights = weights
            return fitted()
        schedule = self._schedule(rng, monitor, len(train.texts))
        training = keras_half("fit", wanted_by=f"{type(self).__name__}.fit")
        with tasks(monitor, self, data, fitted) as after_epoch:
            training.train(
                spec,
                weights,
                training.Examples(sequences, train.targets, train.weights, self._r_drop),
                max_tokens=MAX_TOKENS_DECODED if head in TOKEN_HEADS else MAX_TOKENS,
                after_epoch=after_epoch,
                **schedule,
            )
        return fitted()

    def _learn_chunk(self, head: Head, chunk: Labelled, n_outputs: int = 0) -> dict[str, Any]:
        """Train on one chunk of a stream and return the fitted attributes; the estimator is left as it is."""
        rng = generator(self.random_state)
        if self.__sklearn_is_fitted__():
            tokens, spec, weights = self._tokens, self._spec, self._weights
            sequences, cap, truncation = tokens.encode(chunk.texts), self.sequence_length_, self._truncation
        else:
            tokens, sequences, spec, weights = self._start(head, chunk.texts, rng, n_outputs)
            cap, truncation = self.sequence_length or LONGEST, self.truncation
        progress = {"seed": int(rng.integers(2**31)), "n_chunks": 0, "slots": {}, "optimizer": self.optimizer}
        progress |= vars(self).get("_progress", {})
        sequences = sequences.truncate(cap, truncation)
        monitor = self._monitor(spec, None, len(sequences.ids), len(sequences))
        monitor.epochs, slots = 1, {}
        if head == "none":
            monitor.weights = weights
        else:
            chunks = keras_half("chunks", wanted_by=f"{type(self).__name__}.partial_fit")
            slots = chunks.train_chunk(
                spec,
                weights,
                (sequences, chunk.targets, chunk.weights, self._r_drop),
                progress["slots"] if progress["optimizer"] == self.optimizer else {},
                optimizer=self.optimizer,
                learning_rate=self.learning_rate,
                batch_size=self._batch_size(len(chunk.texts)),
                max_tokens=MAX_TOKENS_DECODED if head in TOKEN_HEADS else MAX_TOKENS,
                seed=int(np.random.default_rng([progress["seed"], progress["n_chunks"]]).integers(2**31)),
                callbacks=self.callbacks or (),
                after_epoch=monitor,
            )
        monitor.history["loss"][:0] = vars(self).get("loss_curve_", [])
        progress |= {"n_chunks": progress["n_chunks"] + 1, "slots": slots, "optimizer": self.optimizer}
        return {**fitted_attributes(tokens, spec, cap, truncation, monitor), "_progress": progress}

    def _start(
        self, head: Head, texts: list[str], rng: np.random.Generator, n_outputs: int
    ) -> tuple[Tokens, Ragged, Spec, Weights]:
        """Return the tokens, the ids of the texts, the network and the weights that training starts from.

        They are new, or those of a fitted encoder, or (warm_start) of the last fit.
        """
        before = self if self.warm_start and self.__sklearn_is_fitted__() else self._pretrained()
        if before is None:
            tokens, sequences = self._fit_tokens(texts, self.vocab_size, self.vocabulary)
            spec = self._spec_for(head, tokens.n_ids, n_outputs)
            vectors = self._vectors(tokens, sequences, rng)
            if vectors is not None:
                spec = replace(spec, embedding_dim=vectors.shape[1])
            weights = initial_weights(spec, rng)
            if vectors is not None:
                known = np.abs(vectors).sum(axis=1) > 0
                weights["embedding/embeddings"][known] = vectors[known]
            return tokens, sequences, spec, weights
        tokens = before._tokens
        same = (
            "embedding_dim",
            "layer",
            "rnn_units",
            "rnn_activation",
            "n_layers",
            "n_heads",
            "bidirectional",
        )
        spec = replace(
            self._spec_for(head, tokens.n_ids, n_outputs),
            **{name: getattr(before._spec, name) for name in same},
        )
        weights = initial_weights(spec, rng)
        for name, array in before._weights.items():
            fits = name in weights and weights[name].shape == array.shape
            if before is self and not fits:
                raise ValueError(
                    f"warm_start=True of {type(self).__name__} needs the classes and the network of the last "
                    f"fit: {name}, of shape {array.shape}, has no place in what is to be trained now."
                )
            if fits and (before is self or not name.startswith("head")):
                weights[name] = array.copy()
        return tokens, tokens.encode(texts), spec, weights

    def _pretrained(self) -> Any:
        """Return the fitted encoder to start from, if there is one."""
        encoder = getattr(self, "encoder", None)
        if encoder is not None:
            check_is_fitted(
                encoder, msg=f"encoder of {type(self).__name__} must be fitted; this %(name)s is not."
            )
        return encoder

    def _vectors(self, tokens: Tokens, sequences: Ragged, rng: np.random.Generator) -> np.ndarray | None:
        """Return what the rows of the embedding start as, zero where they are drawn, or None."""
        if isinstance(self.embeddings, str) and self.embeddings == "random":
            return None
        if isinstance(self.embeddings, str) and self.embeddings == "auto":
            return cooccurrence_vectors(sequences, tokens.n_ids, self.embedding_dim, rng)
        heard = is_heard(self.verbose)
        matrix, found = vectors_of_terms(
            self.embeddings, list(tokens.vocabulary), owner=type(self).__name__, verbose=heard
        )
        if heard:
            counts = np.bincount(sequences.ids, minlength=tokens.n_ids)[N_SPECIAL:]
            sys.stdout.write(
                f"[{type(self).__name__}] embeddings for {found.mean():.1%} of the terms, "
                f"{counts[found].sum() / max(1, counts.sum()):.1%} of the tokens\n"
            )
        return np.concatenate([np.zeros((N_SPECIAL, matrix.shape[1]), np.float32), matrix])

    def _frozen(self) -> Frozen:
        if getattr(self, "encoder", None) is not None and self.freeze_encoder:
            return "encoder"
        return "nothing" if getattr(self, "trainable_embeddings", True) else "embedding"

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted copy; a fitted encoder to start from stays what it is."""
        copy = _clone_parametrized(self)
        if getattr(self, "encoder", None) is not None:
            copy.encoder = self.encoder
        return copy

    def _fit_tokens(self, texts: list[str], vocab_size: int | None, vocabulary: Any) -> tuple[Tokens, Ragged]:
        return Tokens.fit(
            texts,
            analyzer=self.analyzer,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            preprocessor=self.preprocessor,
            tokenizer=self.tokenizer,
            token_pattern=self.token_pattern,
            min_df=self.min_df,
            vocab_size=vocab_size,
            vocabulary=vocabulary,
        )

    def _monitor(self, spec: Spec, validation: Any, n_tokens: int, n_texts: int) -> Monitor:
        return Monitor(
            spec,
            validation,
            patience=self.n_iter_no_change,
            tol=self.tol,
            epochs=self._epochs(n_tokens, n_texts),
            n_tokens=n_tokens,
            learning_rate=self.learning_rate,
            verbose=int(self.verbose),
            owner=type(self).__name__,
            by="score" if self.early_stopping == "score" else "loss",
        )

    def _schedule(self, rng: np.random.Generator, monitor: Monitor, n_samples: int) -> dict[str, Any]:
        """Return the arguments that every training has."""
        if self.checkpoint is not None and self.random_state is None:
            raise ValueError(
                f"checkpoint of {type(self).__name__} needs a random_state: what is drawn anew each time "
                "cannot be gone on with. Set random_state=0, say."
            )
        for callback in self.callbacks or ():
            if not hasattr(callback, "set_model"):
                raise TypeError(
                    f"callbacks of {type(self).__name__} must be keras.callbacks.Callback instances. Got "
                    f"{callback!r}."
                )
        return {
            "optimizer": self.optimizer,
            "learning_rate": self.learning_rate,
            "schedule": self.schedule,
            "epochs": monitor.epochs,
            "batch_size": self._batch_size(n_samples),
            "seed": int(rng.integers(2**31)),
            "callbacks": self.callbacks or (),
            "checkpoint": None if self.checkpoint is None else Checkpoint(self.checkpoint, monitor),
        }

    def _spec_for(self, head: Head, n_ids: int, n_outputs: int) -> Spec:
        if self.layer == "self_attention" and self.rnn_units % self.n_heads:
            raise ValueError(
                f"The rnn_units parameter of {type(self).__name__} must be a multiple of "
                f"n_heads={self.n_heads} with layer='self_attention'. Got {self.rnn_units} instead."
            )
        return Spec(
            n_ids=n_ids,
            embedding_dim=self.embedding_dim,
            layer=self.layer,
            rnn_units=self.rnn_units,
            rnn_activation=self.rnn_activation,
            n_layers=self.n_layers,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            n_components=self.n_components,
            activation=self.activation,
            head=head,
            n_outputs=n_ids if head in TOKEN_HEADS else n_outputs,
            dropout=self._dropout(n_ids),
            recurrent_dropout=float(self.recurrent_dropout),
            noise=float(getattr(self, "noise", 0.0)),
            tied_embeddings=bool(getattr(self, "tied_embeddings", True)),
            frozen=self._frozen(),
            n_heads=self.n_heads,
        )

    def _epochs(self, n_tokens: int, n_texts: int) -> int:
        if self.epochs == "auto":
            return min(max(MOST_READ // n_tokens, 4), 15 if n_tokens <= SHORT * n_texts else 10)
        return self.epochs

    def _batch_size(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(max(n_samples // STEPS, 8), 64)
        return self.batch_size

    def _dropout(self, n_ids: int) -> float:
        if self.dropout == "auto":
            return 0.25 if n_ids <= ALPHABET else 0.5
        return float(self.dropout)

    @property
    def _r_drop(self) -> float:
        drops = self.dropout or self.recurrent_dropout  # without, two readings are the same
        return float(getattr(self, "r_drop", 0.0)) if drops else 0.0

    def _hold_out(
        self,
        train: Labelled,
        given: Labelled | None,
        rng: np.random.Generator,
        strata: np.ndarray | None = None,
    ) -> tuple[Labelled, Labelled | None]:
        """Split off a validation set, stratified where every class has two rows or more."""
        n = len(train.texts)
        wanted = n >= 100 if self.early_stopping == "auto" else self.early_stopping
        if given is not None or not wanted:
            return train, given
        if n < 2:
            raise ValueError(
                f"early_stopping={self.early_stopping!r} of {type(self).__name__} needs 2 texts or more to "
                f"hold some out; got {n}. Set early_stopping=False."
            )
        n_held = max(1, round(n * self.validation_fraction))
        if n_held == n:
            raise ValueError(
                f"validation_fraction of {type(self).__name__} leaves nothing to learn from: "
                f"{self.validation_fraction} of {n} texts."
            )
        if strata is not None:
            classes, counts = np.unique(strata, return_counts=True)
            if counts.min() < 2 or n_held < len(classes) or n - n_held < len(classes):
                strata = None
        kept, held = train_test_split(
            np.arange(n), test_size=n_held, random_state=int(rng.integers(2**31)), stratify=strata
        )
        return _rows(train, np.sort(kept)), _rows(train, np.sort(held))

    def _assign(self, X: Any, fitted: dict[str, Any]) -> None:
        """Replace all fitted attributes at once: a fit that failed before has changed nothing."""
        gone = {"_forward", "_progress"}
        for name in [name for name in vars(self) if name.endswith("_") or name in gone]:
            delattr(self, name)
        for name, value in fitted.items():
            setattr(self, name, value)
        _check_feature_names(self, X, reset=True)

    # -- serving -------------------------------------------------------------------------------

    @cached_property
    def _forward(self) -> Forward:
        return Forward(self._spec, self._weights)

    def __dir__(self) -> list[str]:
        """Return the names without `model_`: who looks at all of them, as the HTML repr, builds nothing."""
        names = (name for name in object.__dir__(self) if name != "model_")
        return [name for name in names if hasattr(self, name)]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the folded tables, which are made anew when asked for."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_forward"}

    def _ids(self, texts: list[str]) -> Ragged:
        return self._tokens.encode(texts).truncate(self.sequence_length_, self._truncation)

    def _encode(self, X: Any) -> np.ndarray:
        """Return the vectors of texts, (n_samples, n_components); equal texts are computed once."""
        check_is_fitted(self)
        texts = self._read(X)
        unique = list(dict.fromkeys(texts))
        vectors = np.empty((len(unique), self._spec.vector_width), np.float32)
        threads = n_threads(self.n_jobs)
        for i in range(0, len(unique), BLOCK):
            block = self._ids(unique[i : i + BLOCK])
            vectors[i : i + BLOCK] = self._forward.encode(block, threads)
        if len(unique) == len(texts):
            return vectors
        places = {text: i for i, text in enumerate(unique)}
        return vectors[[places[text] for text in texts]]

    def transform(self, X: Any) -> np.ndarray:
        """Encode texts as vectors.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_samples, n_components)
            Of width 0 rows for no texts.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X is not a collection of strings.
        """
        return self._encode(X)

    def transform_sequences(self, X: Any) -> list[np.ndarray]:
        """Return the sequence encoding H of stage 4: the state after each token.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        sequences : list of n_samples ndarrays of float32 of shape (n_steps_i, n_units)
            Of the top layer; with two directions the forward states come first.
        """
        check_is_fitted(self)
        texts = self._read(X)
        if not texts:
            return []
        return self._forward.states(self._ids(texts), n_threads(self.n_jobs))

    def tokenize(self, X: Any) -> list[list[str]]:
        r"""Return the tokens of texts as the network sees them.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        tokens : list of n_samples lists of str
            At most `sequence_length_` of each text, one for each state of `transform_sequences`; "<unk>" (of
            characters "\ufffd") stands for those outside the vocabulary, and a text without tokens has none.
        """
        check_is_fitted(self)
        rows = self._tokens.pieces(self._ids(self._read(X)))
        return [[piece for piece in row if piece] for row in rows]

    def inverse(self, ids: Any) -> np.ndarray:
        """Return the texts that ids stand for.

        Parameters
        ----------
        ids : array-like of int of shape (n_samples, n_steps), or n_samples lists of int
            As `padded_ids` gives them; the ids 0 and 2 are left out.

        Returns
        -------
        texts : ndarray of str objects of shape (n_samples,)
            Words spaced as in print, characters and sub-words joined. What tokens leave out, such as the
            case of letters where `lowercase`, does not come back.

        Raises
        ------
        ValueError
            If an id is none of the vocabulary.
        """
        check_is_fitted(self)
        rows = [np.asarray(row) for row in ids]
        for i, row in enumerate(rows):
            if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
                raise ValueError(
                    f"inverse of {type(self).__name__} takes rows of int ids, as padded_ids gives them. Got "
                    f"{row.ndim} dimension(s) of {row.dtype} in row {i}."
                )
            wrong = row[(row < 0) | (row >= self._tokens.n_ids)]
            if len(wrong):
                raise ValueError(
                    f"inverse of {type(self).__name__} takes ids from 0 to {self._tokens.n_ids - 1}. Got "
                    f"{wrong[0]} in row {i}."
                )
        flat = np.concatenate([*rows, np.empty(0, np.int32)]).astype(np.int32)
        offsets = np.cumsum([0, *map(len, rows)])
        return np.array([*self._tokens.decode(Ragged(flat, offsets)), None], dtype=object)[:-1]

    def padded_ids(self, X: Any) -> np.ndarray:
        """Return the ids of texts as the input of `model_`.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        ids : ndarray of int32 of shape (n_samples, `sequence_length_`)
            0 pads on the right, 1 stands for an unknown token, 2 for an empty text.
        """
        check_is_fitted(self)
        return self._ids(self._read(X)).pad(self.sequence_length_)

    @property
    def model_(self) -> Any:
        """The network as a compiled keras.Model, built from the fitted weights at each access."""
        check_is_fitted(self)
        training = keras_half("fit", wanted_by=f"{type(self).__name__}.model_")
        return training.model(
            self._spec, self._weights, self.sequence_length_, self.optimizer, self.learning_rate
        )

    @property
    def _n_features_out(self) -> int:
        return self._spec.vector_width

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether fit has ended well."""
        return "_weights" in vars(self)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: texts in, one column of them."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags


def generator(random_state: Any) -> np.random.Generator:
    """Return a generator of a fit's own; None draws fresh entropy, not NumPy's global state."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31 - 1)
    return np.random.default_rng(random_state)


def check_weights(sample_weight: Any, n_samples: int, *, owner: str) -> np.ndarray:
    """Return sample weights as float32, ones for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Weights.
    n_samples : int
        How many there must be.
    owner : str
        Class name of the estimator, for the message.

    Returns
    -------
    weights : ndarray of float32 of shape (n_samples,)

    Raises
    ------
    ValueError
        If they are of another shape, not finite, negative or all zero.
    """
    if sample_weight is None:
        return np.ones(n_samples, np.float32)
    weights = np.asarray(sample_weight, dtype=np.float32)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight of {owner}.fit must have shape ({n_samples},), one weight a text. "
            f"Got shape {weights.shape} instead (sample_weight.shape == {weights.shape})."
        )
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if len(bad):
        raise ValueError(
            f"sample_weight of {owner}.fit must be finite and >= 0. Got {weights[bad[0]]} at "
            f"position {bad[0]} and {len(bad) - 1} more."
        )
    if not weights.any():
        raise ValueError(f"sample_weight of {owner}.fit must have a positive weight. Got only zeros.")
    return weights


def _rows(data: Labelled, rows: np.ndarray) -> Labelled:
    targets = None if data.targets is None else data.targets[rows]
    return Labelled([data.texts[i] for i in rows], targets, data.weights[rows])


def n_threads(n_jobs: int | None) -> int:
    """Return a number of threads; None is all cores, or what a worker process was allotted."""
    if n_jobs is None:
        return int(os.environ.get("OMP_NUM_THREADS") or _n_cores())
    return n_jobs if n_jobs > 0 else max(1, _n_cores() + 1 + n_jobs)


_n_cores = cache(joblib.cpu_count)  # it reads files


def fitted_attributes(
    tokens: Tokens, spec: Spec, cap: int, truncation: str, monitor: Monitor
) -> dict[str, Any]:
    """Return what a fit leaves in an estimator."""
    history = monitor.history
    fitted = {
        "_tokens": tokens,
        "_spec": spec,
        "_weights": monitor.weights,
        "_truncation": truncation,
        "vocabulary_": tokens.vocabulary,
        "sequence_length_": cap,
        "n_features_in_": 1,
        "n_iter_": len(history["loss"]),
        "loss_curve_": history["loss"],
        "history_": history,
    }
    if monitor.validation is not None:
        fitted["validation_scores_"] = history["val_score"]
        fitted["best_validation_score_"] = history["val_score"][monitor.best_epoch]
    return fitted
