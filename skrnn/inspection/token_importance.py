"""Pictures of fitted estimators, in scikit-learn's manner: a display holds data, `plot` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.inspection.occlusion import check_text, occlude

MOST_LABELS = 20  # numbers of more different values are a scale, not names of groups
# Fonts of wide coverage, tried after the user's own where they are installed; matplotlib's own lacks the
# scripts of East Asia.
FALLBACK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "PingFang SC", "Hiragino Sans"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Zen Hei", "Arial Unicode MS"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Emoji"),
)
GAIN, LOSS, NEUTRAL = "tab:blue", "tab:orange", "0.4"  # told apart without red and green


class _Display:
    """What the displays share: axes to draw on."""

    ax_: Any
    figure_: Any

    def _axes(self, ax: Any, figsize: tuple[float, float]) -> Any:
        """Return the axes to draw on, new ones for None, and remember them."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot needs matplotlib, which cannot be imported. Install it: pip "
                "install 'skrnn[plot]'. The data of the display are there without.",
                name=error.name,
            ) from error
        if ax is None:
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


class TrainingCurveDisplay(_Display):
    """Loss and score of each epoch of a fit.

    Parameters
    ----------
    history : dict of str to list of float
        Values by epoch: "loss" and, with held-out texts, "val_loss" and "val_score"; as `history_`.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The losses.
    score_ax_ : matplotlib Axes or None
        The score of the held-out texts, with a scale of its own on the right.
    figure_ : matplotlib Figure
        The figure of both.
    best_epoch_ : int or None
        The epoch, counted from 1, of the least validation loss: the weights that were kept.

    Examples
    --------
    >>> from skrnn.displays import TrainingCurveDisplay
    >>> display = TrainingCurveDisplay({"loss": [0.7, 0.5], "val_loss": [0.6, 0.7], "val_score": [0.5, 0.6]})
    >>> display.best_epoch_
    1
    """

    score_ax_: Any

    def __init__(self, history: dict[str, list[float]], *, estimator_name: str | None = None) -> None:
        self.history = history
        self.estimator_name = estimator_name
        validation = history.get("val_loss")
        self.best_epoch_ = int(np.argmin(validation)) + 1 if validation else None

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> TrainingCurveDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package
            What has `history_`; of a pipeline give the step.
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If it keeps no history.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                "TrainingCurveDisplay.from_estimator needs an estimator that has history_, as those of skrnn "
                f"do. Got {type(estimator).__name__}; of a pipeline pass the step: pipeline[-1]."
            )
        return cls(dict(estimator.history_), estimator_name=type(estimator).__name__).plot(ax)

    def plot(self, ax: Any = None) -> TrainingCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.

        Returns
        -------
        self : TrainingCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = self._axes(ax, (6.4, 4))
        epochs = np.arange(1, len(self.history["loss"]) + 1)
        marker = "o" if len(epochs) <= 30 else None
        lines = ax.plot(epochs, self.history["loss"], color=GAIN, marker=marker, ms=4, label="training loss")
        if self.best_epoch_ is not None:
            held_out = self.history["val_loss"]
            lines += ax.plot(epochs, held_out, color=LOSS, marker=marker, ms=4, label="validation loss")
            lines.append(ax.axvline(self.best_epoch_, color=NEUTRAL, ls=":", label="weights kept"))
        self.score_ax_ = None
        if self.history.get("val_score"):
            self.score_ax_ = ax.twinx()
            scores = self.history["val_score"]
            lines += self.score_ax_.plot(
                epochs, scores, color="tab:purple", ls="--", marker=marker, ms=4, label="validation score"
            )
            self.score_ax_.set_ylabel("score")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="epoch", ylabel="loss", title=self.estimator_name)
        # Below the axes no curve is hidden by it.
        ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
        return self


