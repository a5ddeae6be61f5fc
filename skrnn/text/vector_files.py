"""Readers of word vector files: GloVe, word2vec (text and binary) and fastText .vec.

A text file has one line per word: the word and its numbers, separated by single spaces. word2vec and
fastText write a header line before it: the number of words and the number of values per word. A binary file
has the header, and then for each word its bytes, a space and little-endian float32 numbers. Every format may
be compressed. A file is read row by row; only the vectors that are asked for are kept in memory.
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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from skrnn.text.term_matcher import TermMatcher

BLOCK_BYTES = 2**20  # read at once
PROGRESS_SECONDS = 5.0  # between two progress lines
_SAMPLE_BYTES = 4096  # read after the header to tell text from binary
_MAX_WORD_BYTES = 2**16  # a binary file without a space in so many bytes is not a word2vec file
_CONTROL_CHARACTER = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # never part of a text
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

_Row = tuple[str, bytes, str]  # a word, its numbers as they are in the file, their place for error messages


def read_vectors(
    path: str | os.PathLike, terms: list[str], *, errors: str = "strict", verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors of some terms from a file.

    Parameters
    ----------
    path : str or PathLike
        The file. It may be compressed by gzip or xz, or be the only file of
        a zip archive.
    terms : list of str of length n_terms
        Terms, without repetitions. :class:`~skrnn.text.term_matcher.TermMatcher`
        chooses the word whose vector a term takes.
    errors : {"strict", "replace", "ignore"}, default="strict"
        How to treat words that are not valid UTF-8, as in ``bytes.decode``.
    verbose : int, default=0
        If not 0, write a line of progress every few seconds and one at the
        end.

    Returns
    -------
    matrix : ndarray of float32 of shape (n_terms, dim)
        The vectors; zero for a term without a vector.
    found : ndarray of bool of shape (n_terms,)
        Whether a term has a vector.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged or has another format. The message names the
        line of a text file, or the byte of a (decompressed) binary file.
    """
    matcher, n_matches = TermMatcher(terms), 0
    layout = _detect_layout(path)
    matrix: np.ndarray | None = None  # allocated late: a damaged header may promise any width
    progress = _Progress(path, layout.n_words, verbose)
    for n, (word, numbers, place) in enumerate(_read_rows(path, layout, errors), 1):
        if positions := matcher.match(word):
            if matrix is None:
                matrix = np.zeros((len(terms), layout.dim), np.float32)
            matrix[positions] = _parse_vector(numbers, layout, word, place)
            n_matches += len(positions)
        progress.update(n, n_matches)
    if matrix is None:
        matrix = np.zeros((len(terms), layout.dim), np.float32)
    found = matcher.found
    progress.finish(f"{found.sum():,} of {len(terms):,} terms found")
    return matrix, found


def read_all_vectors(
    path: str | os.PathLike, *, errors: str = "strict", verbose: int = 0
) -> tuple[list[str], np.ndarray]:
    """Read all words of a file and their vectors. If a word is repeated, its first vector is kept.

    Parameters
    ----------
    path, errors, verbose
        As in :func:`read_vectors`.

    Returns
    -------
    words : list of str of length n_words
    matrix : ndarray of float32 of shape (n_words, dim)

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`read_vectors`.
    """
    layout = _detect_layout(path)
    words: dict[str, None] = {}
    values = bytearray()
    progress = _Progress(path, layout.n_words, verbose)
    for n, (word, numbers, place) in enumerate(_read_rows(path, layout, errors), 1):
        if word not in words:
            words[word] = None
            values += _parse_vector(numbers, layout, word, place).data
        progress.update(n, len(words))
    progress.finish(f"{len(words):,} words")
    return list(words), np.frombuffer(values, np.float32).reshape(len(words), layout.dim)


# -- the bytes of a file ----------------------------------------------------------------------------


@contextmanager
def _open_decompressed(path: Any) -> Iterator[BinaryIO]:
    """Open a file for reading; errors of the decompression name the file."""
    try:
        with _open(path) as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{os.fspath(path)} cannot be decompressed: {error}. Check that the file is complete."
        ) from error


