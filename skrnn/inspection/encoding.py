"""EncodingDisplay: encoded texts as points in a plane."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from skrnn.inspection.axes import Display, drawable

MAX_GROUPS = 20  # numeric labels with more distinct values get a colour bar instead of a legend


class EncodingDisplay(Display):
    """Scatter plot of texts, their encodings projected to two dimensions.

    It shows which texts the encoder places close together. Create it with
    :meth:`from_estimator`.

    Parameters
    ----------
    points : array-like of shape (n_samples, 2)
        Projected encodings.
    labels : array-like of shape (n_samples,), default=None
        Labels that determine the colours. Numbers with more than 20 distinct
        values are drawn with a colour bar, all other labels with a legend.
    projection_name : str, default="PCA"
        Name of the projection, for the axis labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    Examples
    --------
    >>> from skrnn.displays import EncodingDisplay
    >>> EncodingDisplay([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]).points.shape
    (2, 2)
    """

    MARKERS: ClassVar = "osD^vP*X<>"  # with ten colours, 100 groups are distinguishable

    def __init__(self, points: Any, labels: Any = None, *, projection_name: str = "PCA") -> None:
        self.points = np.asarray(points)
        self.labels = None if labels is None else np.asarray(labels)
        self.projection_name = projection_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, projection: Any = None, ax: Any = None
    ) -> EncodingDisplay:
        """Encode texts, project the encodings to two dimensions and plot them.

        Parameters
        ----------
        estimator : fitted estimator with `transform`
            For example RNNTextEncoder or RNNTextClassifier.
        X : iterable of str of length n_samples
            Texts.
        y : array-like of shape (n_samples,), default=None
            Labels that determine the colours.
        projection : transformer, default=None
            Transformer with two output columns, for example ``TSNE()``. A
            clone of it is fitted to the encodings. None uses PCA.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : EncodingDisplay
            Display with the plot.

        Raises
        ------
        ValueError
            If there are fewer than two texts, the encodings have fewer than
            two columns, the projection does not return two columns or the
            length of `y` differs from that of `X`.
        ImportError
            If matplotlib is not installed.
        """
        from sklearn.decomposition import PCA  # a slow import that only this method needs

        vectors = np.asarray(estimator.transform(X))
        if y is not None and np.shape(y) != (len(vectors),):
            raise ValueError(
                f"y of {cls.__name__}.from_estimator must have shape ({len(vectors)},), one label per text. "
                f"Got shape {np.shape(y)} instead."
            )
        if len(vectors) < 2 or vectors.shape[1] < 2:
            raise ValueError(
                f"{cls.__name__}.from_estimator needs at least two texts and encodings with at least two "
                f"columns. Got encodings of shape {vectors.shape} instead."
            )
        projection = PCA(2) if projection is None else clone(projection)
        points = np.asarray(projection.fit_transform(vectors))
        if points.shape != (len(vectors), 2):
            raise ValueError(
                f"projection of {cls.__name__}.from_estimator must return two columns. Got shape "
                f"{points.shape} instead; set n_components=2."
            )
        return cls(points, y, projection_name=type(projection).__name__).plot(ax)

    def plot(self, ax: Any = None, **scatter_kw: Any) -> EncodingDisplay:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        **scatter_kw : dict
            Keyword arguments for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        self : EncodingDisplay
            This display, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._set_axes(ax, (6.4, 4.8))
        style = {"s": 18, "alpha": 0.8, "linewidths": 0} | scatter_kw
        x, y = self.points.T
        if self.labels is None:
            ax.scatter(x, y, **style)
        elif self.labels.dtype.kind in "iuf" and len(np.unique(self.labels)) > MAX_GROUPS:
            ax.figure.colorbar(ax.scatter(x, y, c=self.labels, **style), ax=ax)
        else:
            self._plot_groups(ax, self.labels, style)
        ax.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        return self

    def _plot_groups(self, ax: Any, labels: np.ndarray, style: dict[str, Any]) -> None:
        """Draw the points of each label in one colour and marker, with a legend."""
        x, y = self.points.T
        groups = np.unique(labels)
        names, families = drawable([f"{group}" for group in groups])
        for i, group in enumerate(groups):
            rows = labels == group
            marker = self.MARKERS[i // 10 % len(self.MARKERS)]
            ax.scatter(x[rows], y[rows], color=f"C{i % 10}", marker=marker, label=names[i], **style)
        n_columns = 1 + (len(groups) - 1) // 25
        # Beside the axes, the legend hides no point.
        legend = ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, ncols=n_columns)
        for entry in legend.get_texts():
            entry.set(parse_math=False, fontfamily=families)
