"""AttentionDisplay: which source tokens the decoder attends to."""

from __future__ import annotations

from typing import Any

import numpy as np

from skrnn.inspection.axes import Display, as_labels, drawable, label_ticks
from skrnn.inspection.occlusion import check_text


class AttentionDisplay(Display):
    """Heat map of the attention between a source text and a target text.

    It shows which source tokens the decoder of :class:`skrnn.RNNTextSeq2Seq`
    attends to at each step. Create it with :meth:`from_estimator`.

    Parameters
    ----------
    source : list of str
        Tokens of the source text.
    target : list of str
        Tokens of the target text.
    weights : array-like of shape (len(target) + 1, len(source))
        Attention weights between 0 and 1. Each row belongs to one target
        token, and the last row to the end of the text.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the heat map.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> from skrnn.displays import AttentionDisplay
    >>> weights = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]
    >>> AttentionDisplay(["ein", "Wort"], ["a", "word"], weights).weights.shape
    (3, 2)
    """

    def __init__(self, source: list[str], target: list[str], weights: Any) -> None:
        self.source = source
        self.target = target
        self.weights = np.asarray(weights)

    @classmethod
    def from_estimator(
        cls, estimator: Any, text: str, target: str | None = None, *, ax: Any = None
    ) -> AttentionDisplay:
        """Compute the attention weights of one text and plot them.

        Parameters
        ----------
        estimator : fitted RNNTextSeq2Seq
            Estimator that was fitted with attention.
        text : str
            Source text.
        target : str, default=None
            Target text. None uses the text that the estimator predicts.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : AttentionDisplay
            Display with the plot.

        Raises
        ------
        AttributeError
            If the estimator was fitted without attention.
        TypeError
            If `text` is not a str.
        ImportError
            If matplotlib is not installed.
        """
        check_text(text, f"{cls.__name__}.from_estimator")
        ((source, written, weights),) = estimator.alignments([text], None if target is None else [target])
        return cls(source, written, weights).plot(ax)

    def plot(self, ax: Any = None, *, cmap: Any = "Greys") -> AttentionDisplay:
        """Draw the heat map: a row per target token, a column per source token.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        cmap : str or Colormap, default="Greys"
            Colour map for weights from 0 to 1.

        Returns
        -------
        self : AttentionDisplay
            This display, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_rows, n_columns = self.weights.shape
        figsize = (min(14.0, 2.5 + 0.28 * n_columns), min(14.0, 1.8 + 0.26 * n_rows))
        ax = self._set_axes(ax, figsize)
        image = ax.imshow(self.weights, cmap=cmap, vmin=0, vmax=1, aspect="auto")
        ax.figure.colorbar(image, ax=ax, label="attention")
        labels, families = drawable(as_labels([*self.source, *self.target, "(end)"]))
        label_ticks(ax.xaxis, labels[:n_columns], families)
        label_ticks(ax.yaxis, labels[n_columns:], families)
        if max(map(len, self.source)) > 2:  # horizontal words would overlap
            ax.tick_params(axis="x", rotation=90)
        ax.set(xlabel="source", ylabel="target")
        return self
