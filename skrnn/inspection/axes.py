"""Axes, colours, fonts and tick labels that the displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BLUE, ORANGE, GREY = "tab:blue", "tab:orange", "0.4"  # distinguishable with red-green colour blindness
MAX_LABEL_LENGTH = 24  # characters of a tick label
# matplotlib's default font lacks many scripts. These fonts cover them, and are tried after the user's
# fonts if they are installed.
FALLBACK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "PingFang SC", "Hiragino Sans"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Zen Hei", "Arial Unicode MS"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Emoji"),
)
_VISIBLE = str.maketrans({" ": "\u2423", "\n": "\\n", "\t": "\\t"})


class Display:
    """Base class of the displays: it provides the axes to draw on."""

    ax_: Any
    figure_: Any

    def _set_axes(self, ax: Any, figsize: tuple[float, float]) -> Any:
        """Set `ax_` and `figure_`, and return the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None
            Axes to draw on. None creates a new figure.
        figsize : (float, float)
            Width and height of a new figure, in inches.

        Returns
        -------
        ax : matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib cannot be imported.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot needs matplotlib, which cannot be imported. Install it with "
                "pip install matplotlib. The attributes of the display hold its data without matplotlib.",
                name=error.name,
            ) from error
        if ax is None:
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


def label_ticks(axis: Any, tokens: Sequence[str]) -> None:
    """Label the ticks of an axis with tokens.

    White space becomes visible, long tokens are shortened, and a dollar sign
    does not start a formula.

    Parameters
    ----------
    axis : matplotlib Axis
        For example ``ax.xaxis``.
    tokens : sequence of str
        Labels of the ticks 0, 1, 2 and so on.
    """
    labels = [token.translate(_VISIBLE) for token in tokens]
    labels = [
        label if len(label) <= MAX_LABEL_LENGTH else label[: MAX_LABEL_LENGTH - 1] + "\u2026"
        for label in labels
    ]
    axis.set_ticks(range(len(labels)), labels, parse_math=False, fontfamily=font_families())


def font_families() -> list[str]:
    """Return the user's fonts, followed by the installed fallback fonts.

    matplotlib searches them in this order for each character.
    """
    from matplotlib import font_manager, rcParams

    installed = set(font_manager.get_font_names())
    return [*rcParams["font.family"], *(name for name in FALLBACK_FONTS if name in installed)]
