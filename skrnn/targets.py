"""Stage 5: heads. Each kind of target is one class with its encoding, loss, score and predictions.

A :class:`Head` that was made for some targets holds what it has learned of them (the classes, or the mean and
scale of numbers). :data:`HEADS` finds its class by the name that a :class:`skrnn.spec.Spec` keeps.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, column_or_1d

from skrnn.text import as_matrix, check_labels, check_one_column, check_targets

CLASSIFICATION = ("binary", "multiclass", "multilabel-indicator")  # what type_of_target calls labels
MAX_NUMBER = 1e150  # of targets: scores square them, in float64
MAX_STANDARDISED = 1e15  # of standardised targets: the loss squares and sums them, in float32


@dataclass(frozen=True, eq=False)
class Head:
    """What the last stage of a network learns.

    A subclass names the activation and the loss as Keras calls them, so that it needs no Keras itself. It
    computes the same loss in NumPy, for held-out texts.

    Parameters
    ----------
    n_outputs : int, default=0
        Number of columns of the output layer.
    """

    name: ClassVar[str]
    activation: ClassVar[str] = "linear"
    loss: ClassVar[str | None] = None
    predicts_ids: ClassVar[bool] = False  # whether the targets are texts and the outputs token ids
    exclusive: ClassVar[bool] = False  # whether each text has exactly one class
    has_outputs: ClassVar[bool] = True  # whether a layer predicts something from the encoding
    is_trained: ClassVar[bool] = True
    objective: ClassVar[str] = "supervised"  # of the encoder that it belongs to

    n_outputs: int = 0

    def encode(self, y: Any, texts: list[str], *, owner: str, name: str = "y") -> np.ndarray | None:
        """Return targets as the network learns them, or None where the texts are the targets.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets as the user gives them.
        texts : list of str of length n_samples
            Their texts.
        owner : str
            Class name of the estimator, for the messages.
        name : str, default="y"
            Name of the argument, for the messages.

        Returns
        -------
        targets : ndarray or None
            Class indices int64 (n_samples,), or float32 (n_samples, n_outputs).

        Raises
        ------
        ValueError
            If there is not one target for each text, or a target cannot be learned.
        """
        return None


class NoHead(Head):
    """No head: the network is not trained, and its encodings are the result."""

    name, objective, has_outputs, is_trained = "none", "random", False, False


class Contrastive(Head):
    """The other half of the text: its encoding is recognised among those of other texts."""

    name, objective, has_outputs = "contrastive", "contrastive", False


class Autoencoder(Head):
    """The text itself, written by a decoder from the encoding."""

    name, objective, predicts_ids = "autoencoder", "autoencoder", True


class LanguageModel(Head):
    """The next token, and for bidirectional networks also the previous token."""

    name, objective, predicts_ids = "language_model", "language_model", True


class Seq2Seq(Head):
    """Another text, written by a decoder with attention to the states of the source."""

    name, predicts_ids = "seq2seq", True


class Supervised(Head):
    """Labels or numbers, predicted from the encoding by one output layer."""

    @staticmethod
    @abstractmethod
    def losses(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss of each row, (n_samples,), as Keras computes it from the activated outputs."""

    @staticmethod
    @abstractmethod
    def score(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return how good outputs are, by the metric of the estimator's `score` method."""

    @abstractmethod
    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predictions for outputs before the activation, (n_samples, n_outputs)."""


@dataclass(frozen=True, eq=False)
class Classification(Supervised):
    """Labels.

    Parameters
    ----------
    n_outputs : int
        Number of columns of the output layer.
    classes : ndarray of shape (n_classes,)
        The labels, sorted; for an indicator matrix the column numbers.
    """

    classes: np.ndarray = field(default_factory=lambda: np.empty(0))

    def encode(self, y: Any, texts: list[str], *, owner: str, name: str = "y") -> np.ndarray:
        """Return the index of each label among the classes, int64 (n_samples,)."""
        check_labels(y, owner, name)
        check_consistent_length(texts, y)
        check_one_column(y, owner, name)
        labels = column_or_1d(y, warn=True)
        unknown = np.flatnonzero(~np.isin(labels, self.classes))
        if len(unknown):
            raise ValueError(
                f"{name} of {owner} has {len(unknown)} label(s) that are not among the classes of the "
                f"training data; the first is {labels[unknown[:1]].tolist()[0]!r} at position {unknown[0]}."
            )
        return np.searchsorted(self.classes, labels).astype(np.int64)

    @abstractmethod
    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class, (n_samples, n_classes)."""

    @abstractmethod
    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each class, (n_samples, n_classes)."""


class Multiclass(Classification):
    """Three or more classes, of which each text has one: a softmax."""

    name, activation, loss = "multiclass", "softmax", "sparse_categorical_crossentropy"
    exclusive = True

    @staticmethod
    def losses(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the cross-entropy of each row in nats, (n_samples,)."""
        return -np.take_along_axis(log_softmax(outputs, axis=1), targets[:, None], axis=1)[:, 0]

    @staticmethod
    def score(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the accuracy."""
        return float(accuracy_score(targets, outputs.argmax(axis=1), sample_weight=weights))

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return the most probable label of each row of outputs."""
        return self.classes[outputs.argmax(axis=1)]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class; each row sums to one."""
        return softmax(outputs, axis=1)

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each class."""
        return log_softmax(outputs, axis=1)


class Multilabel(Classification):
    """Labels that do not exclude each other, as an indicator matrix: one sigmoid for each column."""

    name, activation, loss = "multilabel", "sigmoid", "binary_crossentropy"

    def encode(self, y: Any, texts: list[str], *, owner: str, name: str = "y") -> np.ndarray:
        """Return the indicator matrix, float32 (n_samples, n_outputs)."""
        check_labels(y, owner, name)
        check_consistent_length(texts, y)
        return as_matrix(y, owner, name, self.n_outputs).astype(np.float32)

    @staticmethod
    def losses(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean over the columns of log(1 + exp(x)) - x y, (n_samples,)."""
        return (np.logaddexp(0, outputs) - outputs * targets).mean(axis=1)

    @staticmethod
    def score(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the share of rows in which every column is right."""
        right = ((outputs > 0) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return an indicator matrix of int."""
        return (outputs > 0).astype(int)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each label; the rows do not sum to one."""
        return expit(outputs)

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each label."""
        return -np.logaddexp(0, -outputs)


class Binary(Multilabel):
    """Two classes: one sigmoid, which gives the probability of the second class."""

    name, exclusive = "binary", True

    def encode(self, y: Any, texts: list[str], *, owner: str, name: str = "y") -> np.ndarray:
        """Return 0 and 1, float32 (n_samples, 1)."""
        return Classification.encode(self, y, texts, owner=owner, name=name)[:, None].astype(np.float32)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return the more probable label of each row of outputs."""
        return self.classes[(outputs[:, 0] > 0).astype(int)]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of both classes."""
        return expit(np.hstack([-outputs, outputs]))

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithms of the probabilities of both classes."""
        return -np.logaddexp(0, np.hstack([outputs, -outputs]))


@dataclass(frozen=True, eq=False)
class Regression(Supervised):
    """Numbers, standardised for training, under the squared error.

    Parameters
    ----------
    n_outputs : int
        Number of columns.
    mean, scale : ndarray of float64 of shape (n_outputs,)
        Mean and standard deviation of the training targets; 1 for a constant column.
    one_column : bool, default=False
        Whether predictions have shape (n_samples,), as the training targets had.
    """

    name = "regression"
    loss = "mean_squared_error"

    mean: np.ndarray = field(default_factory=lambda: np.zeros(1))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    one_column: bool = False

    def encode(self, y: Any, texts: list[str], *, owner: str, name: str = "y") -> np.ndarray:
        """Return standardised numbers, float32 (n_samples, n_outputs)."""
        check_targets(y, owner, name)
        check_consistent_length(texts, y)
        values = as_matrix(y, owner, name, self.n_outputs)
        with np.errstate(over="ignore"):
            standardised = (values - self.mean) / self.scale
        row, column = np.unravel_index(np.abs(standardised).argmax(), standardised.shape)
        if not abs(standardised[row, column]) <= MAX_STANDARDISED:
            raise ValueError(
                f"{name} of {owner} has {values[row, column]} at position {row}, which is more than "
                f"{MAX_STANDARDISED:g} times the standard deviation of the training targets, "
                f"{self.scale[column]}, away from their mean. Check the unit of {name}."
            )
        return standardised.astype(np.float32)

    @staticmethod
    def losses(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean squared error of each row, (n_samples,)."""
        return ((outputs - targets) ** 2).mean(axis=1)

    @staticmethod
    def score(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the coefficient of determination, averaged over the columns; NaN for a single row."""
        if len(targets) < 2:
            return float("nan")
        first = targets[:1].astype(np.float64)  # without it a constant column is 0, not 0 up to rounding
        return float(r2_score(targets - first, outputs - first, sample_weight=weights))

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return numbers in the unit of the training targets."""
        numbers = outputs * self.scale + self.mean
        return numbers[:, 0] if self.one_column else numbers


_SUPERVISED = (Binary, Multiclass, Multilabel, Regression)
HEADS: dict[str, type[Head]] = {
    head.name: head for head in (NoHead, Contrastive, *_SUPERVISED, Autoencoder, LanguageModel, Seq2Seq)
}


def classification_head(y: Any, texts: list[str], *, owner: str, classes: Any = None) -> Classification:
    """Return the head that learns labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, or an indicator matrix.
    texts : list of str of length n_samples
        Their texts.
    owner : str
        Class name of the estimator, for the messages.
    classes : array-like of shape (n_classes,), default=None
        Every label that later chunks may have; None for the labels of `y`. Not used for an indicator matrix.

    Returns
    -------
    head : Binary, Multiclass or Multilabel

    Raises
    ------
    ValueError
        If `y` holds no labels, or if there are fewer than two classes.
    """
    check_labels(y, owner, "y")
    check_consistent_length(texts, y)
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        n_outputs = as_matrix(y, owner, "y").shape[1]
        return Multilabel(n_outputs, np.arange(n_outputs))
    check_one_column(y, owner, "y")
    found = np.unique(column_or_1d(y, warn=True) if classes is None else np.asarray(classes))
    if len(found) < 2:
        raise ValueError(
            f"{owner} needs two classes or more. Got one class in {'y' if classes is None else 'classes'}: "
            f"{found.tolist()}."
        )
    return Binary(1, found) if len(found) == 2 else Multiclass(len(found), found)


def regression_head(y: Any, texts: list[str], *, owner: str) -> Regression:
    """Return the head that learns numbers.

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
    head : Regression

    Raises
    ------
    ValueError
        If `y` does not hold one row of finite numbers for each text, or if they are too large to be scored.
    """
    check_targets(y, owner, "y")
    check_consistent_length(texts, y)
    values = as_matrix(y, owner, "y")
    largest = np.abs(values).max()
    if largest > MAX_NUMBER:
        raise ValueError(
            f"y of {owner}.fit must hold numbers of at most {MAX_NUMBER:g}, whose squares are finite. Got "
            f"numbers of up to {largest:g}. Divide y by a constant, for example numpy.divide(y, {largest:g})."
        )
    is_constant = values.min(axis=0) == values.max(axis=0)
    mean = np.where(is_constant, values[0], values.mean(axis=0))
    magnitude = np.abs(values).max(axis=0)
    unit = np.exp2(np.floor(np.log2(np.where(magnitude > 0, magnitude, 1.0))))
    spread = unit * (values / unit).std(axis=0)  # without the unit, squares of tiny numbers would be 0
    scale = np.where(is_constant | (spread == 0), 1.0, spread)
    return Regression(values.shape[1], mean, scale, one_column=np.asarray(y).ndim == 1)


def head_for(y: Any, texts: list[str], *, owner: str) -> Head:
    """Return the head that learns targets of any kind, labels or numbers.

    The parameters are those of :func:`classification_head`.
    """
    check_labels(y, owner, "y")
    kind = type_of_target(y, input_name="y")  # "unknown" for objects such as Decimal
    return (classification_head if kind in CLASSIFICATION else regression_head)(y, texts, owner=owner)
