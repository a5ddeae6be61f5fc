"""RNNTextEncoder: texts to vectors."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, check_is_fitted

from skrnn.base import BaseRNNText, Labelled, check_weights, generator, n_threads
from skrnn.ragged import BOUNDARY, PAD, UNKNOWN, Ragged
from skrnn.serve.search import Rules, beam, greedy, sample
from skrnn.spec import Head
from skrnn.targets import Targets, check_given, labels, numbers

LABELS = ("binary", "multiclass", "multilabel-indicator")  # kinds of targets that are not numbers
ROWS_DECODED = 256  # vectors decoded at a time
_HEADS: dict[str, Head] = {
    "autoencoder": "autoencoder",
    "language_model": "language_model",
    "random": "none",
}


def _needs(*objectives: str) -> Callable[[Any], bool]:
    """Return a check that an estimator has, or may get, one of some objectives."""

    def check(self: Any) -> bool:
        objective = getattr(self, "objective_", None)
        if objective is not None and objective not in objectives:
            raise AttributeError(
                f"This needs an encoder of objective {' or '.join(map(repr, objectives))}; this "
                f"{type(self).__name__} was fitted with objective={objective!r}."
            )
        return True

    return check


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
    objective_ : {"supervised", "autoencoder", "language_model", "random"}
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
        "objective": [StrOptions({"auto", "supervised", *_HEADS})],
        "noise": [Interval(Real, 0, 1, closed="left")],
        "tied_embeddings": ["boolean"],
    }

    def __init__(
        self,
        *,
        objective: str = "auto",
        noise: float = 0.0,
        tied_embeddings: bool = True,
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
        self.objective = objective
        self.noise = noise
        self.tied_embeddings = tied_embeddings
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
            Texts to validate on, instead of a part split off X: the training stops early by them.
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
        owner = type(self).__name__
        texts = self._read(X, reset=True, least=1)
        rng = generator(self.random_state)
        objective = self._objective(y)
        targets = None
        if objective == "supervised":
            targets = self._targets_of(y, texts)

        def labelled(texts: list[str], y: Any, sample_weight: Any, name: str) -> Labelled:
            weights = check_weights(sample_weight, len(texts), owner=owner)
            return Labelled(texts, targets.encode(y, texts, name) if targets else None, weights)

        train = labelled(texts, y, sample_weight, "y")
        given = None
        if X_val is not None:
            given = labelled(self._read(X_val, reset=True, least=1), y_val, sample_weight_val, "y_val")
        strata = None
        if targets is not None and targets.classes is not None and not targets.indicator:
            strata = train.targets
        held_out = None
        if objective != "random":
            train, held_out = self._hold_out(train, given, rng, strata=strata)
        head: Head = _HEADS[objective] if targets is None else targets.head
        fitted = self._learn(
            head, train, held_out, rng, n_outputs=targets.n_outputs if targets else 0,
            data=(X, y, sample_weight), also={"objective_": objective, "_targets": _plain(targets)},
        )  # fmt: skip
        self._assign(X, fitted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RNNTextEncoder:
        """Pass once over a chunk of texts: training on what does not fit into memory.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts of this chunk.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as of `fit`; the first chunk has every label, or says what numbers are standardised by.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.

        Returns
        -------
        self : RNNTextEncoder

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used, or y has a label that the first chunk had not.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.

        {chunks}
        """
        owner = type(self).__name__
        texts = self._read(X, reset=not self.__sklearn_is_fitted__(), least=1)
        fitted_before = self.__sklearn_is_fitted__()
        objective = self.objective_ if fitted_before else self._objective(y)
        targets = None
        if objective == "supervised":
            targets = Targets(owner, **self._targets) if fitted_before else self._targets_of(y, texts)
        codes = targets.encode(y, texts) if targets else None
        chunk = Labelled(texts, codes, check_weights(sample_weight, len(texts), owner=owner))
        head: Head = _HEADS[objective] if targets is None else targets.head
        fitted = self._learn_chunk(head, chunk, targets.n_outputs if targets else 0)
        self._assign(X, {**fitted, "objective_": objective, "_targets": _plain(targets)})
        return self

    def _targets_of(self, y: Any, texts: list[str]) -> Targets:
        owner = type(self).__name__
        check_given(y, owner, "y")
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        return (labels if kind in LABELS else numbers)(y, texts, owner=owner)

    def _objective(self, y: Any) -> str:
        objective = self.objective
        if objective == "auto":
            objective = "autoencoder" if y is None else "supervised"
        if objective == "supervised" and y is None:
            raise ValueError(
                "objective='supervised' of RNNTextEncoder requires y to be passed, but the target y is "
                "None. Give targets, or choose objective='autoencoder'."
            )
        if objective == "language_model" and self.bidirectional and self.layer == "self_attention":
            raise ValueError(
                "objective='language_model' of RNNTextEncoder cannot look ahead: with layer='self_attention' "
                "each token would see what it is to predict. Set bidirectional=False."
            )
        if objective == "language_model" and self.bidirectional and self.n_layers > 1:
            raise ValueError(
                "objective='language_model' of RNNTextEncoder cannot stack layers that read both ways: the "
                "second one would see what it is to predict. Set n_layers=1 or bidirectional=False."
            )
        return objective

    @available_if(_needs("autoencoder", "language_model"))
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
            counted. Of a language model of two directions, that of the forward one.
        """
        check_is_fitted(self)
        texts = self._read(X)
        if not texts:
            return np.empty(0)
        return self._forward.log_likelihood(self._ids(texts), n_threads(self.n_jobs))

    @available_if(_needs("autoencoder", "language_model"))
    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of a text, as PCA does.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        y : None
            Not used.

        Returns
        -------
        score : float
            In nats.
        """
        return float(np.mean(self.score_samples(X)))

    @available_if(_needs("autoencoder", "language_model"))
    def perplexity(self, X: Any) -> float:
        """Return the perplexity of texts: the inverse of the geometric mean of the tokens' probabilities.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts, one at least.

        Returns
        -------
        perplexity : float
            1 at best; the ends of the texts count as tokens.
        """
        check_is_fitted(self)
        ids = self._ids(self._read(X, least=1))
        log_likelihood = self._forward.log_likelihood(ids, n_threads(self.n_jobs))
        return float(np.exp(-log_likelihood.sum() / (len(ids.ids) + len(log_likelihood))))

    @available_if(_needs("autoencoder"))
    def inverse_transform(self, X: Any, *, beam_width: int = 1) -> np.ndarray:
        """Decode vectors to texts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Vectors: those of `transform`, or any others, such as the mean of two.
        beam_width : int, default=1
            Beginnings that the search follows; with 1 it takes the most probable token each time.

        Returns
        -------
        texts : ndarray of object of shape (n_samples,)
            The most probable texts that were found, of `sequence_length_` tokens at the most.
        """
        check_is_fitted(self)
        vectors = check_array(X, dtype=np.float32, ensure_min_samples=0)
        if vectors.shape[1] != self._spec.vector_width:
            raise ValueError(
                f"X of RNNTextEncoder.inverse_transform must have {self._spec.vector_width} columns, as "
                f"transform gives. Got {vectors.shape[1]}."
            )
        texts = np.empty(len(vectors), object)
        rules = Rules(max_length=self.sequence_length_)
        for i in range(0, len(vectors), ROWS_DECODED):
            part = vectors[i : i + ROWS_DECODED]
            step, states = self._forward.stepper(len(part), part)
            if beam_width == 1:
                found = greedy(step, states, rules)
            else:
                found = beam(step, states, rules, width=beam_width)
            texts[i : i + ROWS_DECODED] = self._tokens.decode(found.sequences)
        return texts

    @available_if(_needs("language_model"))
    def generate(
        self,
        prompt: str = "",
        n: int = 1,
        *,
        max_length: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> list[str]:
        """Write texts that begin with a prompt.

        Parameters
        ----------
        prompt : str, default=""
            How they begin.
        n : int, default=1
            How many to write.
        max_length : int, default=None
            The most tokens after the prompt; None for `sequence_length_`.
        temperature : float, default=1.0
            Log-probabilities are divided by it: below 1 the probable becomes more so; 0 takes the most
            probable token each time.
        top_k : int, default=None
            Draw among so many of the most probable tokens; None for all.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        texts : list of n str
            As the tokens have them, in lower case for instance; the prompt is part of them.
        """
        check_is_fitted(self)
        step, states = self._forward.stepper(n)
        ids = self._tokens.encode([prompt]).ids
        ids = ids[ids != BOUNDARY]
        start = BOUNDARY
        for following in ids:
            _, states = step(np.full(n, start), states)
            start = int(following)
        rules = Rules(max_length=max_length or self.sequence_length_, start=start, never=(PAD, UNKNOWN))
        if temperature == 0:
            found = greedy(step, states, rules)
        else:
            found = sample(
                step, states, rules, rng=generator(random_state), temperature=temperature, top_k=top_k
            )
        rows = found.sequences.rows()
        return self._tokens.decode(Ragged.from_rows([np.concatenate([ids, row]) for row in rows]))


def _plain(targets: Targets | None) -> dict[str, Any] | None:
    """Return what makes the targets of another chunk, their owner aside."""
    return (
        None if targets is None else {name: value for name, value in vars(targets).items() if name != "owner"}
    )
