"""RNNTextSeq2Seq: texts to texts, as in translation and summarisation."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from numbers import Integral, Real
from typing import Any, cast

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skrnn.base import LONGEST, BaseRNNText, Labelled, check_weights, fitted_attributes, generator, n_threads
from skrnn.ragged import BOUNDARY, PAD, UNKNOWN, Ragged
from skrnn.serve.decoder import Decoder, PairValidation
from skrnn.serve.search import Found, Rules, beam, greedy
from skrnn.spec import ATTENTIONS, Attention, Head, Spec, Weights
from skrnn.text.columns import check_texts
from skrnn.text.tokens import Tokens
from skrnn.train.door import keras_half
from skrnn.train.tasks import tasks, with_callbacks

MAX_TOKENS = 2**14  # ids of a padded training batch, both sides


class RNNTextSeq2Seq(BaseRNNText):
    """Recurrent neural network that turns texts into texts.

    An encoder reads the source as those of the other estimators do. A decoder starts from its vector and
    writes the target, one token after the other, looking at the encoder's states by attention. Keras trains
    the network; every text is written by NumPy.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    target_vocabulary_ : dict of str to int
        Terms of the target side and their ids.
    target_sequence_length_ : int
        The most tokens of a text that is written.
    {attributes}

    See Also
    --------
    RNNTextEncoder : Texts to vectors.
    RNNTextClassifier : Texts to labels.

    Notes
    -----
    What is written is tokens joined again: with analyzer="word" in the spelling of print and, by default, in
    lower case. Unknown words are copied: one is written as that word of the source, an unknown one if there
    is any, which the attention is on (Luong et al. 2015). With analyzer="subword" no word is unknown.
    `model_` takes the ids of the source and those of the target with a boundary before them.

    Examples
    --------
    >>> from skrnn import RNNTextSeq2Seq
    >>> words, digits = ["one", "two", "three"], "123"
    >>> sources = [f"{a} {b}" for a in words for b in words] * 4
    >>> targets = [f"{b} {a}" for a in digits for b in digits] * 4
    >>> model = RNNTextSeq2Seq(
    ...     analyzer="word", rnn_units=16, embedding_dim=16, dropout=0.0, learning_rate=0.03, epochs=15,
    ...     batch_size=12, early_stopping=False, random_state=0,
    ... )
    >>> model.fit(sources, targets).predict(["one two", "three one"])
    array(['2 1', '1 3'], dtype=object)
    """

    _parameter_constraints: dict = {
        **BaseRNNText._parameter_constraints,
        "encoder": [HasMethods(["transform_sequences"]), None],
        "freeze_encoder": ["boolean"],
        "attention": [StrOptions(set(ATTENTIONS)), None],
        "tied_embeddings": ["boolean"],
        "target_vocab_size": [Interval(Integral, 4, None, closed="left"), None],
        "target_vocabulary": ["array-like", dict, set, None],
        "shared_vocabulary": ["boolean"],
        "target_sequence_length": [Interval(Integral, 1, None, closed="left"), None],
        "min_length": [Interval(Integral, 0, None, closed="left")],
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "length_penalty": [Interval(Real, 0, None, closed="left")],
        "no_repeat": [Interval(Integral, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "scoring": [StrOptions({"chrf", "bleu"})],
    }

    def __init__(
        self,
        *,
        encoder: Any = None,
        freeze_encoder: bool = False,
        analyzer: Any = "subword",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str | None = None,
        min_df: float = 1,
        vocab_size: int | None = 8000,
        target_vocab_size: int | None = None,
        vocabulary: Any = None,
        target_vocabulary: Any = None,
        shared_vocabulary: bool = False,
        sequence_length: int | None = None,
        target_sequence_length: int | None = None,
        truncation: str = "end",
        missing: str = "error",
        embeddings: Any = "random",
        trainable_embeddings: bool = True,
        embedding_dim: int = 256,
        tied_embeddings: bool = True,
        layer: str = "gru",
        rnn_units: int = 256,
        rnn_activation: str = "tanh",
        n_layers: int = 1,
        n_heads: int = 4,
        bidirectional: bool = True,
        attention: str | None = "general",
        dropout: float = 0.3,
        recurrent_dropout: float = 0.0,
        pooling: str = "concat",
        n_components: int | None = None,
        activation: str = "tanh",
        beam_width: int = 5,
        length_penalty: float = 1.0,
        min_length: int = 0,
        no_repeat: int = 0,
        scoring: str = "chrf",
        optimizer: str = "adam",
        learning_rate: float = 0.003,
        schedule: str = "constant",
        label_smoothing: float = 0.1,
        epochs: int = 15,
        batch_size: int = 64,
        early_stopping: bool | str = "auto",
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
        self.target_vocab_size = target_vocab_size
        self.vocabulary = vocabulary
        self.target_vocabulary = target_vocabulary
        self.shared_vocabulary = shared_vocabulary
        self.sequence_length = sequence_length
        self.target_sequence_length = target_sequence_length
        self.truncation = truncation
        self.missing = missing
        self.embeddings = embeddings
        self.trainable_embeddings = trainable_embeddings
        self.embedding_dim = embedding_dim
        self.tied_embeddings = tied_embeddings
        self.layer = layer
        self.rnn_units = rnn_units
        self.rnn_activation = rnn_activation
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.bidirectional = bidirectional
        self.attention = attention
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.pooling = pooling
        self.n_components = n_components
        self.activation = activation
        self.beam_width = beam_width
        self.length_penalty = length_penalty
        self.min_length = min_length
        self.no_repeat = no_repeat
        self.scoring = scoring
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.label_smoothing = label_smoothing
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

    # -- fitting -------------------------------------------------------------------------------

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
    ) -> RNNTextSeq2Seq:
        """Train on texts and what each is to become.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts: a list, array, Series or one-column frame.
        y : iterable of str of length n_samples
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each pair in the loss.
        X_val : iterable of str, default=None
            Texts to validate on, instead of a part split off X: the training stops early by them.
        y_val : iterable of str, default=None
            Their targets.
        sample_weight_val : array-like, default=None
            Their weights.

        Returns
        -------
        self : RNNTextSeq2Seq

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter cannot be used.
        ImportError
            If Keras or its backend is missing.
        FloatingPointError
            If the loss is not a finite number. The estimator is then as it was before.
        """
        if self.shared_vocabulary and not (self.target_vocab_size is self.target_vocabulary is None):
            raise ValueError(
                "target_vocab_size and target_vocabulary of RNNTextSeq2Seq cannot be given with "
                "shared_vocabulary=True, where vocab_size and vocabulary are those of both sides: leave them "
                "None."
            )
        if self.early_stopping == "score":
            _metrics()  # known to be missing before the first epoch, not after it
        rng = generator(self.random_state)
        train = self._pairs(X, y, sample_weight, "y")
        given = None if X_val is None else self._pairs(X_val, y_val, sample_weight_val, "y_val")
        train, held_out = self._hold_out(train, given, rng)
        self._assign(X, self._learn_pairs(train, held_out, rng, (X, y, sample_weight)))
        return self

    def _pairs(self, X: Any, y: Any, sample_weight: Any, name: str) -> Labelled:
        texts = self._read(X, reset=True, least=1)
        if y is None:
            raise ValueError(
                f"RNNTextSeq2Seq.fit requires {name} to be passed, but the target {name} is None: give one "
                "text a text."
            )
        targets = self._read_targets(y, len(texts), name)
        weights = check_weights(sample_weight, len(texts), owner="RNNTextSeq2Seq")
        return Labelled(texts, np.array(targets, dtype=object), weights)

    @with_callbacks
    def _learn_pairs(
        self, train: Labelled, held_out: Labelled | None, rng: np.random.Generator, data: tuple
    ) -> dict[str, Any]:
        """Fit tokens and network and return the fitted attributes; the estimator is left as it is."""
        goals = list(train.targets)  # type: ignore[arg-type]
        if self.shared_vocabulary:
            tokens, both, spec, weights = self._start("seq2seq", [*train.texts, *goals], rng, 0)
            rows = np.arange(len(goals))
            target_tokens, sources = tokens, both.take(rows)
            targets = both.take(rows + len(goals)).without(BOUNDARY)
        else:
            target_tokens, targets = self._target_side(goals)
            tokens, sources, spec, weights = self._start("seq2seq", train.texts, rng, target_tokens.n_ids)
        cap = self.sequence_length or min(int(sources.lengths.max()), LONGEST)
        target_cap = self.target_sequence_length or min(max(1, int(targets.lengths.max())), LONGEST)
        validation = None
        reading = {
            "_tokens": tokens,
            "_target_tokens": target_tokens,
            # where training has seen no unknown word, none is to be written
            "_copies": bool(spec.attention) and bool((targets.ids == UNKNOWN).any()),
            "_truncation": self.truncation,
            "sequence_length_": cap,
            "target_sequence_length_": target_cap,
            "target_vocabulary_": target_tokens.vocabulary,
        }
        if held_out is not None:
            validation = PairValidation(
                tokens.encode(held_out.texts).truncate(cap, self.truncation),
                _targets(target_tokens, held_out.targets, target_cap),
                held_out.weights,
                n_threads(self.n_jobs),
                partial(self._score_of, reading, held_out) if self.early_stopping == "score" else None,
            )
        sources = sources.truncate(cap, self.truncation)
        targets = targets.truncate(target_cap, "end")
        monitor = self._monitor(spec, validation, len(sources.ids) + len(targets.ids), len(train.texts))
        schedule = self._schedule(rng, monitor, len(train.texts))
        training = keras_half("seq2seq", wanted_by="RNNTextSeq2Seq.fit")

        def fitted() -> dict[str, Any]:
            return reading | fitted_attributes(tokens, spec, cap, self.truncation, monitor)

        with tasks(monitor, self, data, fitted) as after_epoch:
            training.train(
                spec,
                weights,
                training.Pairs(sources, targets, train.weights),
                label_smoothing=float(self.label_smoothing),
                max_tokens=MAX_TOKENS,
                after_epoch=after_epoch,
                **schedule,
            )
        return fitted()

    def _score_of(self, reading: dict[str, Any], pairs: Labelled, spec: Spec, weights: Weights) -> float:
        """Return what `score` gives for a network in training; the estimator is left as it is."""
        twin = copy(self)
        for name, value in {**reading, "_spec": spec, "_weights": weights}.items():
            setattr(twin, name, value)
        return twin.score(pairs.texts, pairs.targets)

    def _target_side(self, texts: list[str]) -> tuple[Tokens, Ragged]:
        """Return the tokens of the target side, those of the last fit for a warm start, and the ids."""
        if self.warm_start and self.__sklearn_is_fitted__():
            return self._target_tokens, self._target_tokens.encode(texts).without(BOUNDARY)
        n_ids = self.target_vocab_size or self.vocab_size
        tokens, targets = self._fit_tokens(texts, n_ids, self.target_vocabulary)
        return tokens, targets.without(BOUNDARY)

    def _spec_for(self, head: Head, n_ids: int, n_outputs: int) -> Spec:
        spec = super()._spec_for(head, n_ids, n_ids if self.shared_vocabulary else n_outputs)
        attention = cast(Attention | None, self.attention)
        return replace(spec, attention=attention)

    # -- serving -------------------------------------------------------------------------------

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self._spec, self._weights)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the folded tables, which are made anew when asked for."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_decoder"}

    def _assign(self, X: Any, fitted: dict[str, Any]) -> None:
        if "_decoder" in vars(self):
            del self._decoder
        super()._assign(X, fitted)

    def predict(self, X: Any) -> np.ndarray:
        """Return the text that each text becomes.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        texts : ndarray of str (dtype object) of shape (n_samples,)
            Of at most `target_sequence_length_` tokens, found by beam search or, with beam_width=1, by the
            most probable token each time.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X is not a collection of strings.
        """
        texts, places = self._unique(X)
        written, _ = self._write(texts, self.beam_width, 1)
        return np.array(written, dtype=object)[places]

    def predict_n_best(self, X: Any, n_best: int = 5) -> list[list[tuple[str, float]]]:
        """Return the best texts that a beam search has found, with their log-probabilities.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        n_best : int, default=5
            How many; the search has as many beams, or `beam_width` if that is more.

        Returns
        -------
        found : list of n_samples lists of (str, float)
            The best first; there are fewer than `n_best` where the search has found no more. The number is
            the log-probability of all tokens and the end, in nats.

        Raises
        ------
        ValueError
            If `n_best` is no int of 1 or more.
        """
        if not isinstance(n_best, (int, np.integer)) or n_best < 1:
            raise ValueError(
                f"n_best of RNNTextSeq2Seq.predict_n_best must be an int >= 1. Got {n_best!r} instead."
            )
        texts, places = self._unique(X)
        written, values = self._write(texts, max(n_best, self.beam_width), n_best)
        rows = [
            [(text, value) for text, value in zip(part, numbers, strict=True) if np.isfinite(value)]
            for part, numbers in zip(
                _batched(written, n_best), _batched(values.tolist(), n_best), strict=True
            )
        ]
        return [rows[i] for i in places]

    def attend(self, X: Any, y: Any = None) -> list[tuple[list[str], list[str], np.ndarray]]:
        """Return where the decoder looks as it writes.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        y : iterable of str of length n_samples, default=None
            What is written; None for what `predict` returns.

        Returns
        -------
        alignments : list of n_samples tuples (source, target, weights)
            The tokens of the source and of the target, two lists of str, and the attention, float32 of shape
            (len(target) + 1, len(source)): a row for each token that is written and one for the end.

        Raises
        ------
        AttributeError
            If the network has no attention.
        """
        check_is_fitted(self)
        if not self._spec.attention:
            raise AttributeError(
                "attend of RNNTextSeq2Seq needs a network with attention; this one was fitted with "
                "attention=None."
            )
        sources = self._ids(self._read(X))
        if y is None:
            targets = self._search(sources, self.beam_width, 1).sequences
        else:
            targets = self._target_ids(y, len(sources))
        weights = self._decoder.attention(sources, targets, n_threads(self.n_jobs))
        read, written = (
            tokens.pieces(ids) for tokens, ids in ((self._tokens, sources), (self._target_tokens, targets))
        )
        return list(zip(read, written, weights, strict=True))

    def score_samples(self, X: Any, y: Any) -> np.ndarray:
        """Return the log-likelihood of each target given its text.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        y : iterable of str of length n_samples
            Their targets; tokens beyond `target_sequence_length_` are not counted.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
            Sum over the target's tokens and its end, in nats.
        """
        check_is_fitted(self)
        sources = self._ids(self._read(X))
        targets = self._target_ids(y, len(sources))
        return self._decoder.log_likelihood(sources, targets, n_threads(self.n_jobs))

    def score(self, X: Any, y: Any) -> float:
        """Return how like the targets the predicted texts are, by `scoring`.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        y : iterable of str of length n_samples
            Their targets.

        Returns
        -------
        score : float
            From 0 to 1, over all texts at once. Where lowercase=True the targets are lower-cased first.

        Raises
        ------
        ImportError
            If sacrebleu is not installed.
        """
        metrics = _metrics()
        self._validate_params()  # scoring may have been set since fit
        check_is_fitted(self)
        texts = self._read(X)
        targets = self._read_targets(y, len(texts))
        if not texts:
            raise ValueError("score of RNNTextSeq2Seq needs a text or more. Got 0 texts.")
        written = self.predict(texts).tolist()
        if self.lowercase:
            targets = [target.lower() for target in targets]
        measure = metrics.CHRF() if self.scoring == "chrf" else metrics.BLEU(tokenize="none", force=True)
        return measure.corpus_score(written, [targets]).score / 100

    @property
    def model_(self) -> Any:
        """The network as a compiled keras.Model, built from the fitted weights at each access."""
        check_is_fitted(self)
        training = keras_half("seq2seq", wanted_by="RNNTextSeq2Seq.model_")
        return training.model(self._spec, self._weights, self.optimizer, self.learning_rate)

    # -- writing -------------------------------------------------------------------------------

    def _unique(self, X: Any) -> tuple[list[str], list[int]]:
        """Return the different texts and the place of each text among them."""
        check_is_fitted(self)
        texts = self._read(X)
        places = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        return list(places), [places[text] for text in texts]

    def _search(self, sources: Ragged, width: int, n_best: int) -> Found:
        rules = Rules(
            max_length=self.target_sequence_length_,
            min_length=min(self.min_length, self.target_sequence_length_),
            no_repeat=self.no_repeat,
            never=(PAD,) if self._copies else (PAD, UNKNOWN),
        )
        search: Any = partial(greedy, rules=rules)
        if width > 1:
            search = partial(
                beam, rules=rules, width=width, length_penalty=self.length_penalty, n_best=n_best
            )
        return self._decoder.write(sources, search, n_beams=width, n_jobs=n_threads(self.n_jobs))

    def _write(self, texts: list[str], width: int, n_best: int) -> tuple[list[str], np.ndarray]:
        """Return `n_best` texts for each text, unknown words copied, and their log-probabilities."""
        sources = self._ids(texts)
        found = self._search(sources, width, n_best)
        written = self._target_tokens.decode(found.sequences)
        return self._copy_unknown(texts, sources, found.sequences, written, n_best), found.log_probabilities

    def _copy_unknown(
        self, texts: list[str], sources: Ragged, ids: Ragged, written: list[str], n_best: int
    ) -> list[str]:
        """Put the words of the source that the attention is on in place of unknown ones."""
        row = np.repeat(np.arange(len(written)), ids.lengths)
        for i in np.unique(row[ids.ids == UNKNOWN]).tolist():
            source = i // n_best
            words = self._tokens.tokenize([texts[source]])[0]
            every = Ragged.from_rows([np.arange(len(words))])
            kept = every.truncate(self.sequence_length_, self._truncation).ids
            own = ids.take(np.array([i]))
            read = sources.take(np.array([source]))
            (weights,) = self._decoder.attention(read, own)
            weights = weights + (read.ids == UNKNOWN)  # what is unknown here was rather unknown there
            looked = weights.argmax(axis=1)[:-1][own.ids == UNKNOWN]
            head, *rest = written[i].split(_unknown_mark(self._target_tokens))
            copied = [words[kept[at]] if at < len(kept) else "" for at in looked.tolist()]
            written[i] = head + "".join(word + part for word, part in zip(copied, rest, strict=False))
        return written

    def _read_targets(self, y: Any, n_texts: int, name: str = "y") -> list[str]:
        """Return targets as a list of str, one a text."""
        targets = check_texts(y, owner="RNNTextSeq2Seq", missing=self.missing, name=name)
        if len(targets) != n_texts:
            raise ValueError(
                f"{name} of RNNTextSeq2Seq must have one text a text. Got {len(targets)} for {n_texts} "
                "(Found input variables with inconsistent numbers of samples)."
            )
        return targets

    def _target_ids(self, y: Any, n_texts: int) -> Ragged:
        return _targets(self._target_tokens, self._read_targets(y, n_texts), self.target_sequence_length_)


def _metrics() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise ImportError(
            "RNNTextSeq2Seq.score needs sacrebleu, which cannot be imported. Install it: pip install "
            "'skrnn[metrics]'. Everything else works without.",
            name=error.name,
        ) from error
    return metrics


def _targets(tokens: Tokens, texts: Any, cap: int) -> Ragged:
    return tokens.encode(list(texts)).without(BOUNDARY).truncate(cap, "end")


def _unknown_mark(tokens: Tokens) -> str:
    """Return what stands for an unknown token in a decoded text."""
    return tokens.decode(Ragged.from_rows([[UNKNOWN]]))[0]


def _batched(values: list, size: int) -> list[list]:
    return [values[i : i + size] for i in range(0, len(values), size)]