def _open(path: Any) -> BinaryIO:
    """Return the decompressed bytes of a file as a buffered stream."""
    with open(path, "rb") as file:
        magic = file.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(gzip.open(path), BLOCK_BYTES)  # type: ignore[type-var]
    if magic == b"\xfd7zX":
        return io.BufferedReader(lzma.open(path), BLOCK_BYTES)  # type: ignore[type-var]
    if magic == b"PK\x03\x04":
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
        if len(names) > 1:
            raise ValueError(
                f"{os.fspath(path)} must hold one file. Got {len(names)} files ({', '.join(names[:5])}). "
                "Extract the one to read."
            )
        return io.BufferedReader(archive.open(names[0]), BLOCK_BYTES)  # type: ignore[type-var]
    return open(path, "rb", buffering=BLOCK_BYTES)


# -- the layout of a file ---------------------------------------------------------------------------


class Layout(NamedTuple):
    """The layout of a file, as its beginning shows it."""

    n_words: int | None  # None without a header
    dim: int
    n_header_bytes: int
    is_binary: bool


def _detect_layout(path: Any) -> Layout:
    """Return the layout of a file, or raise a ValueError if its beginning is not valid."""
    with _open_decompressed(path) as stream:
        first, sample = stream.readline(BLOCK_BYTES), stream.read(_SAMPLE_BYTES)
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        n_words, dim = map(int, fields)
        if n_words < 1 or dim < 1:
            raise ValueError(
                f"{os.fspath(path)}, line 1: the number of words and the number of values per word must be "
                f"at least 1. Got {first.strip()!r}."
            )
        if not sample:
            raise ValueError(f"{os.fspath(path)} ends after line 1, but its header promises {n_words} words.")
        return Layout(n_words, dim, len(first), not _is_text(sample, dim))
    dim = first.rstrip().count(b" ")
    if dim < 1 or not all(map(_NUMBER.fullmatch, fields[-dim:])):
        raise ValueError(
            f"{os.fspath(path)}, line 1: expected a word and its numbers, or the number of words and the "
            f"number of values per word. Got {_shorten(first)}."
        )
    return Layout(None, dim, 0, False)


def _is_text(sample: bytes, dim: int) -> bool:
    """Return whether the bytes after a header are text."""
    if _CONTROL_CHARACTER.search(sample):
        return False
    try:
        getincrementaldecoder("utf-8")().decode(sample)  # the last character may be incomplete
    except UnicodeDecodeError:  # text in another encoding, or binary numbers
        line, end, _ = sample.partition(b"\n")
        fields = line.split()
        numbers = fields[-dim:] if end or len(sample) < _SAMPLE_BYTES else fields[1:-1]
        return len(fields) > 1 and all(map(_NUMBER.fullmatch, numbers))
    return True


# -- the rows of a file -----------------------------------------------------------------------------


def _read_rows(path: Any, layout: Layout, errors: str) -> Iterator[_Row]:
    """Yield the rows of a file."""
    read = _read_binary_rows if layout.is_binary else _read_text_rows
    with _open_decompressed(path) as stream:
        yield from read(stream, os.fspath(path), layout, errors)


def _read_text_rows(stream: BinaryIO, path: str, layout: Layout, errors: str) -> Iterator[_Row]:
    """Yield the rows of a text file."""
    dim, n_words = layout.dim, 0
    source = "the header says" if layout.n_words else "line 1 has"
    for number, line in enumerate(stream, 1):
        line = line.rstrip()
        n_spaces = line.count(b" ")
        if (number == 1 and layout.n_words) or not line:
            continue
        end = line.find(b" ")
        if n_spaces > dim:  # the word has spaces in it, or there is a number too many
            end = len(line.rsplit(b" ", dim)[0])
            n_spaces = dim + bool(_NUMBER.fullmatch(line[:end].rsplit(b" ", 1)[1]))
        if n_spaces != dim:
            raise ValueError(
                f"{path}, line {number}: expected a word and {dim} number(s), as {source}. Got "
                f"{len(line.split()) - 1} number(s): {_shorten(line)}."
            )
        n_words += 1
        place = f"line {number}"
        yield _decode_word(line[:end], errors, path, place), line[end + 1 :], f"{path}, {place}"
    if layout.n_words and n_words != layout.n_words:
        warnings.warn(
            f"{path} has {n_words} words, but its header promises {layout.n_words}.",
            UserWarning,
            stacklevel=2,
        )


