"""Files of word vectors, read a row at a time: GloVe, word2vec as text and as binary, fastText .vec.

A text file has a line a word: the word and its numbers, divided by single spaces. word2vec and fastText put
a line before it, the header: how many words and how many numbers each. A binary file has the header, then
for each word its bytes, a space and little-endian float32 numbers. All may be compressed.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import sys
import time
import warnings
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_BLOCK = 2**20  # bytes read at a time
_HEAD = 4096  # bytes after a header that tell text from binary
_LONGEST_WORD = 2**16  # bytes; where a binary file has no space for longer, it is none
_SECONDS = 5.0  # between progress lines
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # in no text
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Layout(NamedTuple):
    """What the beginning of a file says."""

    n_words: int | None  # None without a header
    dim: int
    n_bytes_header: int
    binary: bool


class CaseFallback:
    """For each term the word that it takes its vector from.

    That is the term itself, else its lower-case form, else the first word that differs from it in case only.

    Parameters
    ----------
    terms : iterable of str
        Terms, each once.

    Examples
    --------
    >>> from skrnn.text.vector_files import CaseFallback
    >>> fallback = CaseFallback(["USA", "usa", "Apple"])
    >>> fallback.takers("Usa"), fallback.takers("usa"), fallback.takers("USA"), fallback.takers("pear")
    ([0, 1], [0, 1], [0], [])
    """

    _NONE = 3

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = list(terms)
        self._ranks = [self._NONE] * len(self._terms)
        self._alike: dict[str, list[int]] = {}
        for i, term in enumerate(self._terms):
            self._alike.setdefault(term.lower(), []).append(i)

    def takers(self, word: str) -> list[int]:
        """Return the places of the terms that this word suits better than the words before it."""
        lowered = word.lower()
        takers = []
        for i in self._alike.get(lowered, ()):
            rank = 0 if word == self._terms[i] else 1 if word == lowered else 2
            if rank < self._ranks[i]:
                self._ranks[i] = rank
                takers.append(i)
        return takers

    @property
    def found(self) -> np.ndarray:
        """Which terms have a word, bool of shape (n_terms,)."""
        return np.array(self._ranks, dtype=np.int8) < self._NONE


def read_rows(
    path: str | os.PathLike, terms: list[str], *, errors: str = "strict", verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors of terms; no others are kept in memory.

    Parameters
    ----------
    path : str or PathLike
        The file; one compressed by gzip or xz, or alone in a zip archive, is read as it is.
    terms : list of str of length n_terms
        Terms, each once; :class:`CaseFallback` says which word's vector they get.
    errors : {"strict", "replace", "ignore"}, default="strict"
        What to do with words that are not UTF-8, as for ``bytes.decode``.
    verbose : int, default=0
        Whether to write a line of progress every few seconds, and one at the end.

    Returns
    -------
    matrix : ndarray of float32 of shape (n_terms, dim)
        Zero where there is no vector.
    found : ndarray of bool of shape (n_terms,)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not what it seems to be; with the line, or the byte of the unpacked file.
    """
    fallback, found = CaseFallback(terms), 0
    layout = _layout(path)
    matrix: np.ndarray | None = None  # made when needed: a broken header may promise any width
    progress = _Progress(path, layout.n_words, verbose)
    for n, (word, numbers, at) in enumerate(_rows(path, layout, errors), 1):
        if takers := fallback.takers(word):
            if matrix is None:
                matrix = np.zeros((len(terms), layout.dim), np.float32)
            matrix[takers] = _vector(numbers, layout, word, at)
            found += len(takers)
        progress.tick(n, found)
    if matrix is None:
        matrix = np.zeros((len(terms), layout.dim), np.float32)
    known = fallback.found
    progress.end(f"{known.sum():,} of {len(terms):,} terms found")
    return matrix, known


