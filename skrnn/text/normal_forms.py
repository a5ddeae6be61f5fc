"""Unicode normalisation in linear time, and texts that have no half surrogate pairs."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal
from unicodedata import combining, normalize

import numpy as np

_MAX_MARKS = 30  # of one character; a longer run is sorted here (the limit is that of UAX #15, section 13)
Form = Literal["NFD", "NFKD"]


def without_lone_surrogates(text: str) -> str:
    """Return a text without half surrogate pairs, which UTF-8 and UTF-32 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def sort_marks(text: str, form: Literal["NFC", "NFKD"] = "NFC") -> str:
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


def _in_order(run: str, form: Form) -> str:
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
    decomposed: Form = "NFKD" if form == "NFKD" else "NFD"
    characters = map(chr, range(0x300, 0x20000))  # all planes that have marks
    found = (c for c in characters if all(map(combining, normalize(decomposed, c))))
    marks = "".join(found)
    return re.compile(f"[{marks}]"), re.compile(f"[{marks}]{{{_MAX_MARKS + 1},}}")
