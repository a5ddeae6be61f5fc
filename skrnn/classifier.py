"""RNNTextClassifier: texts to labels."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from skrnn.base import BaseRNNText, Labelled, check_weights, generator
from skrnn.serve.heads import log_softmax, sigmoid
from skrnn.targets import Targets, labels, of_classes


class RNNTextClassifier(ClassifierMixin, BaseRNNText):
    """Recurrent neural network that classifies texts.

    Texts are split into tokens, tokens embedded, the sequence read by a recurrent network, its states
    pooled to one vector, and the vector classified. Keras trains the network; every prediction is
    computed by NumPy.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, or the columns of the indicator matrix.
    {attributes}

    See Also
    --------
    RNNTextEncoder : Texts to vectors, for any estimator that takes them.

    Examples
    --------
    >>> from skrnn import RNNTextClassifier
    >>> texts = ["good film", "bad film", "very good", "very bad"] * 5
    >>> classifier = RNNTextClassifier(rnn_units=4, epochs=30, learning_rate=0.03, random_state=0)
    >>> classifier.fit(texts, ["pos", "neg", "pos", "neg"] * 5).predict(["good"])
    array(['pos'], dtype='<U3')
    """

    _parameter_constraints: dict = {
        **BaseRNNText._parameter_constraints,
        "encoder": [HasMethods(["transform_sequences"]), None],
        "freeze_encoder": ["boolean"],
        "r_drop": [Interval(Real, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        r_drop: float = 1.0,
        class_weight: Any = None,
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
        self.r_drop = r_drop
        self.class_weight = class_weight
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
    ) -> RNNTextClassifier:
        """Train on texts and their labels.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts: a list, array, Series or one-column frame.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels: numbers, strings or bools; two or more different ones. Or an indicator matrix, a row of
            zeros and ones a text, where labels do not exclude each other.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.
        X_val : iterable of str, default=None
            Texts to validate on, instead of a part split off X: the training stops early by them.
        y_val : array-like, default=None
            Their labels.
        sample_weight_val : array-like, default=None
            Their weights.

        Returns
        -------
        self : RNNTextClassifier

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
        targets = labels(y, texts, owner=owner)

        def labelled(texts: list[str], y: Any, sample_weight: Any, name: str) -> Labelled:
            codes = targets.encode(y, texts, name)
            weights = check_weights(sample_weight, len(texts), owner=owner)
            return Labelled(texts, codes, self._weigh(weights, y))

        train = labelled(texts, y, sample_weight, "y")
        if not train.weights.any():
            raise ValueError(f"class_weight of {owner} gives every text a weight of 0.")
        given = None
        if X_val is not None:
            given = labelled(self._read(X_val, reset=True, least=1), y_val, sample_weight_val, "y_val")
        strata = None if targets.indicator else train.targets
        train, held_out = self._hold_out(train, given, rng, strata=strata)
        fitted = self._learn(
            targets.head, train, held_out, rng, n_outputs=targets.n_outputs,
            data=(X, y, sample_weight), also={"classes_": targets.classes},
        )  # fmt: skip
        self._assign(X, fitted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> RNNTextClassifier:
        """Pass once over a chunk of texts and their labels: training on what does not fit into memory.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts of this chunk.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or an indicator matrix.
        classes : array-like of shape (n_classes,), default=None
            Every label there will be. The first call needs them, but for an indicator matrix; later ones do
            not.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.

        Returns
        -------
        self : RNNTextClassifier

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used, or y has a label that is not among the classes.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.

        {chunks}

        Examples
        --------
        >>> from skrnn import RNNTextClassifier
        >>> classifier = RNNTextClassifier(layer="simple_rnn", rnn_units=4, random_state=0)
        >>> for texts, y in [(["good film", "bad film"], [1, 0]), (["very good"], [1])]:
        ...     _ = classifier.partial_fit(texts, y, classes=[0, 1])
        >>> classifier.n_iter_, sorted(classifier.vocabulary_)
        (2, ['bad', 'film', 'good'])
        """
        owner = type(self).__name__
        texts = self._read(X, reset=not self.__sklearn_is_fitted__(), least=1)
        targets = self._targets_of_chunk(y, texts, classes)
        codes = targets.encode(y, texts)
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} of {owner} is not supported for partial_fit, which does "
                "not know how frequent the classes will be. Give the weights as a dict."
            )
        weights = self._weigh(check_weights(sample_weight, len(texts), owner=owner), y)
        fitted = self._learn_chunk(targets.head, Labelled(texts, codes, weights), targets.n_outputs)
        self._assign(X, {**fitted, "classes_": targets.classes})
        return self

    def _targets_of_chunk(self, y: Any, texts: list[str], classes: Any) -> Targets:
        owner = type(self).__name__
        if not self.__sklearn_is_fitted__():
            if classes is not None:
                return of_classes(classes, y, texts, owner=owner)
            if type_of_target(y) == "multilabel-indicator":
                return labels(y, texts, owner=owner)
            raise ValueError(
                f"classes must be passed on the first call of {owner}.partial_fit: every label there will be."
            )
        known = self.classes_
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), known):
            raise ValueError(
                f"classes={classes!r} of {owner}.partial_fit are not those of the training so far: {known!r}."
            )
        return Targets(owner, self._spec.head, self._spec.n_outputs, known)

    def _weigh(self, weights: np.ndarray, y: Any) -> np.ndarray:
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
                    raise ValueError(
                        f"class_weight of {type(self).__name__} must be finite numbers >= 0. Got {weight!r} "
                        f"for class {label!r}."
                    )
        return weights * compute_sample_weight(self.class_weight, y).astype(np.float32)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return how sure the network is: the values before sigmoid or softmax.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        scores : ndarray of float32 of shape (n_samples,) or (n_samples, n_classes)
            With two classes one value, positive for `classes_[1]`.
        """
        vectors = self._encode(X)
        outputs = self._forward.outputs(vectors)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each text.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_classes)
            An indicator matrix of int where `fit` got one.
        """
        scores = self.decision_function(X)
        if self._spec.head == "softmax":
            return self.classes_[scores.argmax(axis=1)]
        chosen = (scores > 0).astype(int)
        return self.classes_[chosen] if scores.ndim == 1 else chosen

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        log_probabilities : ndarray of float32 of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        scores = self.decision_function(X)
        if self._spec.head == "softmax":
            return log_softmax(scores)
        return -np.logaddexp(0, np.stack([scores, -scores], axis=1) if scores.ndim == 1 else -scores)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_samples, n_classes)
            In the order of `classes_`; each row sums to one, but where `fit` got an indicator matrix, whose
            labels do not exclude each other.
        """
        scores = self.decision_function(X)
        if self._spec.head == "softmax":
            return np.exp(log_softmax(scores))
        return sigmoid(np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: labels of one column, or an indicator matrix of them."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
