"""TrainingCurveDisplay: loss and score of each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.inspection.axes import BLUE, GREY, ORANGE, Display

MAX_MARKERS = 30  # epochs up to which each point has a marker


class TrainingCurveDisplay(Display):
    """Plot of the loss and the score of each epoch.

    It shows whether training has converged and whether the model overfits.
    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    history : dict of str to list of float
        One value per epoch: "loss" and, with held-out texts, "val_loss" and
        "val_score". The attribute `history_` of a fitted estimator has this
        form.
    estimator_name : str, default=None
        Title of the plot.
    by_score : bool, default=False
        Whether training kept the weights with the highest score instead of
        the lowest validation loss, as with ``early_stopping="score"``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    score_ax_ : matplotlib Axes or None
        Axes with the score on the held-out set, whose scale is on the right.
        None without held-out texts.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    best_epoch_ : int or None
        Epoch whose weights were kept, counted from 1: the one with the lowest
        validation loss, or with the highest score if `by_score` is True. None
        without held-out texts.

    Examples
    --------
    >>> from skrnn.displays import TrainingCurveDisplay
    >>> history = {"loss": [0.7, 0.5], "val_loss": [0.6, 0.7], "val_score": [0.5, 0.6]}
    >>> display = TrainingCurveDisplay(history)
    >>> display.best_epoch_
    1
    """

    score_ax_: Any

    def __init__(
        self,
        history: dict[str, list[float]],
        *,
        estimator_name: str | None = None,
        by_score: bool = False,
    ) -> None:
        self.history = history
        self.estimator_name = estimator_name
        self.by_score = by_score
        self.best_epoch_ = None
        if history.get("val_loss"):
            values = np.array(history["val_score"]) if by_score else -np.array(history["val_loss"])
            self.best_epoch_ = int(np.where(np.isnan(values), -np.inf, values).argmax()) + 1

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> TrainingCurveDisplay:
        """Plot the training history of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of skrnn
            Estimator with the attribute `history_`. For a pipeline, pass its
            last step: ``pipeline[-1]``.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : TrainingCurveDisplay
            Display with the plot.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no attribute `history_`.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                "estimator of TrainingCurveDisplay.from_estimator must have the attribute history_, as the "
                f"estimators of skrnn do. Got {type(estimator).__name__} instead. For a pipeline, pass its "
                "last step: pipeline[-1]."
            )
        by_score = getattr(estimator, "early_stopping", False) == "score"
        name = type(estimator).__name__
        return cls(dict(estimator.history_), estimator_name=name, by_score=by_score).plot(ax)

    def plot(self, ax: Any = None) -> TrainingCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        self : TrainingCurveDisplay
            This display, with `ax_`, `score_ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._set_axes(ax, (6.4, 4))
        epochs = np.arange(1, len(self.history["loss"]) + 1)
        style = {"marker": "o" if len(epochs) <= MAX_MARKERS else None, "ms": 4}
        lines = ax.plot(epochs, self.history["loss"], color=BLUE, label="training loss", **style)
        if self.best_epoch_ is not None:
            losses = self.history["val_loss"]
            lines += ax.plot(epochs, losses, color=ORANGE, label="validation loss", **style)
            label = "highest validation score" if self.by_score else "lowest validation loss"
            lines.append(ax.axvline(self.best_epoch_, color=GREY, ls=":", label=label))
        self.score_ax_ = None
        if self.history.get("val_score"):
            self.score_ax_ = ax.twinx()
            lines += self.score_ax_.plot(
                epochs,
                self.history["val_score"],
                color="tab:purple",
                ls="--",
                label="validation score",
                **style,
            )
            self.score_ax_.set_ylabel("score")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="epoch", ylabel="loss", title=self.estimator_name)
        # Below the axes, the legend hides no curve.
        ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
        return self
