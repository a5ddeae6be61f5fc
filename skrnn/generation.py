"""What an encoder that predicts tokens can do besides encoding: score, decode and write texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from skrnn.base import BaseRNNText
from skrnn.compat import NON_NEGATIVE, POSITIVE_INT, check_arguments
from skrnn.fitting import as_objects, generator
from skrnn.ragged import BOUNDARY, PAD, UNKNOWN, Ragged
from skrnn.serve import Rules, beam, greedy, n_threads, sample

MAX_VECTORS = 256  # vectors that are decoded at a time


def _needs(*objectives: str) -> Callable[[Any], bool]:
    """Return a check that an encoder has, or may get, one of the objectives."""

    def check(self: Any) -> bool:
        objective = getattr(self, "objective_", None)
        if objective is not None and objective not in objectives:
            raise AttributeError(
                f"This method needs an encoder with objective {' or '.join(map(repr, objectives))}. This "
                f"{type(self).__name__} was fitted with objective={objective!r}."
            )
        return True

    return check


class GenerationMixin(BaseRNNText):
    """Methods of autoencoders and language models."""

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
            Sum over the tokens of a text and its end, in nats. Tokens beyond `sequence_length_` do not
            count. A bidirectional language model uses its forward direction.
        """
        check_is_fitted(self)
        texts = self._read(X)
        return self._log_likelihood(self._ids(texts)) if texts else np.empty(0)

    def _log_likelihood(self, ids: Ragged) -> np.ndarray:
        return self._forward.decoder.log_likelihood(ids, n_jobs=n_threads(self.n_jobs))

    @available_if(_needs("autoencoder", "language_model"))
    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of a text, as PCA does.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In nats.
        """
        return float(np.mean(self.score_samples(X)))

    @available_if(_needs("autoencoder", "language_model"))
    def perplexity(self, X: Any) -> float:
        """Return the perplexity of texts: the inverse geometric mean of the probabilities of the tokens.

        Parameters
        ----------
        X : iterable of str of length n_samples
            One text or more.

        Returns
        -------
        perplexity : float
            1 is the best value. The ends of the texts count as tokens.
        """
        check_is_fitted(self)
        ids = self._ids(self._read(X, min_texts=1))
        log_likelihood = self._log_likelihood(ids)
        return float(np.exp(-log_likelihood.sum() / (len(ids.ids) + len(ids))))

    @available_if(_needs("autoencoder"))
    def inverse_transform(self, X: Any, *, beam_width: int = 1) -> np.ndarray:
        """Decode vectors to texts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Vectors from `transform`, or any others, for example the mean of two.
        beam_width : int, default=1
            Number of beams of the search. 1 takes the most probable token at each step.

        Returns
        -------
        texts : ndarray of object of shape (n_samples,)
            The most probable texts that were found, of at most `sequence_length_` tokens.
        """
        check_arguments("RNNTextEncoder.inverse_transform", beam_width=(beam_width, [POSITIVE_INT]))
        check_is_fitted(self)
        vectors = check_array(X, dtype=np.float32, ensure_min_samples=0)
        if vectors.shape[1] != self._forward.vector_width:
            raise ValueError(
                f"X of RNNTextEncoder.inverse_transform must have {self._forward.vector_width} columns, like "
                f"the output of transform. Got {vectors.shape[1]}."
            )
        texts: list[str] = []
        rules = Rules(max_length=self.sequence_length_)
        for i in range(0, len(vectors), MAX_VECTORS):
            step, states = self._forward.decoder.stepper(vectors[i : i + MAX_VECTORS])
            if beam_width == 1:
                found = greedy(step, states, rules)
            else:
                found = beam(step, states, rules, width=beam_width)
            texts += self._tokens.decode(found.sequences)
        return as_objects(texts)

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
            The beginning of the texts.
        n : int, default=1
            Number of texts.
        max_length : int, default=None
            Maximum number of tokens after the prompt; None for `sequence_length_`.
        temperature : float, default=1.0
            Log-probabilities are divided by it; at least 0. Below 1, probable tokens become more probable.
            0 takes the most probable token at each step.
        top_k : int, default=None
            Draw among this number of the most probable tokens; None for all.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        texts : list of n str
            The prompt and what follows, after tokenization, for example in lower case.

        Raises
        ------
        ValueError
            If an argument is invalid.
        """
        check_arguments(
            "RNNTextEncoder.generate",
            prompt=(prompt, [str]),
            n=(n, [POSITIVE_INT]),
            max_length=(max_length, [POSITIVE_INT, None]),
            temperature=(temperature, [NON_NEGATIVE]),
            top_k=(top_k, [POSITIVE_INT, None]),
            random_state=(random_state, ["random_state", np.random.Generator]),
        )
        check_is_fitted(self)
        step, states = self._forward.decoder.stepper(n)
        ids = self._tokens.encode([prompt]).without(BOUNDARY).ids
        start = BOUNDARY
        for following in ids:
            _, states = step(np.full(n, start), states)
            start = int(following)
        rules = Rules(max_length=int(max_length or self.sequence_length_), start=start, never=(PAD, UNKNOWN))
        if temperature == 0:
            found = greedy(step, states, rules)
        else:
            found = sample(
                step, states, rules, rng=generator(random_state), temperature=temperature, top_k=top_k
            )
        rows = [np.concatenate([ids, row]) for row in found.sequences.rows()]
        return self._tokens.decode(Ragged.from_rows(rows))
