"""Spacing: between which tokens a written text has no space, learned from texts or by rules."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from unicodedata import category

Spacing = dict[str, int]  # what :func:`learn_spacing` returns: a kind of gap and whether it has no space

_FULL_WIDTH = set("\u3001\u3002\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f")  # Chinese, Japanese
_FULL_WIDTH |= set(map(chr, range(0x3008, 0x3012)))
_CLOSING = _FULL_WIDTH | set(".,;:!?%)]}\u2026\u201d\u060c\u061b\u061f\u066a\u06d4\u0964\u0965")
_OPENING = _FULL_WIDTH | set("([{$#@\u20ac\u00a3\u201c\u201e\u00a1\u00bf")
_PAIRED = set("\"'`*|~")  # the same sign opens and closes
_INSIDE_NUMBERS = set(".,:/-")
_INSIDE_WORDS = set("-/\u2010\u2011\u05be\u05f3\u05f4'\u2019")
_APOSTROPHES = set("'\u2019")
_AFTER_APOSTROPHES = {"s", "t", "re", "ve", "ll", "d", "m"}  # don't
_BEFORE_APOSTROPHES = {"c", "d", "j", "l", "m", "n", "s", "t", "qu", "o"}  # l'ami, o'clock
_JOINED = 4  # added to the parity of a gap


class _Gap(NamedTuple):
    """The place between the tokens `left` and `right`, with the tokens around them."""

    before: str
    left: str
    right: str
    after: str
    parity: int  # 1 if `left` is an opening sign of a pair, 2 if `right` is, 3 if both are

    def levels(self, joined: bool) -> tuple[str, str, str, str]:
        """Return what this gap has in common with others, the most general first."""
        before, left, right, after = map(_shape, self[:4])
        state = self.parity + _JOINED * joined
        return (
            f"{left}\t{right}",
            f"{before}\t{left}\t{right}\t{after}\t{state}",
            f"{self.left}\t{self.right}\t{state}",
            f"{before}\t{self.left}\t{self.right}\t{after}\t{state}\t",
        )

    def is_closed(self, joined: bool) -> bool:
        """Return whether the usual spacing has no space here; `joined` if `left` has none before it."""
        before, left, right, after, parity = self
        if left in _INSIDE_NUMBERS and before.isdecimal() and right.isdecimal():
            return joined and (left != "," or len(right) == 3)  # 1,000
        if right in _INSIDE_NUMBERS and left.isdecimal() and after.isdecimal():
            return True
        if right in _CLOSING or left in _OPENING:
            return True
        if (right == "/" and left in (":", "/")) or (before == left == "/" and joined):  # http://
            return True
        if right in _INSIDE_WORDS and _is_inside(left, right, after):
            return True
        if left in _INSIDE_WORDS and joined and _is_inside(before, left, right):
            return True
        if left in _PAIRED and parity & 1:
            return True
        return right in _PAIRED and not parity & 2


def learn_spacing(texts: Iterable[tuple[str, list[str]]], vocabulary: Container[str]) -> Spacing:
    """Learn from texts which tokens have no space between them.

    Gaps are compared at four levels, from the kinds of the two tokens to
    the tokens themselves with their context. A level keeps only those gaps
    for which the more general levels and the rules of
    :func:`join_words` are wrong. So the result is small.

    Parameters
    ----------
    texts : iterable of (str, list of str)
        Texts and their tokens. A text is read up to the first token that
        does not occur in it.
    vocabulary : container of str
        The tokens that can be written.

    Returns
    -------
    spacing : dict of str to int
        Kinds of gaps, 1 for those without a space.

    Examples
    --------
    >>> from skrnn.text.spacing import join_words, learn_spacing
    >>> words = ["see", "a", ".", "b", "."]
    >>> spacing = learn_spacing([("see a.b.", words)], words)
    >>> join_words(words), join_words(words, spacing)
    ('see a. b.', 'see a.b.')
    """
    seen: dict[tuple[str, ...], list[int]] = {}  # the levels of a gap: times with, without space; guesses
    for text, tokens in texts:
        joined = False
        for gap, closed in zip(_gaps(tokens), _closed_gaps(text, tokens), strict=False):
            counts = seen.setdefault(gap.levels(joined), [0, 0, 0])
            counts[closed] += 1
            counts[2] |= 1 << gap.is_closed(joined)
            joined = closed
    spacing: Spacing = {}
    for level in range(4):
        totals: dict[str, list[int]] = {}
        for levels, (n_open, n_closed, guesses) in seen.items():
            total = totals.setdefault(levels[level], [0, 0, 0])
            total[0] += n_open
            total[1] += n_closed
            total[2] |= guesses
        found = {
            key: int(n_closed > n_open)
            for key, (n_open, n_closed, guesses) in totals.items()
            if n_open != n_closed and guesses != 1 << (n_closed > n_open)
        }
        if level > 1:
            found = {key: is_closed for key, is_closed in found.items() if _is_written(key, vocabulary)}
        spacing |= found
        for levels, counts in seen.items():
            if levels[level] in found:
                counts[2] = 1 << found[levels[level]]
    return spacing


def join_words(words: list[str], spacing: Spacing | None = None) -> str:
    """Join words to a text, with the spacing that was learned or else the usual one.

    There is no space before a comma, after an opening bracket, inside
    "don't" and inside "3.14".

    Parameters
    ----------
    words : list of str
        Words and signs.
    spacing : dict of str to int, default=None
        The result of :func:`learn_spacing`. The usual spacing is for gaps
        that it does not have.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from skrnn.text.spacing import join_words
    >>> join_words(["it", "'", "s", "(", "very", ")", "good", "."])
    "it's (very) good."
    """
    parts, joined = words[:1], False
    for gap in _gaps(words):
        closed = None
        if spacing:
            closed = next((spacing[key] for key in gap.levels(joined)[::-1] if key in spacing), None)
        joined = gap.is_closed(joined) if closed is None else bool(closed)
        parts += [gap.right] if joined else [" ", gap.right]
    return "".join(parts)


def _gaps(tokens: list[str]) -> Iterator[_Gap]:
    """Yield the gaps between tokens."""
    opens = dict.fromkeys(_PAIRED, False)
    inside = ["", *tokens, ""]
    parity = 0
    for i, (before, left, right, after) in enumerate(
        zip(inside, inside[1:], inside[2:], inside[3:], strict=False)
    ):
        if not i and left in _PAIRED:
            opens[left] = parity = True
        following = 0
        if right in _PAIRED:
            apart = right in _APOSTROPHES and _is_inside(left, right, after)
            opens[right] ^= not apart
            following = int(opens[right] and not apart)
        yield _Gap(before, left, right, after, parity + 2 * following)
        parity = following


def _closed_gaps(text: object, tokens: list[str]) -> Iterator[bool]:
    """Yield whether there is no space between tokens, up to the first token that is not found."""
    if not isinstance(text, str):
        return  # a callable analyzer also reads other objects
    end = 0
    for i, token in enumerate(tokens):
        start = text.find(token, end)
        if start < 0:
            return
        if i:
            yield start == end
        end = start + len(token)


@lru_cache(maxsize=1 << 16)
def _shape(token: str) -> str:
    """Return the kind of a token: "0" for digits, "a" or "A" for letters, or the sign itself."""
    first = token[:1]
    if first.isdecimal():
        return "0" * min(len(token), 4)
    if not first.isalpha():
        return token
    if category(first) == "Lo":  # a script without upper case
        return "o"
    return ("A" if first.isupper() else "a") + ("b" if len(token) > 1 else "")


def _is_inside(left: str, sign: str, right: str) -> bool:
    """Return whether a sign between two tokens belongs to one word, as in "well-known" and "don't"."""
    if not (left[-1:].isalnum() and right[:1].isalnum()):
        return False
    return sign not in _APOSTROPHES or left in _BEFORE_APOSTROPHES or right in _AFTER_APOSTROPHES


def _is_written(key: str, vocabulary: Container[str]) -> bool:
    """Return whether both tokens of a key of the two last levels are in the vocabulary."""
    parts = key.split("\t")
    left, right = parts[:2] if len(parts) == 3 else parts[1:3]
    return left in vocabulary and right in vocabulary
