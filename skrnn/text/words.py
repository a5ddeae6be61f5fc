"""Words: how a text is split into words in any script.

A pattern has the syntax of Python's re. If polars' Rust regex reads pattern and text in the same way, large
corpora are split by polars, which uses all cores and is several times faster. The words are the same.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache, cached_property
from unicodedata import category

import numpy as np

from skrnn.text.tokenized_texts import (
    PolarsTokens,
    StringTokens,
    TokenizedTexts,
    evaluate_in_parallel,
    polars,
)

# Patterns that re and Rust's regex read in the same way, for ASCII text without the separators \x1c to \x1f:
# plain characters, \w \W \d \D \s \S \b, escaped punctuation, classes of these, non-capturing groups,
# alternatives and repeats. Two differences are excluded: a repeat of a repeat (in re, a++ is possessive; in
# Rust, it is nested) and -- inside a class (in Rust, a set difference).
_PORTABLE_PATTERN = re.compile(
    r"(?:\(\?u\))?"
    r"(?:\\[wWdDsSb.\-+*?'/]|\(\?:|[)|]|\[\^?(?:\\[wWdDsS.\-+*?'/\]\[]|[\w '\"@#.,;:!?/_%=<>+*]|-(?!-))+\]"
    r"|(?:[*+?]|\{\d+(?:,\d*)?\})\??(?![*+?{])|[\w '\"@#,;:!/_%=<>-])+",
    re.ASCII,
)
_SEPARATORS = "\x1c\x1d\x1e\x1f"
# Beyond ASCII, the characters that re and Rust's regex classify in the same way: Latin, Greek, Cyrillic,
# Chinese and Japanese letters, punctuation and currency signs. Fractions, superscript digits, combining
# accents and letters of recent Unicode versions are missing because the two disagree about them.
_PORTABLE_TEXT = re.compile(
    "[\x00-\x1b\x20-\xb1\xb4-\xb8\xba\xbb\xbf-\u024f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ff"
    "\u0400-\u0481\u048a-\u052f\u2010-\u2027\u2030-\u203e\u20a0-\u20bf\u2122\u3001-\u3003\u3008-\u3011"
    "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fcc\uff01-\uff0f]*"
)
_SIMPLE_PATTERN = r"\w+|[^\w\s]"  # on portable texts, it finds the same words as word_pattern()
_SIMPLE_REGEX = re.compile(_SIMPLE_PATTERN)
POLARS_MIN_CHARS = 100_000  # for less text, starting polars costs more time than it saves
_in_forked_process = False  # polars' threads do not survive a fork: waiting for them would never end


def _note_fork() -> None:
    global _in_forked_process
    _in_forked_process = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@cache
def word_pattern() -> re.Pattern:
    r"""Return the default pattern of a token: a word or a sign, in any script.

    A word is a run of letters, digits and underscores, together with the
    combining marks (vowel signs, accents) and joiners that Unicode counts as
    parts of a word (UTS #18). Python's ``\w`` covers neither marks nor
    joiners. A sign is any other character that is not a space. An emoji is
    one sign, including its joiners, skin tones and tags; a flag is one sign.

    Returns
    -------
    pattern : re.Pattern

    Examples
    --------
    >>> from skrnn.text.words import word_pattern
    >>> word_pattern().findall("It's नमस्ते 👩\u200d💻!")
    ['It', "'", 's', 'नमस्ते', '👩\u200d💻', '!']
    """
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if category(c).startswith("M"))
    modifiers = f"[{marks}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    return re.compile(
        rf"\w[\w{marks}\u200c\u200d]*"
        rf"|[\U0001f1e6-\U0001f1ff]{{2}}|[^\w\s]{modifiers}(?:\u200d[^\w\s]{modifiers})*"
    )


class WordSplitter:
    """Splits texts into words.

    Parameters
    ----------
    token_pattern : str or None
        Regular expression of a word. If it has a capturing group, the group
        is the word. None stands for :func:`word_pattern`.

    Examples
    --------
    >>> from skrnn.text.words import WordSplitter
    >>> WordSplitter(None).split(["A cat, a hat.", ""]).lists()
    [['A', 'cat', ',', 'a', 'hat', '.'], []]
    """

    def __init__(self, token_pattern: str | None) -> None:
        self.token_pattern = token_pattern

    @cached_property
    def regex(self) -> re.Pattern:
        """The compiled pattern; a ValueError if `token_pattern` is not valid."""
        if self.token_pattern is None:
            return word_pattern()
        try:
            regex = re.compile(self.token_pattern)
        except re.error as error:
            raise ValueError(
                f"token_pattern must be a valid regular expression. Got {self.token_pattern!r}: {error}."
            ) from error
        if regex.groups > 1:
            raise ValueError(
                "token_pattern must have at most one capturing group. Got More than 1 capturing group: "
                f"{self.token_pattern!r}. Write (?:...) for a group that does not capture."
            )
        return regex

    @cached_property
    def is_portable(self) -> bool:
        """Whether polars finds the same words in every portable text."""
        if self.token_pattern is None:
            return True
        finds_empty_words = "" in self.regex.findall("a1_ .-\n")
        return bool(_PORTABLE_PATTERN.fullmatch(self.token_pattern)) and not finds_empty_words

    def split(self, texts: list[str]) -> TokenizedTexts:
        """Return the words of texts.

        Parameters
        ----------
        texts : list of str
            Texts without lone surrogates.

        Returns
        -------
        words : StringTokens or PolarsTokens
        """
        if self.is_portable and not _in_forked_process and sum(map(len, texts)) >= POLARS_MIN_CHARS:
            return self._split_by_polars(texts)
        lists = (self._regex_for(text).findall(text) for text in texts)
        return StringTokens.from_lists([list(filter(None, words)) for words in lists])

    def iterate(self, text: str) -> Iterator[str]:
        """Return the words of one text one by one."""
        return filter(None, (match[self.regex.groups] for match in self._regex_for(text).finditer(text)))

    def _regex_for(self, text: str) -> re.Pattern:
        if self.token_pattern is None and is_portable_text(text):  # word_pattern() is slow to build
            return _SIMPLE_REGEX
        return self.regex

    def _split_by_polars(self, texts: list[str]) -> PolarsTokens:
        """Split portable texts by polars and the other texts by re."""
        pl = polars()
        portable = np.fromiter(map(is_portable_text, texts), bool, len(texts))
        by_polars, by_re = np.flatnonzero(portable), np.flatnonzero(~portable)
        pattern = _SIMPLE_PATTERN if self.token_pattern is None else self.token_pattern
        lists = evaluate_in_parallel(
            pl.Series([texts[i] for i in by_polars], dtype=pl.String),
            lambda text: text.str.extract_all(pattern),
        )
        if len(by_re):
            others = [self.regex.findall(texts[i]) for i in by_re]
            lists = pl.concat([lists, pl.Series(others, dtype=pl.List(pl.String))])
            lists = lists.gather(np.argsort(np.concatenate([by_polars, by_re])))
        return PolarsTokens(lists.explode().drop_nulls(), lists.list.len().to_numpy().astype(np.int64))


def is_portable_text(text: str) -> bool:
    """Return whether re and polars' Rust regex classify every character of a text in the same way.

    Parameters
    ----------
    text : str

    Returns
    -------
    is_portable : bool
    """
    if text.isascii():
        return not any(map(text.__contains__, _SEPARATORS))
    return _PORTABLE_TEXT.fullmatch(text) is not None