def read_all(
    path: str | os.PathLike, *, errors: str = "strict", verbose: int = 0
) -> tuple[list[str], np.ndarray]:
    """Read all words of a file and their vectors; of a word that is there twice, the first.

    Parameters
    ----------
    path, errors, verbose
        As of :func:`read_rows`.

    Returns
    -------
    words : list of str of length n_words
    matrix : ndarray of float32 of shape (n_words, dim)

    Raises
    ------
    FileNotFoundError, ValueError
        As by :func:`read_rows`.
    """
    layout = _layout(path)
    words: dict[str, None] = {}
    numbers_read = bytearray()
    progress = _Progress(path, layout.n_words, verbose)
    for n, (word, numbers, at) in enumerate(_rows(path, layout, errors), 1):
        if word not in words:
            words[word] = None
            numbers_read += _vector(numbers, layout, word, at).data
        progress.tick(n, len(words))
    progress.end(f"{len(words):,} words")
    return list(words), np.frombuffer(numbers_read, np.float32).reshape(len(words), layout.dim)


_Row = tuple[str, bytes, str]  # word, its numbers as they are in the file, where they are


def _rows(path: Any, layout: Layout, errors: str) -> Iterator[_Row]:
    """Return the rows of a file; errors of unpacking say whose they are."""
    read = _binary_rows if layout.binary else _text_rows
    with _unpacked(path) as stream:
        yield from read(stream, os.fspath(path), layout, errors)


@contextmanager
def _unpacked(path: Any) -> Iterator[BinaryIO]:
    """Open a file; errors of unpacking it say whose they are."""
    try:
        with _open(path) as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise ValueError(f"{os.fspath(path)} cannot be unpacked; is it complete? {error}") from error


def _open(path: Any) -> BinaryIO:
    """Return the unpacked bytes of a file as a buffered stream."""
    with open(path, "rb") as file:
        magic = file.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(gzip.open(path), _BLOCK)  # type: ignore[type-var]
    if magic == b"\xfd7zX":
        return io.BufferedReader(lzma.open(path), _BLOCK)  # type: ignore[type-var]
    if magic == b"PK\x03\x04":
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
        if len(names) > 1:
            raise ValueError(
                f"{os.fspath(path)} holds {len(names)} files ({', '.join(names[:5])}). Unpack the one "
                "to read."
            )
        return io.BufferedReader(archive.open(names[0]), _BLOCK)  # type: ignore[type-var]
    return open(path, "rb", buffering=_BLOCK)


def _layout(path: Any) -> Layout:
    """Return what the beginning of a file says, or refuse it."""
    with _unpacked(path) as stream:
        first, head = stream.readline(_BLOCK), stream.read(_HEAD)
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        n_words, dim = map(int, fields)
        if n_words < 1 or dim < 1:
            raise ValueError(
                f"{os.fspath(path)}, line 1: a number of words and a number of values a word are expected, "
                f"both 1 or more. Got {first.strip()!r}."
            )
        if not head:
            raise ValueError(f"{os.fspath(path)} ends after line 1, which promises {n_words} words.")
        return Layout(n_words, dim, len(first), not _is_text(head, dim))
    dim = first.rstrip().count(b" ")
    if dim < 1 or not all(map(_NUMBER.fullmatch, fields[-dim:])):
        raise ValueError(
            f"{os.fspath(path)}, line 1: a word and its numbers are expected, or the number of words and "
            f"the number of values a word. Got {_short(first)}."
        )
    return Layout(None, dim, 0, False)


def _is_text(head: bytes, dim: int) -> bool:
    """Return whether the bytes after a header are text."""
    if _CONTROL.search(head):
        return False
    try:
        getincrementaldecoder("utf-8")().decode(head)  # which lets the last character be cut
    except UnicodeDecodeError:  # text of another encoding, or binary numbers
        line, end, _ = head.partition(b"\n")
        fields = line.split()
        numbers = fields[-dim:] if end or len(head) < _HEAD else fields[1:-1]
        return len(fields) > 1 and all(map(_NUMBER.fullmatch, numbers))
    return True


