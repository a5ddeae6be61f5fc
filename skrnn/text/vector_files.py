"""Readers of word vector files: GloVe, word2vec (text and binary) and fastText .vec.

A text file has one line per word: the word and its numbers, separated by spaces or tabs. word2vec and
fastText write a header line before it: the number of words and the number of values per word. A binary file
has the header and then records. Every format may be compressed. A file is read row by row; only the vectors
that are asked for are kept in memory.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from codecs import BOM_UTF8, getincrementaldecoder
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from skrnn.text.binary_vectors import read_binary_rows
from skrnn.text.term_matcher import TermMatcher
from skrnn.text.vector_streams import open_decompressed, other_format

PROGRESS_SECONDS = 5.0  # between two progress lines
MAX_DIM = 2**20  # values per word that a header may promise
_HEAD_BYTES = 2**20  # read to detect the layout
_SAMPLE_LINES = 100  # of these bytes, which agree on the number of values per word
_SAMPLE_BYTES = 4096  # read after the header to tell text from binary
_HEADER = re.compile(rb"[ \t]*(\d{1,12})[ \t]+(\d{1,12})\s*")
_CONTROL_CHARACTER = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # hardly ever part of a text
_NUMBER = (
    rb"[-+]?(?:\d[\d_]*\.?[\d_]*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|\d+,\d+|nan|inf(?:inity)?|0x[\da-f.p+-]+)"
)
_LIKE_NUMBER = re.compile(_NUMBER, re.IGNORECASE)  # also forms that _parse_vector refuses
_SEPARATED = re.compile(rb".+[,;|]|.*[^\d \t][,;|]" + _NUMBER, re.IGNORECASE)  # "good," and "good,0.1"
_BLANKS = b" \t\r\n"

_Row = tuple[str, bytes, str]  # a word, its numbers as they are in the file, their place for error messages


def read_vectors(
    path: str | os.PathLike, terms: list[str], *, errors: str = "strict", verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors of some terms from a file.

    Parameters
    ----------
    path : str or PathLike
        The file. It may be compressed by gzip, bzip2, xz or zstd, or be the
        only file of a zip archive.
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


# -- the layout of a file ---------------------------------------------------------------------------


class Layout(NamedTuple):
    """The layout of a file, as its beginning shows it."""

    n_words: int | None  # None without a header
    dim: int
    n_header_bytes: int
    is_binary: bool
    source: str  # of dim, for error messages


def _detect_layout(path: Any) -> Layout:
    """Return the layout of a file, or raise a ValueError if its beginning is not valid."""
    with open_decompressed(path) as stream:
        head = stream.read(_HEAD_BYTES)
    start = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    first, _, rest = head[start:].partition(b"\n")
    whole = head[start:] if len(head) < _HEAD_BYTES else head[start : head.rfind(b"\n") + 1]
    numbered = enumerate(whole.split(b"\n", _SAMPLE_LINES)[:_SAMPLE_LINES], 1)
    lines = [(number, line.strip(b"\r")) for number, line in numbered if line.strip(_BLANKS)]
    header = _HEADER.fullmatch(first)
    if not header:
        return _layout_of_lines(os.fspath(path), head, lines)
    n_words, dim = map(int, header.groups())
    if n_words < 1 or not 1 <= dim <= MAX_DIM:
        raise ValueError(
            f"{os.fspath(path)}, line 1: the number of words and the number of values per word must be at "
            f"least 1, and the latter at most {MAX_DIM}. Got {first.strip()!r}."
        )
    if not rest:
        raise ValueError(f"{os.fspath(path)} ends after line 1, but its header promises {n_words} words.")
    is_binary = not _is_text(rest, dim)
    layout = Layout(n_words, dim, start + len(first) + 1, is_binary, "the header says")
    if not is_binary:
        _check_width(os.fspath(path), lines[1:], layout)
    return layout


def _layout_of_lines(path: str, head: bytes, lines: list[tuple[int, bytes]]) -> Layout:
    """Return the layout of a text file without a header: the width is that of most lines."""
    widths = [] if b"\0" in head else [_width(line) for _, line in lines]
    if not widths or not widths[0]:
        if format_ := other_format(head):
            raise ValueError(f"{path} {format_}")
        number, line = next((row for row in lines if b"\0" in row[1]), lines[0] if lines else (1, b""))
        raise ValueError(
            f"{path}, line {number}: expected a word and its numbers, or the number of words and the number "
            f"of values per word. Got {_shorten(line)}.{_hint(line)}"
        )
    dim = Counter(filter(None, widths)).most_common(1)[0][0]
    layout = Layout(None, dim, 0, False, "line 1 has" if dim == widths[0] else "most lines have")
    _check_width(path, lines, layout)
    return layout


def _width(line: bytes) -> int:
    """Return how many numbers are at the end of a line, after at least one other field."""
    fields = line.replace(b"\t", b" ").split()
    n = 0
    for field in reversed(fields[0 if line[:1] in b" \t" else 1 :]):
        if not _LIKE_NUMBER.fullmatch(field):
            break
        n += 1
    return n


def _check_width(path: str, lines: list[tuple[int, bytes]], layout: Layout) -> None:
    """Raise a ValueError if most lines have more numbers than the layout says, or other separators."""
    rows = [(number, line, _split(line, layout.dim)) for number, line in lines]
    for number, line, _ in rows:
        if b"\r" in line:
            raise ValueError(f"{path}, line {number}: lines must end in \\n or \\r\\n. Got {_shorten(line)}.")
    separated = [(n, line) for n, line, row in rows if row and _SEPARATED.fullmatch(row[0].strip(_BLANKS))]
    commas = [(n, line) for n, line, row in rows if row and b"," in row[1]]
    for found in (separated, commas):
        if 2 * len(found) > len(rows):
            number, line = found[0]
            raise ValueError(f"{path}, line {number}: got {_shorten(line)}. {_SEPARATORS}")
    wide = [(n, line) for n, line, row in rows if row and _has_number_too_many(*row)]
    if 2 * len(wide) > len(rows):
        _refuse_line(path, *wide[0], layout)


_SEPARATORS = (
    "Values must be separated by spaces or tabs and have decimal points. Read other files yourself, for "
    "example with frame = pandas.read_csv(path, sep=',', header=None, index_col=0, na_filter=False), and "
    "pass (frame.index, frame) to embeddings."
)


def _hint(line: bytes) -> str:
    """Return a sentence about separators if a line has others."""
    return f" {_SEPARATORS}" if re.search(rb"[^\s,;|][ \t]*[,;|][ \t]*[^\s,;|]", line) else ""


def _is_text(rest: bytes, dim: int) -> bool:
    """Return whether the bytes after a header are text."""
    if _width(rest.lstrip(b"\r\n").partition(b"\n")[0]) >= dim:
        return True
    sample = rest[:_SAMPLE_BYTES]
    if _CONTROL_CHARACTER.search(sample):
        return False
    try:
        getincrementaldecoder("utf-8")().decode(sample)  # the last character may be incomplete
    except UnicodeDecodeError:
        return False
    return True


# -- the rows of a file -----------------------------------------------------------------------------


def _read_rows(path: Any, layout: Layout, errors: str) -> Iterator[_Row]:
    """Yield the rows of a file."""
    name = os.fspath(path)
    with open_decompressed(path) as stream:
        if layout.is_binary:
            n, offset = layout.n_words or 0, layout.n_header_bytes
            stream.read(offset)
            yield from read_binary_rows(stream, name, n, layout.dim, offset=offset, errors=errors)
        else:
            yield from _read_text_rows(stream, name, layout, errors)


def _read_text_rows(stream: BinaryIO, path: str, layout: Layout, errors: str) -> Iterator[_Row]:
    """Yield the rows of a text file."""
    dim, n_words = layout.dim, 0
    for number, line in enumerate(stream, 1):
        if number == 1:
            line = b"" if layout.n_words else line.removeprefix(BOM_UTF8)
        line = line.rstrip(_BLANKS)
        if not line:
            continue
        blank = line.replace(b"\t", b" ") if b"\t" in line else line
        if blank.count(b" ") == dim and (end := blank.find(b" ")) > 0:
            word, numbers = line[:end], blank[end + 1 :]
        else:
            row = _split(line, dim)
            if row is None or (not layout.n_words and _has_number_too_many(*row)):
                _refuse_line(path, number, line, layout)
            word, numbers = row
        n_words += 1
        place = f"line {number}"
        yield _decode_word(word, errors, path, place), numbers, f"{path}, {place}"
    if layout.n_words and n_words != layout.n_words:
        warnings.warn(
            f"{path} has {n_words} words, but its header promises {layout.n_words}.",
            UserWarning,
            stacklevel=2,
        )


def _split(line: bytes, dim: int) -> tuple[bytes, bytes] | None:
    """Return the word of a line, which may have spaces in it, and its last `dim` fields, or None.

    Spaces and tabs around the word do not belong to it, unless the word is one of them.
    """
    blank = line.rstrip(_BLANKS).replace(b"\t", b" ")
    numbers = [field for field in blank.split(b" ") if field][-dim:]
    end = len(blank)
    for field in reversed(numbers):
        end = blank.rindex(field, 0, end)
    word = line[:end].strip(b" \t") or line[: max(0, end - 1)]
    if len(numbers) < dim or not word or (word.isspace() and len(word) > 1):
        return None
    return word, b" ".join(numbers)


def _has_number_too_many(word: bytes, numbers: bytes) -> bool:
    """Return whether a word of several fields ends in a number that may belong to its vector.

    An integer before numbers with a point belongs to the word, as in "windows 95 0.1 0.2".
    """
    *before, last = word.replace(b"\t", b" ").split(b" ")
    return bool(before and _LIKE_NUMBER.fullmatch(last)) and (b"." in last or b"." not in numbers)


def _refuse_line(path: str, number: int, line: bytes, layout: Layout) -> NoReturn:
    raise ValueError(
        f"{path}, line {number}: expected a word and {layout.dim} number(s), as {layout.source}. Got "
        f"{len(line.split()) - 1} number(s): {_shorten(line)}."
    )


def _parse_vector(numbers: bytes, layout: Layout, word: str, place: str) -> np.ndarray:
    """Return the numbers of a row as float32 of shape (dim,)."""
    if layout.is_binary:
        vector = np.frombuffer(numbers, "<f4").astype(np.float32)
    else:
        fields = numbers.split(b" ")
        try:
            if b"_" in numbers:  # which Python's float reads
                raise ValueError(f"could not convert {next(f for f in fields if b'_' in f)!r}")
            with np.errstate(over="ignore"):  # infinite values are refused below
                vector = np.array(fields, dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{place}: expected {layout.dim} number(s) after {word!r}: {error}.") from None
    if not np.isfinite(vector).all():
        raise ValueError(f"{place}: the vector of {word!r} must have finite float32 values.")
    return vector


def _decode_word(word: bytes, errors: str, path: str, place: str) -> str:
    if b"\r" in word or b"\0" in word:
        raise ValueError(
            f"{path}, {place}: a word must not have carriage returns or NUL characters in it. Got "
            f"{_shorten(word)}."
        )
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
