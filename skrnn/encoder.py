"""RNNTextEncoder: texts to vectors."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from skrnn.compat import StrOptions, fit_context
from skrnn.fitting.samples import Samples
from skrnn.fitting.start import Start
from skrnn.fitting.untrained import untrained
from skrnn.generation import GenerationMixin
from skrnn.parameters import SHARE, Unused, WritingParameters, estimator, parameter
from skrnn.spec import Spec
from skrnn.targets import Autoencoder, Contrastive, Head, LanguageModel, NoHead, head_for
from skrnn.train.recipe import Recipe

_HEADS: dict[str, Head] = {
    head.objective: head for head in (Autoencoder(), Contrastive(), LanguageModel(), NoHead())
}


@estimator
class RNNTextEncoder(WritingParameters, GenerationMixin):
    """Recurrent neural network that encodes texts as vectors.

    It splits texts into tokens, embeds the tokens, reads them with a recurrent network and pools the hidden
    states to one vector. With y, it is trained to predict the targets. Without y, it joins a network that is
    not trained with means of word vectors, which takes some seconds for 3,000 texts; or it is trained to
    recognise the other half of a text, to restore the text or to predict the next token. Keras trains the
    network; NumPy computes every vector.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    objective_ : {"supervised", "autoencoder", "contrastive", "language_model", "random"}
        The objective of the training.
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

    __single_column_transformer__ = True  # skrub passes one column instead of a frame

    objective: str = parameter(
        default="auto",
        allowed=[StrOptions({"auto", "supervised", *_HEADS})],
        stage="first",
        doc="""{"auto", "supervised", "autoencoder", "contrastive", "language_model", "random"}
        What the network is trained for: to predict the targets, to restore the text, to tell the other half
        of a text from the halves of other texts of the mini-batch (Giorgi et al. 2021), or to predict each
        next token (and, with `bidirectional`, each previous one). "auto" is "supervised" if `fit` gets y, and
        "random" otherwise. "random" trains nothing and needs no Keras. Its vectors join the pooled states of
        a random network (Wieting & Kiela 2019) with a mean of word vectors in which frequent words count
        less (Arora et al. 2017). The word vectors are learned from the training texts. With `n_components`,
        the principal components of both are kept. `partial_fit` then learns from the first chunk only.
        "contrastive" trains this network, and its vectors group texts by topic.""",
    )
    noise: float = parameter(
        default=0.0,
        allowed=[SHARE],
        stage="training",
        doc="""float in [0, 1)
        Share of the tokens that are hidden from the autoencoder in training; the others are moved by up to
        three places. It still has to restore the text.""",
        unused=Unused('the objective is not "autoencoder"', lambda e, _: e.objective != "autoencoder"),
    )

    @fit_context(prefer_skip_nested_validation=True)
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
            Labels, an indicator matrix, or numbers. Only the objective "supervised" uses it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.
        {held_out}

        Returns
        -------
        self : RNNTextEncoder

        {raises}
        """
        attributes = self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)
        self._assign(X, attributes)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RNNTextEncoder:
        """Train for one epoch on a chunk of texts, for data that do not fit into memory.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts of this chunk.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as for `fit`. The first chunk must have every label, or fixes the mean and the scale of
            numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.

        Returns
        -------
        self : RNNTextEncoder

        {raises}

        {chunks}
        """
        is_fitted = self.__sklearn_is_fitted__()
        texts = self._read(X, reset=not is_fitted, min_texts=1)
        head = self._head if is_fitted else self._head_for(y, texts)
        self._assign(X, self._train_chunk(head, self._samples(head, texts, y, sample_weight, "y")))
        return self

    def _head_for(self, y: Any, texts: list[str]) -> Head:
        objective = self.objective
        if objective == "auto":
            objective = "random" if y is None else "supervised"
            if y is None and self.epochs != "auto":
                warnings.warn(
                    f"RNNTextEncoder is not trained if it gets no y. epochs={self.epochs!r} has no effect. "
                    "Set objective='contrastive', 'autoencoder' or 'language_model' to train it on the "
                    "texts alone, or epochs='auto'.",
                    UserWarning,
                    stacklevel=2,
                )
        if objective == "supervised" and y is None:
            raise ValueError(
                "objective='supervised' of RNNTextEncoder requires y to be passed, but the target y is "
                "None. Pass targets, or set objective='random'."
            )
        if objective == "language_model" and self.bidirectional and self.layer == "self_attention":
            raise ValueError(
                "objective='language_model' of RNNTextEncoder cannot be combined with "
                "layer='self_attention' and bidirectional=True, where each token attends to the token that "
                "it should predict. Set bidirectional=False."
            )
        if objective == "language_model" and self.bidirectional and self.n_layers > 1:
            raise ValueError(
                "objective='language_model' of RNNTextEncoder cannot be combined with bidirectional=True "
                "and n_layers > 1, where the second layer sees the token that it should predict. Set "
                "n_layers=1 or bidirectional=False."
            )
        if objective == "supervised":
            return head_for(y, texts, owner=type(self).__name__)
        return _HEADS[objective]

    def _start(
        self, head: Head, samples: Samples, rng: np.random.Generator, *, is_chunk: bool = False
    ) -> Start:
        start = super()._start(head, samples, rng, is_chunk=is_chunk)
        if head.has_outputs:
            return start
        spec, weights = untrained(start.spec, start.weights, start.examples.sequences, rng)
        if head.is_trained and self._fitted_network() is self and self._spec.weighted_mean:
            weights = {name: self._weights[name].copy() for name in weights}
        return replace(start, spec=spec, weights=weights)

    def _attributes(self, head: Head, *arguments: Any) -> dict[str, Any]:
        return {**super()._attributes(head, *arguments), "objective_": head.objective}

    def _recipe(self, spec: Spec, *, n_tokens: int, n_texts: int) -> Recipe:
        recipe = super()._recipe(spec, n_tokens=n_tokens, n_texts=n_texts)
        return replace(recipe, noise=float(self.noise))

    def _spec_for(self, head: Head, n_ids: int, n_outputs: int) -> Spec:
        return replace(super()._spec_for(head, n_ids, n_outputs), tied_embeddings=self.tied_embeddings)