def _text_rows(stream: BinaryIO, path: str, layout: Layout, errors: str) -> Iterator[_Row]:
    dim, n_words, number = layout.dim, 0, 0
    source = "the header says" if layout.n_words else "line 1 has"
    for number, line in enumerate(stream, 1):
        line = line.rstrip()
        spaces = line.count(b" ")
        if (number == 1 and layout.n_words) or not line:
            continue
        end = line.find(b" ")
        if spaces > dim:  # a word with spaces in it, or a number too many
            end = len(line.rsplit(b" ", dim)[0])
            spaces = dim + bool(_NUMBER.fullmatch(line[:end].rsplit(b" ", 1)[1]))
        if spaces != dim:
            raise ValueError(
                f"{path}, line {number}: a word and {dim} number(s) are expected, as {source}. Got "
                f"{len(line.split()) - 1} number(s): {_short(line)}."
            )
        n_words += 1
        at = f"line {number}"
        yield _decode(line[:end], errors, path, at), line[end + 1 :], f"{path}, {at}"
    if layout.n_words and n_words != layout.n_words:
        warnings.warn(
            f"{path} has {n_words} words; its header promises {layout.n_words}.", UserWarning, stacklevel=2
        )


def _binary_rows(stream: BinaryIO, path: str, layout: Layout, errors: str) -> Iterator[_Row]:
    n_words, n_bytes = layout.n_words or 0, 4 * layout.dim
    begin_of_buffer, buffer, begin = layout.n_bytes_header, b"", 0
    stream.read(layout.n_bytes_header)
    for i in range(n_words):
        space = buffer.find(b" ", begin)
        while space < 0 or len(buffer) < space + 1 + n_bytes:
            at = begin_of_buffer + begin
            if space < 0 and len(buffer) - begin > _LONGEST_WORD:
                raise ValueError(f"{path}, byte {at}: no word begins here; the header may be wrong.")
            more = stream.read(max(_BLOCK, n_bytes))
            if not more:
                raise ValueError(
                    f"{path} ends at byte {begin_of_buffer + len(buffer)}, inside word {i + 1} of the "
                    f"{n_words} that its header promises; it is cut short or no binary file of word2vec."
                )
            buffer, begin, begin_of_buffer = buffer[begin:] + more, 0, at
            space = buffer.find(b" ")
        end = space + 1 + n_bytes
        word_bytes = buffer[begin:space].lstrip(b"\n")
        place = f"byte {begin_of_buffer + space - len(word_bytes)}"
        word = _decode(word_bytes, errors, path, place)
        yield word, buffer[space + 1 : end], f"{path}, {place}"
        begin = end
    rest = buffer[begin:] + stream.read(_BLOCK)
    if rest.strip():
        raise ValueError(
            f"{path}, byte {begin_of_buffer + begin}: the file goes on after the {n_words} words that its "
            "header promises."
        )


def _vector(numbers: bytes, layout: Layout, word: str, at: str) -> np.ndarray:
    """Return the numbers of a row as float32 (dim,)."""
    if layout.binary:
        vector = np.frombuffer(numbers, "<f4").astype(np.float32)
    else:
        try:
            with np.errstate(over="ignore"):  # what overflows is refused below
                vector = np.array(numbers.split(b" "), dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{at}: {layout.dim} number(s) are expected after {word!r}; {error}.") from None
    if not np.isfinite(vector).all():
        raise ValueError(f"{at}: the vector of {word!r} has a value that is no finite float32.")
    return vector


def _decode(word: bytes, errors: str, path: str, at: str) -> str:
    try:
        return word.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}, {at}: a word in UTF-8 is expected. Got {_short(word)}; read it by "
            "WordVectors.load(path, errors='replace'), or write the file anew in UTF-8."
        ) from None


def _short(line: bytes) -> str:
    line = line.rstrip()
    return repr(line if len(line) <= 40 else line[:37] + b"...")


class _Progress:
    """Lines every few seconds that say how far reading is."""

    def __init__(self, path: Any, total: int | None, verbose: int) -> None:
        self._name, self._verbose = os.path.basename(os.fspath(path)), verbose
        self._of = f" of {total:,}" if total else ""
        self._n, self._start = 0, time.monotonic()
        self._last = self._start

    def tick(self, n: int, kept: int) -> None:
        self._n = n
        if not self._verbose or n % 1024 or time.monotonic() - self._last < _SECONDS:
            return
        self._last = time.monotonic()
        self._write(f"{n:,}{self._of} vectors read, {kept:,} kept")

    def end(self, result: str) -> None:
        if self._verbose:
            self._write(f"{self._n:,} vectors read in {time.monotonic() - self._start:.1f} s, {result}")

    def _write(self, line: str) -> None:
        sys.stdout.write(f"[{self._name}] {line}\n")
        sys.stdout.flush()
