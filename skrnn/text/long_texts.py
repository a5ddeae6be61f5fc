"""Long texts: cut where tokens do not change, read from their ends, and normalised in linear time."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import Any
from unicodedata import combining, normalize

import numpy as np

PIECE = 2**14  # characters: longer texts are cut into pieces
# A text may be cut before a space, and between a letter and a sign: words, characters, byte-pair encoding,
# lower case and NFC of the parts are those of the whole text. Apostrophe, period, colon, circumflex and grave
# accent are missing, because the lower case of a sigma depends on the letters before and after them.
_PLACE = re.compile(
    r"(?<=\S)(?=[\t\n\r \xa0\u3000])"
    r"|(?<=[A-Za-z0-9\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3])"
    r"(?=[,;!?(){}\[\]\"=<>/&|\u3001\u3002\u300a-\u3011\uff01\uff08\uff09\uff0c\uff1b\uff1f])"
)
_MAX_MARKS = 30  # of one character; a longer run is sorted here (the limit is that of UAX #15, section 13)


def cut(text: str, longest: int | None = None) -> list[str]:
    """Cut a long text into pieces whose tokens are those of the text.

    Parameters
    ----------
    text : str
        A text.
    longest : int, default=None
        Maximum number of characters of a piece. A longer piece, which has no
        space and no sign, is cut anywhere. None for no maximum.

    Returns
    -------
    pieces : list of str
        Their concatenation is the text. A text of 16,384 characters or fewer
        is one piece.

    Examples
    --------
    >>> from skrnn.text.long_texts import cut
    >>> [len(piece) for piece in cut("good film " * 4000)]
    [16389, 16390, 7221]
    """
    places = [0]
    while len(text) - places[-1] > PIECE and (found := _PLACE.search(text, places[-1] + PIECE)):
        places.append(found.start())
    pieces = [text[i:j] for i, j in zip(places, [*places[1:], len(text)], strict=True)]
    if longest is None:
        return pieces
    return [part[i : i + longest] for part in pieces for i in range(0, max(1, len(part)), longest)]


def n_first_and_last(length: int, side: str) -> tuple[int, int]:
    """Return how many of the first and of the last tokens `Ragged.truncate` keeps of a long text."""
    return {"end": (length, 0), "start": (0, length), "middle": ((length + 1) // 2, length // 2)}[side]


def read_ends(n_pieces: int, read: Callable[[int], np.ndarray], n_first: int, n_last: int) -> np.ndarray:
    """Read the pieces of a text from both ends until there are enough ids.

    Parameters
    ----------
    n_pieces : int
        Number of pieces of the text.
    read : callable
        Takes the number of a piece and returns its ids.
    n_first, n_last : int
        Number of ids that are needed from the start and from the end.

    Returns
    -------
    ids : ndarray of int32
        The first and the last ids of the text, or all of them; there may be more than needed.
    """
    first, last = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    start, stop = 0, n_pieces
    while start < stop and sum(map(len, first)) < n_first:
        first.append(read(start))
        start += 1
    while start < stop and sum(map(len, last)) < n_last:
        stop -= 1
        last.append(read(stop))
    return np.concatenate([*first, *last[::-1]])


def first_and_last(tokens: Iterable[Any], n_first: int, n_last: int) -> list[Any]:
    """Return the first and the last tokens, or all; tokens that are not needed are not stored.

    Parameters
    ----------
    tokens : iterable
        Tokens. Without `n_last`, only the first ones are computed.
    n_first, n_last : int
        Number of tokens that are needed from the start and from the end.

    Returns
    -------
    tokens : list

    Examples
    --------
    >>> from skrnn.text.long_texts import first_and_last
    >>> first_and_last(iter("abcdef"), 2, 1)
    ['a', 'b', 'f']
    """
    left = iter(tokens)
    first = list(islice(left, n_first))
    return first + list(deque(left, n_last)) if n_last else first


def sort_marks(text: str, form: str = "NFC") -> str:
    """Sort long runs of combining marks, so that `unicodedata.normalize` takes linear time.

    It sorts marks by insertion, which takes quadratic time if a run has
    thousands of marks of different classes.

    Parameters
    ----------
    text : str
        A text.
    form : {"NFC", "NFKD"}, default="NFC"
        The normal form that is computed next.

    Returns
    -------
    text : str
        A text with the same normal form.
    """
    mark, long_run = _marks(form)
    if mark.search(text[_MAX_MARKS :: _MAX_MARKS + 1]) is None:  # each longer run has one of these characters
        return text
    return long_run.sub(lambda run: _in_order(run[0], "NFKD" if form == "NFKD" else "NFD"), text)


def _in_order(run: str, form: str) -> str:
    """Return a run of marks in its decomposed form, sorted by their class."""
    changed = {ord(mark): normalize(form, mark) for mark in set(run) if normalize(form, mark) != mark}
    codes = np.frombuffer(run.translate(changed).encode("utf-32-le"), np.uint32)
    classes = np.zeros(int(codes.max()) + 1, np.uint8)
    distinct = np.unique(codes)
    classes[distinct] = [combining(chr(code)) for code in distinct.tolist()]
    return codes[np.argsort(classes[codes], kind="stable")].tobytes().decode("utf-32-le")


@cache
def _marks(form: str) -> tuple[re.Pattern, re.Pattern]:
    """Return patterns of one mark and of a long run: characters that decompose to combining marks only."""
    decomposed = "NFKD" if form == "NFKD" else "NFD"
    characters = map(chr, range(0x300, 0x20000))  # all planes that have marks
    found = (c for c in characters if all(map(combining, normalize(decomposed, c))))
    marks = "".join(found)
    return re.compile(f"[{marks}]"), re.compile(f"[{marks}]{{{_MAX_MARKS + 1},}}")
