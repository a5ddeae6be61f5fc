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
        Epoch with the lowest validation loss, counted from 1, or None
        without held-out texts. The estimator keeps the weights of this
        epoch, unless `early_stopping="score"` selects the epoch with the
        highest score.

    Examples
    --------
    >>> from skrnn.displays import TrainingCurveDisplay
    >>> history = {"loss": [0.7, 0.5], "val_loss": [0.6, 0.7], "val_score": [0.5, 0.6]}
    >>> display = TrainingCurveDisplay(history)
    >>> display.best_epoch_
    1
    """

    score_ax_: Any

    def __init__(self, history: dict[str, list[float]], *, estimator_name: str | None = None) -> None:
        self.history = history
        self.estimator_name = estimator_name
        validation_losses = history.get("val_loss")
        self.best_epoch_ = int(np.argmin(validation_losses)) + 1 if validation_losses else None

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
        return cls(dict(estimator.history_), estimator_name=type(estimator).__name__).plot(ax)

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
            lines.append(ax.axvline(self.best_epoch_, color=GREY, ls=":", label="lowest validation loss"))
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
