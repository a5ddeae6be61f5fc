"""TokenImportanceDisplay: how much each token contributes to a prediction."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from skrnn.inspection.axes import BLUE, GREY, ORANGE, Display, as_labels, drawable, label_ticks
from skrnn.inspection.occlusion import occlude, value_name


class TokenImportanceDisplay(Display):
    """Plot of how much each token of a text contributes to a prediction.

    Each token is hidden once, and its importance is how far the predicted
    value falls: the probability of a class, or the number that a regressor
    predicts. This works for every classifier or regressor that takes
    texts, including pipelines with TfidfVectorizer. Create it with
    :meth:`from_estimator`, which predicts one text per token.

    Parameters
    ----------
    tokens : list of str
        Tokens of the text, in order.
    importances : array-like of shape (n_tokens,)
        Decrease of the value when the token is hidden. Negative if the value
        increases.
    value : float
        Value that the estimator predicts for the whole text.
    target_name : str, default=None
        Class or output that the value belongs to.
    value_name : str, default="value"
        What the value is, for the labels: for example "probability".
    text : str, default=None
        The whole text, which notebooks show with coloured tokens. None joins
        the tokens with spaces.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that contains the axes.

    See Also
    --------
    skrnn.inspection.occlude : Compute the importances without a plot.

    Notes
    -----
    Hiding one part of the input at a time is called occlusion [1]_; [2]_
    applies it to words. It uses only predictions, so it needs no access to
    the model. It misses effects that two tokens have only together.

    References
    ----------
    .. [1] Zeiler, M. D. and Fergus, R. (2014). Visualizing and Understanding
           Convolutional Networks. ECCV.
    .. [2] Li, J., Monroe, W. and Jurafsky, D. (2016). Understanding Neural
           Networks through Representation Erasure. arXiv:1612.08220.

    Examples
    --------
    >>> from skrnn.displays import TokenImportanceDisplay
    >>> TokenImportanceDisplay(["good", "film"], [0.3, 0.0], value=0.3, target_name="pos").tokens
    ['good', 'film']
    """

    def __init__(
        self,
        tokens: list[str],
        importances: Any,
        *,
        value: float,
        target_name: str | None = None,
        value_name: str = "value",
        text: str | None = None,
    ) -> None:
        self.tokens = tokens
        self.importances = np.asarray(importances)
        self.value = value
        self.target_name = target_name
        self.value_name = value_name
        self.text = text

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        text: str,
        *,
        target: Any = None,
        hide: str = "remove",
        token_pattern: str | None = None,
        response_method: str = "auto",
        max_tokens: int = 30,
        ax: Any = None,
    ) -> TokenImportanceDisplay:
        """Compute the importance of each token of a text and plot it.

        Parameters
        ----------
        estimator : fitted classifier or regressor
            Estimator of skrnn or of another library that takes a list of
            str.
        text : str
            One text.
        target : label or int, default=None
            For a classifier, one of its classes; with an indicator matrix, a
            column. None selects the predicted class. For a regressor with
            several outputs, the index of a column; None selects the first.
        hide : {"remove", "unknown"}, default="remove"
            "remove" deletes a token from the text. "unknown" replaces it by
            an out-of-vocabulary word.
        token_pattern : str, default=None
            Regular expression that matches a token. None uses
            `token_pattern` of the estimator or, without one, words and
            punctuation marks. ``"."`` hides single characters.
        response_method : {"auto", "predict_proba", "decision_function"}, \
                default="auto"
            Method of a classifier whose output is the value. "auto" is
            `predict_proba` if the estimator has it. If the probability is
            close to 1, "decision_function" shows more.
        max_tokens : int, default=30
            Maximum number of bars. The tokens with the largest absolute
            importance are drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : TokenImportanceDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If `text` is not a str.
        ValueError
            If `text` contains no token, `hide` is not a valid option or
            `target` is not one of the classes.
        IndexError
            If `target` is not a column of the regressor's output.
        ImportError
            If matplotlib is not installed.
        """
        tokens, importances, value, name = occlude(
            estimator,
            text,
            target=target,
            hide=hide,
            token_pattern=token_pattern,
            response_method=response_method,
        )
        kind = value_name(estimator, response_method)
        display = cls(tokens, importances, value=value, target_name=name, value_name=kind, text=text)
        return display.plot(ax, max_tokens=max_tokens)

    def plot(self, ax: Any = None, *, max_tokens: int = 30) -> TokenImportanceDisplay:
        """Draw one bar per token, in the order of the text from top to bottom.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        max_tokens : int, default=30
            Maximum number of bars. The tokens with the largest absolute
            importance are drawn.

        Returns
        -------
        self : TokenImportanceDisplay
            This display, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        drawn = np.sort(np.argsort(-np.abs(self.importances), kind="stable")[:max_tokens])
        values, positions = self.importances[drawn], np.arange(len(drawn))
        ax = self._set_axes(ax, (6.4, 1.2 + 0.24 * len(drawn)))
        ax.barh(positions, values, color=np.where(values >= 0, BLUE, ORANGE))
        ax.axvline(0, color=GREY, lw=0.8)
        (title, *labels), families = drawable([self._title(), *as_labels([self.tokens[i] for i in drawn])])
        label_ticks(ax.yaxis, labels, families)
        ax.set_ylim(len(drawn) - 0.5, -0.5)
        n_omitted = len(self.tokens) - len(drawn)
        ax.set_xlabel(
            f"decrease of the {self.value_name} without the token"
            + (f" (tokens not shown: {n_omitted})" if n_omitted else "")
        )
        ax.set_title(title, parse_math=False, fontfamily=families)
        return self

    def _title(self) -> str:
        number = f"{self.value_name} {self.value:.3g}"
        return f"{self.target_name}: {number}" if self.target_name else number

    def _repr_html_(self) -> str:
        """Return the text as HTML: blue tokens raise the value, orange tokens lower it.

        The strongest colour is that of the largest absolute importance. The
        number appears when the mouse is on a token.
        """
        text = " ".join(self.tokens) if self.text is None else self.text
        largest = np.abs(self.importances).max(initial=0) or 1.0
        parts, end = [], 0
        for token, importance in zip(self.tokens, self.importances, strict=True):
            start = text.index(token, end)
            colour = "31, 119, 180" if importance >= 0 else "255, 127, 14"  # tab:blue and tab:orange
            style = f"background: rgba({colour}, {0.75 * abs(importance) / largest:.2f})"
            parts.append(escape(text[end:start]))
            parts.append(f'<span style="{style}" title="{importance:.3g}">{escape(token)}</span>')
            end = start + len(token)
        parts.append(escape(text[end:]))
        line = f'<div style="white-space: pre-wrap">{"".join(parts)}</div>'
        return f"<div><div><b>{escape(self._title())}</b></div>{line}</div>"
