"""RNNTextRegressor: texts to numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from skrnn.base import BaseRNNText
from skrnn.compat import fit_context
from skrnn.fitting import SupervisedMixin
from skrnn.parameters import estimator
from skrnn.targets import Regression, regression_head


@estimator
class RNNTextRegressor(RegressorMixin, SupervisedMixin, BaseRNNText):
    """Recurrent neural network that predicts numbers from texts.

    It splits texts into tokens, embeds the tokens, reads them with a recurrent network, pools the hidden
    states to one vector and predicts the numbers by a linear layer. The loss is the squared error of
    standardised targets. Compiled loops or Keras train the network; NumPy computes
    every prediction.

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
        {held_out}

        Returns
        -------
        self : RNNTextRegressor

        {raises}
        """
        attributes = self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)
        self._assign(X, attributes)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> RNNTextRegressor:
        """Train for one epoch on a chunk of texts, for data that do not fit into memory.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts of this chunk.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers. The first chunk fixes the mean and the scale by which they are standardised.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each text in the loss.

        Returns
        -------
        self : RNNTextRegressor

        {raises}

        {chunks}
        """
        is_fitted = self.__sklearn_is_fitted__()
        texts = self._read(X, reset=not is_fitted, min_texts=1)
        head = self._head if is_fitted else self._head_for(y, texts)
        self._assign(X, self._train_chunk(head, self._samples(head, texts, y, sample_weight, "y")))
        return self

    def _head_for(self, y: Any, texts: list[str]) -> Regression:
        return regression_head(y, texts, owner=type(self).__name__)

    def predict(self, X: Any) -> np.ndarray:
        """Return the number, or the numbers, of each text.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        y : ndarray of float64 of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the unit of the training targets.
        """
        return self._predicted(X, lambda outputs: self._head.predict(outputs))

    def __sklearn_tags__(self) -> Any:
        """Return the tags: one column of numbers, or several."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
