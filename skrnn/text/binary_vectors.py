"""Reader of the records of word2vec's binary format.

A record is the bytes of a word, a space, and little-endian float32 numbers. word2vec.c ends it with a
newline, gensim does not. The first space ends the word, unless the word itself has spaces. Then a reader that
stops at the first space takes a part of the word for numbers, and the next word starts inside of a vector. So
each space that may end a word is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

import numpy as np

BLOCK_BYTES = 2**20  # read at once
MAX_WORD_BYTES = 2**12
MAX_SPACES = 64  # in a word
LOOKAHEAD = 2  # records that have to follow a word that may have spaces
MIN_SIZE, MAX_SIZE = 1e-8, 1e5  # usual absolute values of a vector that are not zero
_TEXT = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")  # no control characters; a word may be a tab


def read_binary_rows(
    stream: BinaryIO, path: str, n_words: int, dim: int, *, offset: int, errors: str
) -> Iterator[tuple[str, bytes, str]]:
    """Yield each word, its numbers as they are in the file, and its place for error messages.

    Parameters
    ----------
    stream : BinaryIO
        The file, at its first record.
    path : str
        Its name, for error messages.
    n_words, dim : int
        Number of records and of values per record, as the header says.
    offset : int
        Position of the first record in the file, for error messages.
    errors : {"strict", "replace", "ignore"}
        How to treat words that are not valid UTF-8.

    Raises
    ------
    ValueError
        If the file does not have the records that its header promises, or
        if it is not clear where a word ends.
    """
    records = _Records(stream, path, dim, offset, errors)
    for i in range(n_words):
        yield records.next(n_words - i, f"word {i + 1} of the {n_words} that its header promises")
    records.check_end(n_words)


class _Records:
    """The records of a file; `buffer[start:]` holds the next ones."""

    def __init__(self, stream: BinaryIO, path: str, dim: int, offset: int, errors: str) -> None:
        self._stream, self._path, self._dim, self._errors = stream, path, dim, errors
        self._buffer, self._start = b"", 0
        self._offset = offset  # position of the buffer in the file
        self._at_end = False
        self._newline: bytes | None = None  # what ends a record; the first one shows it

    def next(self, n_left: int, name: str) -> tuple[str, bytes, str]:
        """Return the next of `n_left` records."""
        n_bytes = 4 * self._dim
        self._fill((1 + LOOKAHEAD) * (MAX_WORD_BYTES + 1 + n_bytes))
        buffer, start = self._buffer, self._start
        found = self._word_ends(start)
        ends = [end for end in found if end + 1 + n_bytes <= len(buffer)]
        if not ends:
            self._refuse(n_left, name, is_cut=bool(found))
        end = ends[0] if len(ends) == 1 else self._choose(ends, n_left - 1)
        self._start = end + 1 + n_bytes
        if n_left > 1:
            self._skip_newline()
        place = f"{self._path}, byte {self._offset + start}"
        return buffer[start:end].decode("utf-8", self._errors), buffer[end + 1 : end + 1 + n_bytes], place

    def check_end(self, n_words: int) -> None:
        """Raise a ValueError if the file continues after its last record."""
        self._fill(BLOCK_BYTES)
        if self._buffer[self._start :].strip():
            raise ValueError(
                f"{self._path}, byte {self._offset + self._start}: the file continues after the {n_words} "
                "words that its header promises. Its header is wrong, or a word in it has spaces."
            )

    def _fill(self, n_bytes: int) -> None:
        """Read on until `buffer[start:]` has so many bytes or the file ends."""
        missing = n_bytes - (len(self._buffer) - self._start)
        if missing <= 0 or self._at_end:
            return
        blocks = [self._buffer[self._start :]]
        while missing > 0 and not self._at_end:
            blocks.append(self._stream.read(BLOCK_BYTES))
            missing -= len(blocks[-1])
            self._at_end = not blocks[-1]
        self._offset += self._start
        self._buffer, self._start = b"".join(blocks), 0

    def _word_ends(self, start: int) -> list[int]:
        """Return the positions of the spaces that may end the word at `start`."""
        buffer = self._buffer
        ends: list[int] = []
        match = _TEXT.match(buffer, start, start + MAX_WORD_BYTES)
        stop = match.end() if match else start
        end = buffer.find(b" ", start, stop)
        while end >= 0 and len(ends) < MAX_SPACES and self._is_text(buffer[start:end]):
            ends.append(end)
            end = buffer.find(b" ", end + 1, stop)
        return ends

    def _is_text(self, word: bytes) -> bool:
        try:
            word.decode("utf-8", self._errors)
        except UnicodeDecodeError:
            return False
        return True

    def _choose(self, ends: list[int], n_after: int) -> int:
        """Return the end of a word that may have spaces.

        A record, or the end of the file, has to follow. If this holds for several ends, the one whose numbers
        are the most usual is right: a reader that starts too early takes letters for numbers.
        """
        ends = [end for end in ends if self._may_follow(end + 1 + 4 * self._dim, n_after)] or ends[:1]
        if len(ends) == 1:
            return ends[0]
        unusual = [self._n_unusual(end + 1) for end in ends]
        first, best = ends[0], ends[1 + int(np.argmin(unusual[1:]))]
        margin = unusual[0] - min(unusual[1:])  # of evidence for spaces in the word
        if margin < 0 or (margin == 0 and unusual[0] > 0):
            return first
        word = self._buffer[self._start : best]
        is_tidy = word.split() == word.split(b" ")  # spaces are between other characters
        if unusual.count(min(unusual)) > 1 or margin < (1 if is_tidy else 2):
            raise ValueError(
                f"{self._path}, byte {self._offset + self._start}: the word may be "
                f"{self._buffer[self._start : first]!r} or {word!r}, because words of this file may have "
                f"spaces. {_REMEDY}"
            )
        return best

    def _may_follow(self, stop: int, n_records: int, depth: int = LOOKAHEAD) -> bool:
        """Return whether so many records, or the end of the file, may be at `stop`."""
        if not n_records:
            return self._at_end and not self._buffer[stop:].strip()
        n_left = len(self._buffer) - stop
        if self._at_end and n_left < n_records * (1 + 4 * self._dim):
            return False
        if depth == 0 or (n_left < MAX_WORD_BYTES + 4 * self._dim and not self._at_end):
            return True
        if self._newline and not self._buffer.startswith(self._newline, stop):
            return False
        skipped = self._buffer.startswith(b"\n", stop) and self._newline != b""
        return any(
            self._may_follow(end + 1 + 4 * self._dim, n_records - 1, depth - 1)
            for end in self._word_ends(stop + skipped)
        )

    def _n_unusual(self, start: int) -> int:
        """Return how many of the numbers at `start` a vector hardly has."""
        sizes = np.abs(np.frombuffer(self._buffer, "<f4", self._dim, start))
        usual = (sizes == 0) | ((sizes > MIN_SIZE) & (sizes < MAX_SIZE))
        return int(np.count_nonzero(~usual))

    def _skip_newline(self) -> None:
        """Go to the start of the next word."""
        found = self._buffer[self._start : self._start + 1] == b"\n"
        if self._newline is None:
            self._newline = b"\n" if found else b""
        self._start += found and bool(self._newline)

    def _refuse(self, n_left: int, name: str, *, is_cut: bool) -> NoReturn:
        """Raise the ValueError for a record that cannot be read."""
        rest = self._buffer[self._start :]
        match = _TEXT.match(rest)
        if self._at_end and not is_cut:
            is_cut = len(rest) < n_left * (1 + 4 * self._dim) or (
                match is not None and match.end() == len(rest)
            )
        if is_cut:
            raise ValueError(
                f"{self._path} ends at byte {self._offset + len(self._buffer)}, inside {name}. It is "
                "incomplete, or not a word2vec binary file."
            )
        space = rest.find(b" ", 0, MAX_WORD_BYTES)
        word = rest[: space if space >= 0 else 40]
        raise ValueError(
            f"{self._path}, byte {self._offset + self._start}: expected a word in UTF-8. Got "
            f"{word if len(word) <= 40 else word[:37] + b'...'!r}. The header may be wrong, or a word before "
            f"has spaces, which shift the words after it. {_REMEDY}"
        )


_REMEDY = (
    "Write the vectors as text, for example with save_word2vec_format(path, binary=False) of gensim, or load "
    "them yourself and pass words and matrix."
)
