"""Targets as what a head learns: classes, sets of classes, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from skrnn.spec import Head
from skrnn.text.columns import is_missing


@dataclass(frozen=True)
class Targets:
    """How the targets of one training are learned; made by :func:`labels` or :func:`numbers`.

    Parameters
    ----------
    owner : str
        Class name of the estimator, for the messages.
    head : {"softmax", "sigmoid", "linear"}
        What predicts them.
    n_outputs : int
        Columns of the head.
    classes : ndarray of shape (n_classes,) or None
        Labels, or the columns of an indicator matrix; None for numbers.
    mean, scale : ndarray of shape (n_outputs,) or None
        What numbers are standardised by.
    """

    owner: str
    head: Head
    n_outputs: int
    classes: np.ndarray | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def indicator(self) -> bool:
        """Whether the targets are an indicator matrix."""
        return self.head == "sigmoid" and self.n_outputs > 1

    def encode(self, y: Any, texts: list[str], name: str = "y") -> np.ndarray:
        """Return what the head learns of targets.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        texts : list of str of length n_samples
            Their texts.
        name : str, default="y"
            The argument, for the messages.

        Returns
        -------
        targets : ndarray
            Class numbers int64 (n_samples,) for "softmax", else float32 (n_samples, n_outputs): 0 and 1, or
            standardised numbers.

        Raises
        ------
        ValueError
            If they do not fit the texts or hold labels that are not among `classes`.
        """
        check_given(y, self.owner, name)
        check_consistent_length(texts, y)
        if self.classes is None or self.indicator:
            values = _matrix(y, self.owner, name)
            if values.shape[1] != self.n_outputs:
                raise ValueError(
                    f"{name} of {self.owner}.fit must have {self.n_outputs} column(s), as y. Got "
                    f"{values.shape[1]}."
                )
            if self.mean is not None and self.scale is not None:
                values = (values - self.mean) / self.scale
            return values.astype(np.float32)
        codes = self._codes(column_or_1d(y, warn=True), name)
        return codes[:, None].astype(np.float32) if self.n_outputs == 1 else codes

    def _codes(self, y: np.ndarray, name: str) -> np.ndarray:
        classes = np.asarray(self.classes)
        unknown = np.flatnonzero(~np.isin(y, classes))
        if len(unknown):
            raise ValueError(
                f"{name} of {self.owner} has {len(unknown)} label(s) that are not among the classes of the "
                f"training; the first is {y[unknown[:1]].tolist()[0]!r} at position {unknown[0]}."
            )
        return np.searchsorted(classes, y).astype(np.int64)


def labels(y: Any, texts: list[str], *, owner: str) -> Targets:
    """Return how labels, or an indicator matrix of labels, are learned.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, or zeros and ones.
    texts : list of str of length n_samples
        Their texts.
    owner : str
        Class name of the estimator, for the messages.

    Returns
    -------
    targets : Targets
        One sigmoid for two classes, a softmax for more, a sigmoid a column for an indicator matrix.

    Raises
    ------
    ValueError
        If they are no labels, or of one class.
    """
    check_given(y, owner, "y")
    check_consistent_length(texts, y)
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        n = _matrix(y, owner, "y").shape[1]
        return Targets(owner, "sigmoid", n, np.arange(n))
    return _classes(column_or_1d(y, warn=True), owner, "y")


def of_classes(classes: Any, y: Any, texts: list[str], *, owner: str) -> Targets:
    """Return how labels are learned of which only some are there yet.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        Every label; for an indicator matrix the numbers of its columns.
    y, texts, owner
        As of :func:`labels`.

    Returns
    -------
    targets : Targets

    Raises
    ------
    ValueError
        If they are no labels, or fewer than two.
    """
    check_given(y, owner, "y")
    check_consistent_length(texts, y)
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        return labels(y, texts, owner=owner)
    return _classes(np.asarray(classes), owner, "classes")


def _classes(values: np.ndarray, owner: str, name: str) -> Targets:
    classes = np.unique(values)
    if len(classes) < 2:
        raise ValueError(
            f"{owner} needs two classes or more to tell apart. Got one class in {name}: {classes.tolist()}."
        )
    return (
        Targets(owner, "sigmoid", 1, classes)
        if len(classes) == 2
        else Targets(owner, "softmax", len(classes), classes)
    )


def numbers(y: Any, texts: list[str], *, owner: str) -> Targets:
    """Return how numbers are learned: standardised, by a linear head under the squared error.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Numbers.
    texts : list of str of length n_samples
        Their texts.
    owner : str
        Class name of the estimator, for the messages.

    Returns
    -------
    targets : Targets

    Raises
    ------
    ValueError
        If they are not finite numbers, one row a text.
    """
    check_given(y, owner, "y")
    check_consistent_length(texts, y)
    values = _matrix(y, owner, "y")
    spread = values.std(axis=0)
    return Targets(
        owner, "linear", values.shape[1], None, values.mean(axis=0), np.where(spread > 0, spread, 1.0)
    )


def check_given(y: Any, owner: str, name: str) -> None:
    """Raise a ValueError if there are no targets, or missing ones, or numbers that are not finite."""
    if y is None:
        raise ValueError(
            f"{owner}.fit requires {name} to be passed, but the target {name} is None: give one a text."
        )
    if getattr(getattr(y, "dtype", None), "kind", "O") == "O":
        values = np.asarray(y, dtype=object).ravel()
        missing = [i for i, value in enumerate(values) if is_missing(value)]
        if missing:
            raise ValueError(
                f"{name} of {owner}.fit has {len(missing)} missing value(s); the first is "
                f"{values[missing[0]]!r} at position {missing[0]}. Drop those texts. (Input contains NaN.)"
            )
    assert_all_finite(y, input_name=name)


def _matrix(y: Any, owner: str, name: str) -> np.ndarray:
    try:
        values = check_array(y, accept_sparse="csr", dtype=np.float64, ensure_2d=False, input_name=name)
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"{name} of {owner}.fit must hold numbers: {error}.") from error
    values = values.toarray() if hasattr(values, "toarray") else values
    return values.reshape(len(values), -1)
