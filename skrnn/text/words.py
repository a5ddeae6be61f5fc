"""Words: what one is in any script, how a text is cut into them, and how they are printed.

A pattern is Python's. Where polars' Rust regex reads it and the text alike, polars cuts, on all cores and
several times faster; the words are the same.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import cache, cached_property
from itertools import chain
from typing import Any, NamedTuple
from unicodedata import category

import numpy as np

# What Python's re and polars' Rust regex read alike in ASCII text without the separators \x1c to \x1f:
# plain characters, \w \W \d \D \s \S \b and escaped punctuation, classes of these, groups that do not
# capture, alternatives, and repeats (of which none follows another: re reads a++ as one that gives nothing
# back, Rust as a repeat of repeats). In a class -- is a difference to Rust.
_PORTABLE = re.compile(
    r"(?:\(\?u\))?"
    r"(?:\\[wWdDsSb.\-+*?'/]|\(\?:|[)|]|\[\^?(?:\\[wWdDsS.\-+*?'/\]\[]|[\w '\"@#.,;:!?/_%=<>+*]|-(?!-))+\]"
    r"|(?:[*+?]|\{\d+(?:,\d*)?\})\??(?![*+?{])|[\w '\"@#,;:!/_%=<>-])+",
    re.ASCII,
)
_SEPARATORS = "\x1c\x1d\x1e\x1f"
# Beyond ASCII, characters that both count alike as letters, digits, spaces or none of these: letters (Latin,
# Greek, Cyrillic, Chinese, Japanese), marks of print, currencies. Fractions, raised numbers, accents that
# stand alone and letters of a newer Unicode are not among them.
_ALIKE = re.compile(
    "[\x00-\x1b\x20-\xb1\xb4-\xb8\xba\xbb\xbf-\u024f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ff"
    "\u0400-\u0481\u048a-\u052f\u2010-\u2027\u2030-\u203e\u20a0-\u20bf\u2122\u3001-\u3003\u3008-\u3011"
    "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fcc\uff01-\uff0f]*"
)
_PLAIN = r"\w+|[^\w\s]"  # of these characters, word_pattern finds no more than this
_LEAST_FOR_POLARS = 100_000  # characters; below, starting it costs more than it saves
_forked = False  # polars' threads do not survive a fork, and waiting for them would never end


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class Cut(NamedTuple):
    """Words of many texts, one after the other."""

    flat: Any  # list of str, or polars Series of str
    lengths: np.ndarray  # (n_samples,) int64


@cache
def word_pattern() -> re.Pattern:
    r"""Return the pattern of a word or sign in any script.

    A word is letters, digits and underscores with the marks that belong to them (vowel signs, accents that do
    not compose) and the joiners between them, as Unicode has it (UTS #18); Python's ``\w`` has neither. A
    sign is any other character, emoji being whole: with their joiners, colours, tags, and flags of two.

    Examples
    --------
    >>> from skrnn.text.words import word_pattern
    >>> word_pattern().findall("It's नमस्ते 👩\u200d💻!")
    ['It', "'", 's', 'नमस्ते', '👩\u200d💻', '!']
    """
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if category(c).startswith("M"))
    more = f"[{marks}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    return re.compile(
        rf"\w[\w{marks}\u200c\u200d]*"
        rf"|[\U0001f1e6-\U0001f1ff]{{2}}|[^\w\s]{more}(?:\u200d[^\w\s]{more})*"
    )


class Words:
    """How texts are cut into words.

    Parameters
    ----------
    pattern : str or None
        Regular expression of a word; None for :func:`word_pattern`.

    Examples
    --------
    >>> from skrnn.text.words import Words
    >>> Words(None).cut(["A cat, a hat.", ""])
    Cut(flat=['A', 'cat', ',', 'a', 'hat', '.'], lengths=array([6, 0]))
    """

    def __init__(self, pattern: str | None) -> None:
        self.wanted = pattern

    @cached_property
    def pattern(self) -> re.Pattern:
        """The pattern, compiled; ValueError if it is none."""
        wanted = self.wanted
        if wanted is None:
            return word_pattern()
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise ValueError(f"token_pattern is no regular expression: {error}. Got {wanted!r}.") from error
        if pattern.groups > 1:
            raise ValueError(
                "token_pattern may have one capturing group, which then is the token. Got More than 1 "
                f"capturing group: {wanted!r}."
            )
        return pattern

    @cached_property
    def portable(self) -> bool:
        """Whether polars finds the same in a text that both read alike."""
        wanted = self.wanted
        if wanted is None:
            return True
        return bool(_PORTABLE.fullmatch(wanted)) and "" not in self.pattern.findall("a1_ .-\n")

    def cut(self, texts: list[str]) -> Cut:
        """Return the words of texts."""
        if self.portable and not _forked and sum(map(len, texts)) >= _LEAST_FOR_POLARS:
            return self._cut_by_polars(texts)
        lists = [list(filter(None, self._find(text))) for text in texts]
        counts = np.fromiter(map(len, lists), np.int64, len(lists))
        return Cut(list(chain.from_iterable(lists)), counts)

    def _find(self, text: str) -> list[str]:
        if self.wanted is None and _alike(text):  # spares most users the making of word_pattern
            return re.findall(_PLAIN, text)
        return self.pattern.findall(text)

    def _cut_by_polars(self, texts: list[str]) -> Cut:
        """Cut texts in Rust; those it might read otherwise than re are cut by re."""
        pl = polars()
        plain = np.fromiter(map(_alike, texts), bool, len(texts))
        fast, slow = np.flatnonzero(plain), np.flatnonzero(~plain)
        pattern = _PLAIN if self.wanted is None else self.wanted
        lists = on_all_cores(
            pl.Series([texts[i] for i in fast], dtype=pl.String), lambda text: text.str.extract_all(pattern)
        )
        if len(slow):
            others = [self.pattern.findall(texts[i]) for i in slow]
            lists = pl.concat([lists, pl.Series(others, dtype=pl.List(pl.String))])
            lists = lists.gather(np.argsort(np.concatenate([fast, slow])))
        return Cut(lists.explode().drop_nulls(), lists.list.len().to_numpy().astype(np.int64))


def _alike(text: str) -> bool:
    """Return whether re and polars' regex read a text alike."""
    if text.isascii():
        return not any(map(text.__contains__, _SEPARATORS))
    return _ALIKE.fullmatch(text) is not None


def polars() -> Any:
    """Return polars, imported when it is needed."""
    import polars

    return polars


def on_all_cores(series: Any, expression: Callable[[Any], Any]) -> Any:
    """Return what an expression makes of each value of a polars Series, a share on each core."""
    pl = polars()
    size = max(1, -(-len(series) // pl.thread_pool_size()))
    shares = [series.slice(i, size).alias("values") for i in range(0, max(1, len(series)), size)]
    found = pl.collect_all([pl.LazyFrame([share]).select(expression(pl.col("values"))) for share in shares])
    return pl.concat([frame.to_series() for frame in found])


_CLOSING = ".,;:!?%)\\]}\u2026\u201d\u060c\u061b\u061f\u0964"  # and the comma, semicolon, ? of Arabic, danda
_OPENING = "(\\[{$#\u201c\u201e\u00a1\u00bf"
_WIDE = "\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f"  # of Chinese and Japanese
_SPACE_BEFORE = re.compile(f" ([{_CLOSING}{_WIDE}])")
_SPACE_AFTER = re.compile(f"([{_OPENING}{_WIDE}]) ")
_INSIDE_WORDS = re.compile(r"(?<=\w) (['\u2019]) (?=(?:s|t|re|ve|ll|d|m)\b)|(?<=\w) ([-/]) (?=\w)")


def print_words(words: list[str]) -> str:
    """Join words as print does: no space before a comma, after a bracket or inside "don't".

    Examples
    --------
    >>> from skrnn.text.words import print_words
    >>> print_words(["it", "'", "s", "(", "very", ")", "good", "."])
    "it's (very) good."
    """
    text = _INSIDE_WORDS.sub(r"\1\2", " ".join(words))
    return _SPACE_AFTER.sub(r"\1", _SPACE_BEFORE.sub(r"\1", text))
