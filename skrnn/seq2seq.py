"""RNNTextSeq2Seq: texts to texts, for example translation and summarisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.base import BaseRNNText
from skrnn.compat import POSITIVE_INT, check_arguments, fit_context
from skrnn.fitting import PairFitMixin, as_objects
from skrnn.parameters import estimator
from skrnn.serve import Rules, Seq2Seq, Writer, corpus_score, n_threads, text_metrics

if TYPE_CHECKING:
    import keras


@estimator
class RNNTextSeq2Seq(PairFitMixin, BaseRNNText):
    """Recurrent neural network that turns texts into texts.

    An encoder reads the source text like the other estimators. A decoder starts from its vector and writes
    the target text token by token, with attention to the states of the encoder. Keras trains the network;
    NumPy writes every text.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    target_vocabulary_ : dict of str to int
        Terms of the target side and their ids.
    target_sequence_length_ : int
        Maximum number of tokens of a written text.
    {attributes}

    See Also
    --------
    RNNTextEncoder : Texts to vectors.
    RNNTextClassifier : Texts to labels.

    Notes
    -----
    Written texts are joined tokens: words have spaces where the training targets have them and, by default,
    lower case; characters keep line breaks and indents. An unknown token is written as a word of the source:
    the one with the highest attention weight, preferably an unknown one (Luong et al. 2015). If the target
    has another analyzer, unknown tokens are not written. With analyzer="subword" no word is unknown.
    `model_` takes the ids of the source, and those of the target after a boundary.

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

    # Writing needs more units and less dropout than classifying; sub-words leave no word unknown.
    rnn_units: int = 256
    epochs: int | str = 15
    learning_rate: float = 0.003
    analyzer: Any = "subword"
    vocab_size: int | None = 8000
    truncation: str = "end"
    embeddings: Any = "random"
    dropout: float | str = 0.3
    schedule: str = "constant"
    batch_size: int | str = 64
    early_stopping: bool | str = "auto"

    # -- fitting -------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
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
        """Train on source texts and target texts.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts: a list, array, Series or one-column frame.
        y : iterable of str of length n_samples
            Target texts.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each pair in the loss.
        {held_out}

        Returns
        -------
        self : RNNTextSeq2Seq

        {raises}
        """
        of_targets = (self.target_vocab_size, self.target_vocabulary, self.target_analyzer)
        if self.shared_vocabulary and any(value is not None for value in of_targets):
            raise ValueError(
                "target_vocab_size, target_vocabulary and target_analyzer of RNNTextSeq2Seq cannot be "
                "combined with shared_vocabulary=True, where vocab_size, vocabulary and analyzer apply to "
                "both sides. Leave them None."
            )
        if self.early_stopping == "score":
            text_metrics()  # raise the error before the first epoch, not after it
        self._assign(X, self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val))
        return self

    # -- serving -------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Return the target text of each text.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts.

        Returns
        -------
        texts : ndarray of str (dtype object) of shape (n_samples,)
            Texts of at most `target_sequence_length_` tokens, found by beam search or, with beam_width=1, by
            the most probable token at each step.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X is not a collection of strings.
        """
        texts, places = self._unique(X)
        written, _ = self._writer().write(texts, self._ids(texts), self.beam_width)
        return as_objects(written)[places]

    def predict_n_best(self, X: Any, n_best: int = 5) -> list[list[tuple[str, float]]]:
        """Return the best target texts that a beam search finds, with their scores.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts.
        n_best : int, default=5
            Number of target texts for each source. The search has as many beams, or `beam_width` if that is
            more.

        Returns
        -------
        found : list of n_samples lists of (str, float)
            The best text, with the highest score, first; fewer than `n_best` if the search finds no more.
            The score is the log-probability of all tokens and the end, in nats, divided by their number to
            the power `length_penalty`. `score_samples` returns the log-probability itself.

        Raises
        ------
        ValueError
            If `n_best` is not an int of 1 or more.
        """
        check_arguments("RNNTextSeq2Seq.predict_n_best", n_best=(n_best, [POSITIVE_INT]))
        texts, places = self._unique(X)
        width = max(int(n_best), self.beam_width)
        written, values = self._writer().write(texts, self._ids(texts), width, int(n_best))
        pairs = list(zip(written, values.tolist(), strict=True))
        rows = [pairs[i : i + n_best] for i in range(0, len(pairs), n_best)]
        return [[pair for pair in rows[i] if np.isfinite(pair[1])] for i in places]

    def alignments(self, X: Any, y: Any = None) -> list[tuple[list[str], list[str], np.ndarray]]:
        """Return the attention of the decoder to the source for each token that it writes.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts.
        y : iterable of str of length n_samples, default=None
            Target texts; None for what `predict` returns.

        Returns
        -------
        alignments : list of n_samples tuples (source, target, weights)
            The tokens of source and target, two lists of str, and the attention weights, float32 of shape
            (len(target) + 1, len(source)), with one row for each written token and one for the end.

        Raises
        ------
        AttributeError
            If the network has no attention.
        """
        check_is_fitted(self)
        if not self._spec.attention:
            raise AttributeError(
                "alignments of RNNTextSeq2Seq needs a network with attention. This one was fitted with "
                "attention=None."
            )
        sources = self._ids(self._read(X))
        if y is None:
            targets = self._writer().search(sources, self.beam_width).sequences
        else:
            targets = self._target_ids(y, len(sources))
        weights = self._decoder.attention(sources, targets, n_jobs=n_threads(self.n_jobs))
        return list(
            zip(self._tokens.pieces(sources), self._target_tokens.pieces(targets), weights, strict=True)
        )

    def score_samples(self, X: Any, y: Any) -> np.ndarray:
        """Return the log-likelihood of each target text given its source.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts.
        y : iterable of str of length n_samples
            Target texts; tokens beyond `target_sequence_length_` do not count.

        Returns
        -------
        log_likelihood : ndarray of float64 of shape (n_samples,)
            Sum over the tokens of a target and its end, in nats.
        """
        check_is_fitted(self)
        sources = self._ids(self._read(X))
        targets = self._target_ids(y, len(sources))
        return self._decoder.log_likelihood(sources, targets, n_jobs=n_threads(self.n_jobs))

    def score(self, X: Any, y: Any) -> float:
        """Return how similar the predicted texts are to the targets, by the metric `scoring`.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Source texts.
        y : iterable of str of length n_samples
            Target texts.

        Returns
        -------
        score : float
            From 0 to 1, for all texts together. With lowercase=True the targets are converted to lower case.

        Raises
        ------
        ImportError
            If sacrebleu is not installed.
        """
        text_metrics()
        self._validate_params()  # scoring may have been set after fit
        check_is_fitted(self)
        texts = self._read(X)
        targets = self._read_targets(y, len(texts))
        if not texts:
            raise ValueError("score of RNNTextSeq2Seq needs one text or more. Got 0 texts.")
        written = self.predict(texts).tolist()
        tokenize, lower = self._target_tokens.tokenize, str.lower if self.lowercase else str
        targets = [lower(y if isinstance(y, str) else " ".join(tokenize([y])[0])) for y in targets]
        return corpus_score(self.scoring, written, targets)

    @property
    def model_(self) -> keras.Model:
        """The network as a compiled keras.Model, rebuilt from the fitted weights at each access."""
        return self._keras_model(None)

    # -- writing -------------------------------------------------------------------------------

    @property
    def _decoder(self) -> Seq2Seq:
        return cast(Seq2Seq, self._forward.decoder)

    def _writer(self) -> Writer:
        self._validate_params()  # those of the search may have been set after fit
        self._check_min_length(self.target_sequence_length_)
        rules = Rules(
            max_length=self.target_sequence_length_,
            min_length=self.min_length,
            no_repeat_ngram_size=self.no_repeat_ngram_size,
        )
        return Writer(
            self._decoder,
            self._tokens,
            self._target_tokens,
            truncation=self._truncation,
            length=self.sequence_length_,
            copies_unknown=self._copies,
            rules=rules,
            length_penalty=self.length_penalty,
            n_jobs=n_threads(self.n_jobs),
        )
