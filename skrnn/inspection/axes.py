"""Axes, colours, fonts and tick labels that the displays share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from unicodedata import category

BLUE, ORANGE, GREY = "tab:blue", "tab:orange", "0.4"  # distinguishable with red-green colour blindness
MAX_LABEL_LENGTH = 24  # characters of a tick label
# Fonts of formulas, and fonts that draw every character as a box.
NO_TEXT_FONTS = ("cm", "STIXNon", "STIXSize", "Last Resort", "LastResort", ".LastResort")
BOX = "\u25a1"  # stands for a character that no font has
# matplotlib's default font lacks many scripts. Of the installed fonts, these are tried first.
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


def label_ticks(axis: Any, labels: Sequence[str], families: list[str]) -> None:
    """Label the ticks of an axis with labels and fonts from `drawable`.

    A dollar sign does not start a formula.

    Parameters
    ----------
    axis : matplotlib Axis
        For example ``ax.xaxis``.
    labels : sequence of str
        Labels of the ticks 0, 1, 2 and so on.
    families : list of str
        Font families.
    """
    axis.set_ticks(range(len(labels)), labels, parse_math=False, fontfamily=families)


def as_labels(tokens: Sequence[str]) -> list[str]:
    """Return tokens with visible white space, the long ones shortened."""
    labels = [token.translate(_VISIBLE) for token in tokens]
    return [
        label if len(label) <= MAX_LABEL_LENGTH else label[: MAX_LABEL_LENGTH - 1] + "\u2026"
        for label in labels
    ]


def drawable(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return labels and the fonts that have their characters.

    matplotlib searches the fonts in their order for each character. Further
    fonts follow those of the user if these lack a character. A character that
    no installed font has is replaced by a box, and one warning says so. Call
    it once for a plot, with all its texts.

    Parameters
    ----------
    labels : sequence of str
        Texts to draw.

    Returns
    -------
    labels : list of str
    families : list of str
        For `fontfamily`.
    """
    from matplotlib import rcParams

    families = list(rcParams["font.family"])
    missing = {c for label in labels for c in label if c.isprintable() or category(c) == "Cf"}
    missing = missing.difference(*map(_characters, _files_of(families)))
    for name, path in _installed_fonts():
        if not missing:
            break
        found = missing & _characters(path)
        if found:
            families.append(name)
            missing -= found
    table = {ord(c): "" if category(c) in ("Cf", "Mn") else BOX for c in missing}
    boxes = sorted(chr(c) for c, box in table.items() if box)
    if boxes:
        warnings.warn(
            f"No installed font has {len(boxes)} of the characters: {''.join(boxes[:20])}. They are drawn as "
            "boxes. Install a font that has them, for example Noto Sans CJK, and delete the font cache of "
            "matplotlib in matplotlib.get_cachedir(); or add one with "
            "matplotlib.font_manager.fontManager.addfont(path).",
            UserWarning,
            stacklevel=3,
        )
    return [label.translate(table) for label in labels], families


def _files_of(families: Iterable[str]) -> list[str]:
    """Return the files of font families."""
    from matplotlib import font_manager

    files = []
    for family in families:
        try:
            properties = font_manager.FontProperties(family=[family])  # a str would be a pattern
            files.append(str(font_manager.findfont(properties, fallback_to_default=False)))
        except ValueError:  # the font is not installed, and matplotlib skips it too
            continue
    return files


def _installed_fonts() -> list[tuple[str, str]]:
    """Return name and file of the installed fonts, the fallback fonts first; one file of each name."""
    from matplotlib import font_manager

    fonts = {font.name: font.fname for font in font_manager.fontManager.ttflist if font.style == "normal"}
    first = [name for name in FALLBACK_FONTS if name in fonts]
    others = sorted(name for name in fonts.keys() - set(first) if not name.startswith(NO_TEXT_FONTS))
    return [(name, fonts[name]) for name in [*first, *others]]


@cache
def _characters(file: str) -> frozenset[str]:
    """Return the characters that matplotlib can draw with a font file."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(file)
    except (RuntimeError, OSError):  # damaged, or removed since matplotlib has listed it
        return frozenset()
    return frozenset(map(chr, font.get_charmap() if font.scalable else ()))  # not pictures of emoji
