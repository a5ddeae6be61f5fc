"""RNNTextEncoder: texts to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from skrnn.base import BaseRNNText, Labelled, check_weights, generator
from skrnn.spec import TOKEN_HEADS, Head


class RNNTextEncoder(BaseRNNText):
    """Recurrent neural network that encodes texts as vectors.

    Texts are split into tokens, tokens embedded, the sequence read by a recurrent network and its states
    pooled to one vector. What the vector must be good for is the objective: telling the targets (with y),
    restoring the text (without), or predicting the next token. Keras trains the network; every vector is
    computed by NumPy.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    objective_ : {"supervised", "autoencoder", "language_model"}
        What was trained.
    {attributes}

    See Also
    --------
    RNNTextClassifier : Texts to labels in one estimator.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn import RNNTextEncoder
    >>> texts = ["good film", "bad film", "very good", "very bad"] * 5
    >>> encoder = RNNTextEncoder(rnn_units=4, n_components=3, epochs=30, learning_rate=0.03, random_state=0)
    >>> pipeline = make_pipeline(encoder, LogisticRegression())
    >>> pipeline.fit(texts, [1, 0, 1, 0] * 5).predict(["good"])
    array([1])
    >>> pipeline[0].transform(["good", "bad film"]).shape
    (2, 3)
    """

    __single_column_transformer__ = True  # skrub hands over one column, not a frame

    _parameter_constraints: dict = {
        **BaseRNNText._parameter_constraints,
        "objective": [StrOptions({"auto", "supervised", "autoencoder", "language_model"})],
    }

    def __init__(
        self,
        *,
        objective: str = "auto",
        analyzer: Any = "word",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str = r"(?u)\w+|[^\w\s]",
        min_df: float = 1,
        vocab_size: int | None = 20000,
        vocabulary: Any = None,
        sequence_length: int | None = None,
        truncation: str = "end",
        missing: str = "error",
        embedding_dim: int = 128,
        layer: str = "gru",
        rnn_units: int = 64,
        rnn_activation: str = "tanh",
        n_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.5,
        recurrent_dropout: float = 0.0,
        pooling: str = "concat",
        n_components: int | None = None,
        activation: str = "tanh",
        optimizer: str = "adam",
        learning_rate: float = 0.002,
        epochs: int = 15,
        batch_size: int = 32,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        tol: float = 0.0,
        callbacks: Any = None,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.objective = objective
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.vocab_size = vocab_size
        self.vocabulary = vocabulary
        self.sequence_length = sequence_length
        self.truncation = truncation
        self.missing = missing
        self.embedding_dim = embedding_dim
        self.layer = layer
        self.rnn_units = rnn_units
        self.rnn_activation = rnn_activation
        self.n_layers = n_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.pooling = pooling
        self.n_components = n_components
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> RNNTextEncoder:
        """Train on texts, with or without targets.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts: a list, array, Series or one-column frame.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, an indicator matrix of labels, or numbers to predict. Not used by the objectives
            "autoencoder" and "language_model".
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.
        X_val : iterable of str, default=None
            Texts to validate on, instead of a part split off X.
        y_val : array-like, default=None
            Their targets.
        sample_weight_val : array-like, default=None
            Their weights.

        Returns
        -------
        self : RNNTextEncoder

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.
        """
        texts = self._read(X, reset=True)
        rng = generator(self.random_state)
        objective = self._objective(y)
        plan = _Plan(y) if objective == "supervised" else None
        head: Head = plan.head if plan else objective  # type: ignore[assignment]
        train = self._labelled(texts, y, sample_weight, plan)
        given = None
        if X_val is not None:
            given = self._labelled(self._read(X_val, reset=True), y_val, sample_weight_val, plan)
        strata = train.targets if plan and plan.head == "softmax" else None
        train, held_out = self._hold_out(train, given, rng, strata=strata)
        fitted = self._learn(head, train, held_out, rng, n_outputs=plan.n_outputs if plan else 0)
        self._assign(X, {**fitted, "objective_": objective})
        return self

    def _objective(self, y: Any) -> str:
        objective = self.objective
        if objective == "auto":
            objective = "autoencoder" if y is None else "supervised"
        if objective == "supervised" and y is None:
            raise ValueError(
                "objective='supervised' of RNNTextEncoder requires y to be passed, but the target y is "
                "None. Give targets, or choose objective='autoencoder'."
            )
        if objective == "language_model" and self.bidirectional:
            raise ValueError(
                "objective='language_model' of RNNTextEncoder reads from left to right only. Set "
                "bidirectional=False."
            )
        return objective

    def _labelled(self, texts: list[str], y: Any, sample_weight: Any, plan: _Plan | None) -> Labelled:
        weights = check_weights(sample_weight, len(texts), owner="RNNTextEncoder")
        if plan is None:
            return Labelled(texts, None, weights)
        if y is None:
            raise ValueError("RNNTextEncoder.fit got X_val without y_val: give the targets of both.")
        check_consistent_length(texts, y)
        return Labelled(texts, plan.targets(y), weights)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-likelihood of each text under the autoencoder or the language model.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
            Sum over the text's tokens and its end, in nats; tokens beyond `sequence_length_` are not
            counted.

        Raises
        ------
        AttributeError
            If the objective was "supervised".
        """
        check_is_fitted(self)
        if self._spec.head not in TOKEN_HEADS:
            raise AttributeError(
                f"score_samples of RNNTextEncoder needs an objective that predicts texts ('autoencoder' or "
                f"'language_model'); this one was fitted with objective={self.objective_!r}."
            )
        texts = self._read(X)
        return self._forward.log_likelihood(self._ids(texts)) if texts else np.empty(0)


class _Plan:
    """How targets are learned: labels, label sets or numbers."""

    def __init__(self, y: Any) -> None:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        self.head: Head
        if kind in ("binary", "multiclass"):
            self.head = "softmax"
            self.classes = np.unique(np.asarray(y))
            self.n_outputs = len(self.classes)
            return
        self.head = "sigmoid" if kind == "multilabel-indicator" else "linear"
        values = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        self.n_outputs = 1 if values.ndim == 1 else values.shape[1]
        linear = self.head == "linear"
        self.mean = values.mean(axis=0) if linear else 0.0
        self.scale = np.where(values.std(axis=0) > 0, values.std(axis=0), 1.0) if linear else 1.0

    def targets(self, y: Any) -> np.ndarray:
        """Return class numbers (n,), or standardised numbers or 0 / 1, float32 (n, n_outputs)."""
        if self.head == "softmax":
            labels = np.asarray(y).ravel()
            codes = np.searchsorted(self.classes, labels).clip(max=len(self.classes) - 1)
            unknown = np.flatnonzero(self.classes[codes] != labels)
            if len(unknown):
                raise ValueError(
                    f"y_val of RNNTextEncoder.fit has {len(unknown)} label(s) that y has not; the first "
                    f"is {labels[unknown[0]]!r} at position {unknown[0]}."
                )
            return codes
        values = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        values = (values - self.mean) / self.scale
        return values.reshape(len(values), -1).astype(np.float32)
