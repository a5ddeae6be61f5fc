"""The base of the estimators: what a fitted network computes for texts. :mod:`skrnn.fitting` fits it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrnn.fitting import FitMixin, as_objects, count_unknown, warn_of_unknown
from skrnn.parameters import estimator
from skrnn.ragged import Ragged
from skrnn.serve import Forward, n_threads
from skrnn.train import build_model

if TYPE_CHECKING:
    import keras

MAX_OUTPUTS = 2**22  # outputs of a head that are computed at a time: 16 MB
BLOCK = 8192  # texts that are tokenized and encoded at a time, which bounds the memory of transform


@estimator
class BaseRNNText(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FitMixin):
    """Base of the estimators; a subclass says what stage 5 learns and predicts."""

    @cached_property
    def _forward(self) -> Forward:
        """Stages 2 to 4 in NumPy."""
        return Forward(self._spec, self._weights)

    def __dir__(self) -> list[str]:
        """Return the names without `model_`, so that looking at all attributes builds no Keras model."""
        names = (name for name in object.__dir__(self) if name != "model_")
        return [name for name in names if hasattr(self, name)]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what is computed from it."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_forward"}

    def _ids(self, texts: list[str]) -> Ragged:
        """Return the ids of texts; a warning says if most of them are unknown."""
        ids = self._truncated_ids(texts)
        warn_of_unknown(count_unknown(ids.ids), len(ids.ids), owner=type(self).__name__)
        return ids

    def _truncated_ids(self, texts: list[str]) -> Ragged:
        return self._tokens.encode(texts, self.sequence_length_, self._truncation)

    def _unique(self, X: Any) -> tuple[list[str], list[int]]:
        """Return the different texts, and the position of each text among them."""
        check_is_fitted(self)
        texts = self._read(X)
        if not set(map(type, texts)) <= {str}:  # other objects may have no hash
            return texts, list(range(len(texts)))
        places = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        return list(places), [places[text] for text in texts]

    def _encode(self, X: Any) -> np.ndarray:
        """Return the vectors of texts, (n_samples, n_components)."""
        check_is_fitted(self)
        return self._by_block(X, self._forward.encode, BLOCK)

    def _predicted(self, X: Any, finish: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return what `finish` makes of the outputs of the head, (n_samples, ...)."""
        check_is_fitted(self)
        size = min(BLOCK, max(1, MAX_OUTPUTS // self._spec.n_outputs))
        return self._by_block(X, lambda ids, n_jobs: finish(self._forward.outputs(ids, n_jobs)), size)

    def _by_block(self, X: Any, compute: Callable[[Ragged, int], np.ndarray], size: int) -> np.ndarray:
        """Return one row for each text, computed for some texts at a time; equal texts are computed once."""
        unique, places = self._unique(X)
        threads, n_unknown, n_tokens = n_threads(self.n_jobs), 0, 0
        rows = np.empty(0)
        for i in range(0, max(1, len(unique)), size):
            block = self._truncated_ids(unique[i : i + size])
            found = compute(block, threads)
            if i == 0:
                rows = np.empty((len(unique), *found.shape[1:]), found.dtype)
            rows[i : i + size] = found
            n_unknown, n_tokens = n_unknown + count_unknown(block.ids), n_tokens + len(block.ids)
        warn_of_unknown(n_unknown, n_tokens, owner=type(self).__name__)
        return rows if len(unique) == len(places) else rows[places]

    def transform(self, X: Any) -> np.ndarray:
        """Encode texts as vectors.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_samples, n_components)
            The encodings.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X is not a collection of strings.
        """
        return self._encode(X)

    def transform_sequences(self, X: Any) -> list[np.ndarray]:
        """Return the hidden state after each token: the sequence encoding H.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        sequences : list of n_samples ndarrays of float32 of shape (n_tokens_i, n_units)
            States of the top layer. For two directions, the forward states come first.
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
            At most `sequence_length_` tokens of each text, one for each state of `transform_sequences`.
            "<unk>" (for characters "\ufffd") stands for unknown tokens. A text without tokens has none.
        """
        check_is_fitted(self)
        rows = self._tokens.pieces(self._ids(self._read(X)))
        return [[piece for piece in row if piece] for row in rows]

    def decode_ids(self, ids: Any) -> np.ndarray:
        """Return the texts of token ids.

        Parameters
        ----------
        ids : array-like of int of shape (n_samples, n_steps), or n_samples lists of int
            Ids, for example from `padded_ids`. The ids 0 and 2 are left out.

        Returns
        -------
        texts : ndarray of str objects of shape (n_samples,)
            Words with the usual spacing, or that of the training texts if the model writes texts; characters
            and sub-words joined. What tokenization removes, for example upper case, does not come back.

        Raises
        ------
        ValueError
            If an id is not in the vocabulary.
        """
        check_is_fitted(self)
        rows = [np.asarray(row) for row in ids]
        for i, row in enumerate(rows):
            if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
                raise ValueError(
                    f"decode_ids of {type(self).__name__} takes rows of int ids, for example from "
                    f"padded_ids. Got {row.ndim} dimension(s) of {row.dtype} in row {i}."
                )
            wrong = row[(row < 0) | (row >= self._tokens.n_ids)]
            if len(wrong):
                raise ValueError(
                    f"decode_ids of {type(self).__name__} takes ids from 0 to {self._tokens.n_ids - 1}. Got "
                    f"{wrong[0]} in row {i}."
                )
        return as_objects(self._tokens.decode(Ragged.from_rows(rows)))

    def padded_ids(self, X: Any) -> np.ndarray:
        """Return the ids of texts, the input of `model_`.

        Parameters
        ----------
        X : iterable of str of length n_samples
            Texts.

        Returns
        -------
        ids : ndarray of int32 of shape (n_samples, `sequence_length_`)
            0 is padding on the right, 1 an unknown token, 2 an empty text.
        """
        check_is_fitted(self)
        return self._ids(self._read(X)).pad(self.sequence_length_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Only compared with the name of the column that `fit` got.

        Returns
        -------
        names : ndarray of str objects of shape (n_components,)
            For example "review_0", "review_1" if `fit` got a Series or a frame with the column "review".
            Without a name, they start with the class: "rnntextencoder0".
        """
        names = super().get_feature_names_out(input_features)
        column = vars(self).get("_column_name")  # estimators of older files have none
        return names if column is None else as_objects([f"{column}_{i}" for i in range(len(names))])

    @property
    def model_(self) -> keras.Model:
        """The network as a compiled keras.Model, rebuilt from the fitted weights at each access."""
        return self._keras_model(self.sequence_length_ if self.__sklearn_is_fitted__() else None)

    def _keras_model(self, length: int | None) -> keras.Model:
        check_is_fitted(self)
        recipe = self._recipe(self._spec, n_tokens=1, n_texts=1)
        wanted_by = f"{type(self).__name__}.model_"
        return build_model(self._spec, self._weights, recipe, length=length, wanted_by=wanted_by)

    @property
    def _n_features_out(self) -> int:
        return self._forward.vector_width

    def __sklearn_tags__(self) -> Any:
        """Return the tags: the input is one column of texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags
