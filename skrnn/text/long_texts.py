"""Long texts: cut where tokens do not change, and read from their ends."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np

PIECE = 2**14  # characters: longer texts are cut into pieces
# A text may be cut before a space, and between a letter and a sign: words, characters, byte-pair encoding,
# lower case and NFC of the parts are those of the whole text. Apostrophe, period, colon, circumflex and grave
# accent are missing, because the lower case of a sigma depends on the letters before and after them.
_SPACES = "\t\n\r \xa0\u3000"
_SIGNS = ',;!?(){}\\[\\]"=<>/&|\u3001\u3002\u300a-\u3011\uff01\uff08\uff09\uff0c\uff1b\uff1f'  # of a pattern
_BREAK, _NO_BREAK = re.compile(f"[{_SPACES}{_SIGNS}]"), re.compile(f"[^{_SPACES}{_SIGNS}]")
_LETTER = re.compile(r"[A-Za-z0-9\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]")


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
    [16384, 16385, 7231]
    """
    places = [0]
    while (place := _next_place(text, places[-1] + PIECE)) < len(text):
        places.append(place)
    pieces = [text[i:j] for i, j in zip(places, [*places[1:], len(text)], strict=True)]
    if longest is None:
        return pieces
    return [part[i : i + longest] for part in pieces for i in range(0, max(1, len(part)), longest)]


def _next_place(text: str, start: int) -> int:
    """Return the first place from `start` on where a text may be cut, or its length or more."""
    while found := _BREAK.search(text, start):
        place = found.start()
        before = text[place - 1]
        if not before.isspace() if text[place] in _SPACES else _LETTER.match(before):
            return place
        following = _NO_BREAK.search(text, place)  # one place is enough for a run of spaces and signs
        if following is None:
            break
        start = following.start()
    return len(text)


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
