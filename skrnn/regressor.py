"""RNNTextRegressor: texts to numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import HasMethods

from skrnn.base import BaseRNNText, Labelled, check_weights, generator
from skrnn.targets import Targets, numbers


class RNNTextRegressor(RegressorMixin, BaseRNNText):
    """Recurrent neural network that predicts numbers from texts.

    Texts are split into tokens, tokens embedded, the sequence read by a recurrent network, its states pooled
    to one vector, and the numbers read off it by a linear layer under the squared error. The numbers are
    standardised inside. Keras trains the network; every prediction is computed by NumPy.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    RNNTextClassifier : Texts to labels.

    Examples
    --------
    >>> from skrnn import RNNTextRegressor
    >>> texts = ["good film", "bad film", "very good", "very bad"] * 5
    >>> regressor = RNNTextRegressor(rnn_units=4, epochs=30, learning_rate=0.03, random_state=0)
    >>> regressor.fit(texts, [4.0, 2.0, 5.0, 1.0] * 5).predict(["very good"]).shape
    (1,)
    """

    _parameter_constraints: dict = {
        **BaseRNNText._parameter_constraints,
        "encoder": [HasMethods(["transform_sequences"]), None],
        "freeze_encoder": ["boolean"],
    }

    def __init__(
        self,
        *,
        encoder: Any = None,
        freeze_encoder: bool = False,
        analyzer: Any = "word",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str | None = None,
        min_df: float = 1,
        vocab_size: int | None = 20000,
        vocabulary: Any = None,
        sequence_length: int | None = None,
        truncation: str = "end",
        missing: str = "error",
        embeddings: Any = "auto",
        trainable_embeddings: bool = True,
        embedding_dim: int = 128,
        layer: str = "gru",
        rnn_units: int = 64,
        rnn_activation: str = "tanh",
        n_layers: int = 1,
        n_heads: int = 4,
        bidirectional: bool = True,
        dropout: float | str = "auto",
        recurrent_dropout: float = 0.0,
        pooling: str = "concat",
        n_components: int | None = None,
        activation: str = "tanh",
        optimizer: str = "adam",
        learning_rate: float = 0.004,
        schedule: str = "one_cycle",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        tol: float = 0.0,
        warm_start: bool = False,
        callbacks: Any = None,
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.encoder = encoder
        self.freeze_encoder = freeze_encoder
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
        self.embeddings = embeddings
        self.trainable_embeddings = trainable_embeddings
        self.embedding_dim = embedding_dim
        self.layer = layer
        self.rnn_units = rnn_units
        self.rnn_activation = rnn_activation
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.pooling = pooling
        self.n_components = n_components
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> RNNTextRegressor:
        """Train on texts and numbers.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts: a list, array, Series or one-column frame.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.
        X_val : iterable of str, default=None
            Texts to validate on, instead of a part split off X: the training stops early by them.
        y_val : array-like, default=None
            Their numbers.
        sample_weight_val : array-like, default=None
            Their weights.

        Returns
        -------
        self : RNNTextRegressor

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.
        """
        owner = type(self).__name__
        texts = self._read(X, reset=True, least=1)
        rng = generator(self.random_state)
        targets = numbers(y, texts, owner=owner)

        def labelled(texts: list[str], y: Any, sample_weight: Any, name: str) -> Labelled:
            values = targets.encode(y, texts, name)
            return Labelled(texts, values, check_weights(sample_weight, len(texts), owner=owner))

        train = labelled(texts, y, sample_weight, "y")
        given = None
        if X_val is not None:
            given = labelled(self._read(X_val, reset=True, least=1), y_val, sample_weight_val, "y_val")
        train, held_out = self._hold_out(train, given, rng)
        scale = {"_mean": targets.mean, "_scale": targets.scale, "_one_column": np.asarray(y).ndim == 1}
        fitted = self._learn(
            targets.head, train, held_out, rng, n_outputs=targets.n_outputs,
            data=(X, y, sample_weight), also=scale,
        )  # fmt: skip
        self._assign(X, fitted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> RNNTextRegressor:
        """Pass once over a chunk of texts and numbers: training on what does not fit into memory.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts of this chunk.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers; the first chunk says what they are standardised by.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.

        Returns
        -------
        self : RNNTextRegressor

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.

        {chunks}
        """
        owner = type(self).__name__
        texts = self._read(X, reset=not self.__sklearn_is_fitted__(), least=1)
        if self.__sklearn_is_fitted__():
            targets = Targets(owner, "linear", self._spec.n_outputs, None, self._mean, self._scale)
            one_column = self._one_column
        else:
            targets, one_column = numbers(y, texts, owner=owner), np.asarray(y).ndim == 1
        chunk = Labelled(
            texts, targets.encode(y, texts), check_weights(sample_weight, len(texts), owner=owner)
        )
        fitted = self._learn_chunk(targets.head, chunk, targets.n_outputs)
        fitted |= {"_mean": targets.mean, "_scale": targets.scale, "_one_column": one_column}
        self._assign(X, fitted)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the number, or numbers, of each text.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        y : ndarray of float64 of shape (n_samples,) or (n_samples, n_outputs)
        """
        vectors = self._encode(X)
        outputs = self._forward.outputs(vectors) * self._scale + self._mean
        return outputs[:, 0] if self._one_column else outputs

    def __sklearn_tags__(self) -> Any:
        """Return the tags: one column of numbers, or more."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