def _read_binary_rows(stream: BinaryIO, path: str, layout: Layout, errors: str) -> Iterator[_Row]:
    """Yield the rows of a binary file."""
    n_words, n_bytes = layout.n_words or 0, 4 * layout.dim
    buffer, start = b"", 0  # the row to read starts at buffer[start]
    buffer_offset = layout.n_header_bytes  # position of the buffer in the file
    stream.read(layout.n_header_bytes)
    for i in range(n_words):
        space = buffer.find(b" ", start)
        while space < 0 or len(buffer) < space + 1 + n_bytes:
            offset = buffer_offset + start
            if space < 0 and len(buffer) - start > _MAX_WORD_BYTES:
                raise ValueError(f"{path}, byte {offset}: expected a word. The header may be wrong.")
            more = stream.read(max(BLOCK_BYTES, n_bytes))
            if not more:
                raise ValueError(
                    f"{path} ends at byte {buffer_offset + len(buffer)}, inside word {i + 1} of the "
                    f"{n_words} that its header promises. It is incomplete, or not a word2vec binary file."
                )
            buffer, start, buffer_offset = buffer[start:] + more, 0, offset
            space = buffer.find(b" ")
        end = space + 1 + n_bytes
        word_bytes = buffer[start:space].lstrip(b"\n")
        place = f"byte {buffer_offset + space - len(word_bytes)}"
        word = _decode_word(word_bytes, errors, path, place)
        yield word, buffer[space + 1 : end], f"{path}, {place}"
        start = end
    rest = buffer[start:] + stream.read(BLOCK_BYTES)
    if rest.strip():
        raise ValueError(
            f"{path}, byte {buffer_offset + start}: the file continues after the {n_words} words that its "
            "header promises."
        )


def _parse_vector(numbers: bytes, layout: Layout, word: str, place: str) -> np.ndarray:
    """Return the numbers of a row as float32 of shape (dim,)."""
    if layout.is_binary:
        vector = np.frombuffer(numbers, "<f4").astype(np.float32)
    else:
        try:
            with np.errstate(over="ignore"):  # infinite values are refused below
                vector = np.array(numbers.split(b" "), dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{place}: expected {layout.dim} number(s) after {word!r}: {error}.") from None
    if not np.isfinite(vector).all():
        raise ValueError(f"{place}: the vector of {word!r} must have finite float32 values.")
    return vector


def _decode_word(word: bytes, errors: str, path: str, place: str) -> str:
    try:
        return word.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}, {place}: expected a word in UTF-8. Got {_shorten(word)}. Convert the file to UTF-8, or "
            "read it by WordVectors.load(path, errors='replace')."
        ) from None


def _shorten(line: bytes) -> str:
    line = line.rstrip()
    return repr(line if len(line) <= 40 else line[:37] + b"...")


class _Progress:
    """Writes a line every few seconds that says how many vectors have been read."""

    def __init__(self, path: Any, total: int | None, verbose: int) -> None:
        self._name, self._verbose = os.path.basename(os.fspath(path)), verbose
        self._of_total = f" of {total:,}" if total else ""
        self._n, self._start = 0, time.monotonic()
        self._last = self._start

    def update(self, n: int, n_kept: int) -> None:
        self._n = n
        if not self._verbose or n % 1024 or time.monotonic() - self._last < PROGRESS_SECONDS:
            return
        self._last = time.monotonic()
        self._write(f"{n:,}{self._of_total} vectors read, {n_kept:,} kept")

    def finish(self, result: str) -> None:
        if self._verbose:
            self._write(f"{self._n:,} vectors read in {time.monotonic() - self._start:.1f} s, {result}")

    def _write(self, line: str) -> None:
        sys.stdout.write(f"[{self._name}] {line}\n")
        sys.stdout.flush()