class TokenImportanceDisplay(_Display):
    """What each token of a text does for the answer, by leaving it out.

    Parameters
    ----------
    tokens : list of str
        Tokens of the text, in its order.
    importances : array-like of shape (n_tokens,)
        How far the value falls when that token is hidden; negative where it rises.
    value : float
        The value of the whole text.
    target_name : str, default=None
        What the value is that of: a label, or an output.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The bars.
    figure_ : matplotlib Figure
        Their figure.

    Notes
    -----
    Hiding one part of the input after the other, and looking at what happens, is occlusion (Zeiler & Fergus
    2014; for words, Li, Monroe & Jurafsky 2016). It asks nothing of the estimator but its answers, so that
    pipelines with TF-IDF are explained in the same way. What two tokens do only together it does not see.

    See Also
    --------
    skrnn.inspection.occlusion.occlude : The numbers without the picture.

    Examples
    --------
    >>> from skrnn.displays import TokenImportanceDisplay
    >>> TokenImportanceDisplay(["good", "film"], [0.3, 0.0], value=0.3, target_name="pos").tokens
    ['good', 'film']
    """

    def __init__(
        self, tokens: list[str], importances: Any, *, value: float, target_name: str | None = None
    ) -> None:
        self.tokens = tokens
        self.importances = np.asarray(importances)
        self.value = value
        self.target_name = target_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        text: str,
        *,
        target: Any = None,
        hide: str = "remove",
        token_pattern: str | None = None,
        max_tokens: int = 30,
        ax: Any = None,
    ) -> TokenImportanceDisplay:
        """Hide each token of a text once and draw what that changes.

        Parameters
        ----------
        estimator : fitted classifier or regressor of texts
            Of this package or any other that takes a list of str.
        text : str
            One text.
        target : label or int, default=None
            The label (of an indicator matrix: the column) or, of a regressor of more than one number, the
            column. None for the label that is predicted, and for the first column.
        hide : {"remove", "unknown"}, default="remove"
            Whether a token is cut out or another, unknown one put in its place.
        token_pattern : str, default=None
            Regular expression of a token; None for the estimator's own, or words and punctuation. ``"."``
            hides single characters.
        max_tokens : int, default=30
            The most tokens that are drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.

        Returns
        -------
        display : TokenImportanceDisplay

        Raises
        ------
        TypeError, ValueError
            If the text is no str or has no token, or the target is none of the estimator's.
        """
        tokens, importances, value, name = occlude(
            estimator, text, target=target, hide=hide, token_pattern=token_pattern
        )
        display = cls(tokens, importances, value=value, target_name=name)
        return display.plot(ax, max_tokens=max_tokens)

    def plot(self, ax: Any = None, *, max_tokens: int = 30) -> TokenImportanceDisplay:
        """Draw a bar a token, from the top in the order of the text.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.
        max_tokens : int, default=30
            The most tokens that are drawn: those of the largest bars.

        Returns
        -------
        self : TokenImportanceDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        drawn = np.sort(np.argsort(-np.abs(self.importances), kind="stable")[:max_tokens])
        values, places = self.importances[drawn], np.arange(len(drawn))
        ax = self._axes(ax, (6.4, 1.2 + 0.24 * len(drawn)))
        ax.barh(places, values, color=np.where(values >= 0, GAIN, LOSS))
        ax.axvline(0, color=NEUTRAL, lw=0.8)
        _name_ticks(ax.yaxis, [self.tokens[i] for i in drawn])
        ax.set_ylim(len(drawn) - 0.5, -0.5)
        left = len(self.tokens) - len(drawn)
        ax.set_xlabel("fall of the value without it" + (f" ({left} more tokens)" if left else ""))
        title = f"{self.target_name}: {self.value:.3g}" if self.target_name else f"{self.value:.3g}"
        ax.set_title(title, parse_math=False, fontfamily=_families())
        return self


class AttentionDisplay(_Display):
    """Where the decoder of a text to text model looks as it writes.

    Parameters
    ----------
    source : list of str
        Tokens that are read.
    target : list of str
        Tokens that are written.
    weights : array-like of shape (len(target) + 1, len(source))
        Attention: a row for each token that is written and one for the end.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The map.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from skrnn.displays import AttentionDisplay
    >>> AttentionDisplay(["ein", "Wort"], ["a", "word"], [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]).weights.shape
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
        """Draw the attention of one text.

        Parameters
        ----------
        estimator : fitted RNNTextSeq2Seq
            With attention.
        text : str
            What is read.
        target : str, default=None
            What is written; None for what the estimator writes.
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.

        Returns
        -------
        display : AttentionDisplay

        Raises
        ------
        AttributeError
            If the estimator has no attention.
        TypeError
            If the text is no str.
        """
        check_text(text, cls.__name__)
        ((read, written, weights),) = estimator.attend([text], None if target is None else [target])
        return cls(read, written, weights).plot(ax)

    def plot(self, ax: Any = None, *, cmap: Any = "Greys") -> AttentionDisplay:
        """Draw a map: a row for each token that is written, a column for each that is read.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.
        cmap : str or Colormap, default="Greys"
            Colours from 0 to 1.

        Returns
        -------
        self : AttentionDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        n_rows, n_columns = self.weights.shape
        size = (min(14.0, 2.5 + 0.28 * n_columns), min(14.0, 1.8 + 0.26 * n_rows))
        ax = self._axes(ax, size)
        image = ax.imshow(self.weights, cmap=cmap, vmin=0, vmax=1, aspect="auto")
        ax.figure.colorbar(image, ax=ax, label="attention")
        _name_ticks(ax.xaxis, self.source)
        _name_ticks(ax.yaxis, [*self.target, "(end)"])
        if max(map(len, self.source)) > 2:  # words would run into each other
            ax.tick_params(axis="x", rotation=90)
        ax.set(xlabel="read", ylabel="written")
        return self


class EncodingDisplay(_Display):
    """Texts as points: their encodings projected to two dimensions.

    Parameters
    ----------
    points : array-like of shape (n_samples, 2)
        Projected encodings.
    labels : array-like of shape (n_samples,), default=None
        What colours the points: names of groups, or numbers, which a scale explains where they are of more
        than 20 different values.
    projection_name : str, default="PCA"
        What has projected them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The points.
    figure_ : matplotlib Figure
        Their figure.

    Examples
    --------
    >>> from skrnn.displays import EncodingDisplay
    >>> EncodingDisplay([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]).points.shape
    (2, 2)
    """

    MARKERS: ClassVar = "osD^vP*X<>"  # with ten colours, a hundred groups differ

    def __init__(self, points: Any, labels: Any = None, *, projection_name: str = "PCA") -> None:
        self.points = np.asarray(points)
        self.labels = None if labels is None else np.asarray(labels)
        self.projection_name = projection_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, projection: Any = None, ax: Any = None
    ) -> EncodingDisplay:
        """Encode texts, project the vectors and draw them.

        Parameters
        ----------
        estimator : fitted estimator with `transform`
            Such as RNNTextEncoder or RNNTextClassifier.
        X : iterable of str of length n_samples
            Texts.
        y : array-like of shape (n_samples,), default=None
            What colours the points.
        projection : transformer to two columns, default=None
            Such as ``TSNE()``; `fit_transform` is called on a clone. None for PCA.
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.

        Returns
        -------
        display : EncodingDisplay

        Raises
        ------
        ValueError
            If there are fewer than two texts, the projection gives another number of columns than 2, or y
            is of another length than X.
        """
        from sklearn.base import clone
        from sklearn.decomposition import PCA

        vectors = np.asarray(estimator.transform(X))
        if y is not None and np.shape(y) != (len(vectors),):
            raise ValueError(
                f"y of {cls.__name__}.from_estimator must have shape ({len(vectors)},), one label a text. "
                f"Got shape {np.shape(y)} instead."
            )
        if len(vectors) < 2 or vectors.shape[1] < 2:
            raise ValueError(
                f"{cls.__name__}.from_estimator needs two texts or more and vectors of two columns or more. "
                f"Got vectors of shape {vectors.shape}."
            )
        projection = PCA(2) if projection is None else clone(projection)
        points = np.asarray(projection.fit_transform(vectors))
        if points.shape != (len(vectors), 2):
            raise ValueError(
                f"projection of {cls.__name__}.from_estimator must give two columns. Got shape "
                f"{points.shape} instead; set n_components=2."
            )
        return cls(points, y, projection_name=type(projection).__name__).plot(ax)

    def plot(self, ax: Any = None, **scatter_kw: Any) -> EncodingDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None for new ones.
        **scatter_kw : dict
            Passed on to `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        self : EncodingDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = self._axes(ax, (6.4, 4.8))
        style = {"s": 18, "alpha": 0.8, "linewidths": 0} | scatter_kw
        x, y = self.points.T
        if self.labels is None:
            ax.scatter(x, y, **style)
        elif self.labels.dtype.kind in "iuf" and len(np.unique(self.labels)) > MOST_LABELS:
            ax.figure.colorbar(ax.scatter(x, y, c=self.labels, **style), ax=ax)
        else:
            groups = np.unique(self.labels.astype(object) if self.labels.dtype.kind == "O" else self.labels)
            for i, group in enumerate(groups):
                rows = self.labels == group
                marker = self.MARKERS[i // 10 % len(self.MARKERS)]
                ax.scatter(x[rows], y[rows], color=f"C{i % 10}", marker=marker, label=f"{group}", **style)
            # Beside the axes it hides no point.
            legend = ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, ncols=1 + i // 25)
            for entry in legend.get_texts():
                entry.set(parse_math=False, fontfamily=_families())
        ax.set(xlabel=f"{self.projection_name} 1", ylabel=f"{self.projection_name} 2")
        return self


def _name_ticks(axis: Any, tokens: Sequence[str]) -> None:
    """Write a token at each tick: blanks made visible, long ones cut, dollars no mathematics."""
    marks = {" ": "\u2423", "\n": "\\n", "\t": "\\t"}
    names = ["".join(marks.get(letter, letter) for letter in token) for token in tokens]
    names = [name if len(name) <= 24 else name[:23] + "\u2026" for name in names]
    axis.set_ticks(range(len(names)), names, parse_math=False, fontfamily=_families())


def _families() -> list[str]:
    """Return the fonts to look a glyph up in: the user's, then installed ones of wide coverage."""
    from matplotlib import font_manager, rcParams

    installed = set(font_manager.get_font_names())
    return [*rcParams["font.family"], *(name for name in FALLBACK_FONTS if name in installed)]
