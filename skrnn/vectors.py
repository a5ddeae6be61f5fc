"""Stage 2: vectors of words, read from files of others or made from texts of one's own."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from skrnn.tokens import N_SPECIAL, Sequences, Tokens

SCALE = 0.3  # standard deviation of vectors to start a training from, see benchmarks/README.md
_PAIRS = 2_000_000  # pairs of neighbours counted at a time
_SECONDS = 5.0  # between progress lines
_OPEN = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open}


class WordVectors:
    """Words and their vectors.

    Parameters
    ----------
    words : iterable of str
        Words, each once.
    vectors : array-like of shape (n_words, dim)
        Their vectors.

    Attributes
    ----------
    words : list of str
    vectors : ndarray of float32 of shape (n_words, dim)

    Examples
    --------
    >>> from skrnn import WordVectors
    >>> vectors = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
    >>> vectors["bad"]
    array([-0.5,  1. ], dtype=float32)
    >>> "ugly" in vectors, len(vectors), vectors.dim
    (False, 2, 2)
    """

    def __init__(self, words: Iterable[str], vectors: Any) -> None:
        self.words = list(words)
        self.vectors = np.asarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise ValueError(
                f"vectors must have shape ({len(self.words)}, dim), one row a word. Got "
                f"{self.vectors.shape} instead."
            )
        self._rows = {word: i for i, word in enumerate(self.words)}
        if len(self._rows) < len(self.words):
            raise ValueError("words must be different; some are repeated.")

    @classmethod
    def load(
        cls, path: str | os.PathLike, *, vocabulary: Iterable[str] | None = None, verbose: int = 0
    ) -> WordVectors:
        """Read a file of vectors, as text (GloVe, word2vec, fastText .vec) or as binary word2vec.

        Parameters
        ----------
        path : str or PathLike
            The file; compressed by gzip or xz it is read as it is.
        vocabulary : iterable of str, default=None
            The words to keep; None for all. The others never are in memory. A word that the file does not
            have is taken from one that differs in case only.
        verbose : int, default=0
            Whether to write a line of progress every few seconds.

        Returns
        -------
        vectors : WordVectors
            In the order of `vocabulary`, or of the file.

        Raises
        ------
        ValueError
            If a line is not as wide as the first, or a binary file ends too soon; with the line or the byte.
        """
        wanted = None if vocabulary is None else list(dict.fromkeys(vocabulary))
        rows = _read_rows(os.fspath(path), wanted, verbose)
        words = [word for word in (wanted if wanted is not None else rows) if word in rows]
        if not words:
            raise ValueError(f"{os.fspath(path)} has no vector of any word that is wanted.")
        return cls(words, np.stack([rows[word] for word in words]))

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self._rows[word]]

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, dim={self.dim})"


def train_vectors(
    texts: Iterable[str],
    *,
    dim: int = 128,
    window: int = 5,
    random_state: Any = None,
    **parameters: Any,
) -> WordVectors:
    """Make vectors of words from texts: words are alike that stand among the same words.

    Parameters
    ----------
    texts : iterable of str
        Texts of the domain; they need no labels.
    dim : int, default=128
        Width of a vector.
    window : int, default=5
        Farthest neighbour that counts; one at distance k counts 1 / k.
    random_state : int, Generator or None, default=None
        Seeds the singular value decomposition.
    **parameters
        Of stage 1, as of the estimators: ``analyzer``, ``lowercase``, ``token_pattern``, ``vocab_size``...

    Returns
    -------
    vectors : WordVectors
        The most frequent word first; all values together have a standard deviation of 0.3.

    Examples
    --------
    >>> from skrnn import train_vectors
    >>> vectors = train_vectors(["a red car", "a blue car", "the red bus", "the blue bus"], dim=2)
    >>> vectors
    WordVectors(6 words, dim=2)
    """
    tokens, sequences = Tokens.fit(list(texts), **parameters)
    rng = np.random.default_rng(random_state)
    matrix = cooccurrence_vectors(sequences, tokens.n_ids, dim, rng, window=window)
    return WordVectors(tokens.vocabulary, matrix[N_SPECIAL:])


def cooccurrence_vectors(
    sequences: Sequences, n_ids: int, dim: int, rng: np.random.Generator, *, window: int = 5
) -> np.ndarray:
    """Return vectors of ids by the company they keep.

    The positive pointwise mutual information of neighbours, with the contexts' frequencies smoothed by a
    power of 0.75, decomposed by a truncated SVD of which the singular values' square roots are kept (Levy,
    Goldberg & Dagan 2015).

    Parameters
    ----------
    sequences : Sequences
        Ids of the texts.
    n_ids : int
        How many there are.
    dim : int
        Width of a vector; what the decomposition does not fill is zero.
    rng : numpy.random.Generator
        Seeds the decomposition.
    window : int, default=5
        Farthest neighbour that counts; one at distance k counts 1 / k.

    Returns
    -------
    vectors : ndarray of float32 of shape (n_ids, dim)
        Of a standard deviation of 0.3; zero for the special ids and for ids without neighbours.
    """
    counts = _neighbours(sequences, n_ids, window)
    out = np.zeros((n_ids, dim), np.float32)
    rank = min(dim, n_ids - 1)
    if counts.nnz == 0:
        return out
    totals = np.asarray(counts.sum(axis=1)).ravel()
    smoothed = totals**0.75
    counts = counts.tocoo()
    ratio = counts.data * smoothed.sum() / (totals[counts.row] * smoothed[counts.col])
    positive = ratio > 1
    information = sp.csr_matrix(
        (np.log(ratio[positive]).astype(np.float32), (counts.row[positive], counts.col[positive])),
        shape=counts.shape,
    )
    if information.nnz == 0:
        return out
    u, s, _ = randomized_svd(information, rank, n_iter=3, random_state=int(rng.integers(2**31)))
    out[:, :rank] = u * np.sqrt(s)
    spread = out[np.abs(out).sum(axis=1) > 0].std()
    return out * np.float32(SCALE / spread) if spread > 0 else out


def _neighbours(sequences: Sequences, n_ids: int, window: int) -> sp.csr_matrix:
    """Return how often ids stand near each other, (n_ids, n_ids) float64, symmetric."""
    ids, offsets = sequences.ids, sequences.offsets
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    counts = sp.csr_matrix((n_ids, n_ids))
    for start in range(0, len(ids), _PAIRS // window):
        stop = min(len(ids), start + _PAIRS // window)
        left, right, weight = [], [], []
        for k in range(1, window + 1):
            end = min(stop, len(ids) - k)
            a, b = ids[start:end], ids[start + k : end + k]
            near = (row[start:end] == row[start + k : end + k]) & (a >= N_SPECIAL) & (b >= N_SPECIAL)
            left.append(a[near])
            right.append(b[near])
            weight.append(np.full(near.sum(), 1.0 / k))
        index = (np.concatenate(left), np.concatenate(right))
        counts += sp.csr_matrix((np.concatenate(weight), index), shape=counts.shape)
    return counts + counts.T


def look_up(
    embeddings: Any, terms: list[str], *, owner: str, verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of terms from whatever holds vectors.

    Parameters
    ----------
    embeddings : str, PathLike, WordVectors, KeyedVectors of gensim, dict, or (words, matrix)
        What holds them; of a file the vectors of `terms` alone are kept.
    terms : list of str of length n_terms
        Terms.
    owner : str
        Class name of the estimator, for the messages.
    verbose : int, default=0
        Whether to write progress lines.

    Returns
    -------
    matrix : ndarray of float32 of shape (n_terms, dim)
        Zero where there is no vector.
    found : ndarray of bool of shape (n_terms,)

    Raises
    ------
    TypeError
        If `embeddings` is something else.
    ValueError
        If it has no vector of any term.
    """
    vectors = _as_vectors(embeddings, terms, owner, verbose)
    lowered = {word.lower(): word for word in reversed(vectors.words)}
    matrix = np.zeros((len(terms), vectors.dim), np.float32)
    found = np.zeros(len(terms), bool)
    for i, term in enumerate(terms):
        word = term if term in vectors else lowered.get(term.lower())
        if word is not None:
            matrix[i], found[i] = vectors[word], True
    if not found.any():
        raise ValueError(f"embeddings of {owner} has no vector of any of the {len(terms)} terms.")
    return matrix, found


def _as_vectors(embeddings: Any, terms: list[str], owner: str, verbose: int) -> WordVectors:
    if isinstance(embeddings, WordVectors):
        return embeddings
    if isinstance(embeddings, (str, os.PathLike)):
        return WordVectors.load(embeddings, vocabulary=terms, verbose=verbose)
    if hasattr(embeddings, "key_to_index"):  # gensim's KeyedVectors
        return WordVectors(embeddings.key_to_index, embeddings.vectors)
    if isinstance(embeddings, Mapping):
        return WordVectors(embeddings, np.stack([np.asarray(vector) for vector in embeddings.values()]))
    if isinstance(embeddings, (tuple, list)) and len(embeddings) == 2:
        return WordVectors(*embeddings)
    raise TypeError(
        f"embeddings of {owner} must be 'auto', 'random', a path, WordVectors, KeyedVectors, a dict, or "
        f"a pair of words and matrix. Got {type(embeddings).__name__} instead."
    )


class _Wanted:
    """Which words of a file to keep, and what was found of them."""

    def __init__(self, words: list[str] | None) -> None:
        self.all = words is None
        self.exact = set(words or ())
        self.lowered: dict[str, list[str]] = {}
        for word in words or ():
            self.lowered.setdefault(word.lower(), []).append(word)
        self.rows: dict[str, np.ndarray] = {}
        self._given: set[str] = set()  # found as they are written, not in another case

    def names(self, word: str) -> list[str]:
        """Return the wanted words that this word of the file is the vector of."""
        if self.all or word in self.exact:
            return [] if word in self._given else [word]
        return [name for name in self.lowered.get(word.lower(), ()) if name not in self.rows]

    def keep(self, word: str, names: list[str], vector: np.ndarray) -> None:
        for name in names:
            self.rows[name] = vector
            if name == word:
                self._given.add(name)


def _read_rows(path: str, words: list[str] | None, verbose: int) -> dict[str, np.ndarray]:
    wanted = _Wanted(words)
    with open(path, "rb") as raw:
        magic = raw.read(2)
    with _OPEN.get(magic, open)(path, "rb") as file:  # type: ignore[operator]
        stream = io.BufferedReader(file, 2**20) if magic in _OPEN else file
        first = stream.readline()
        fields = first.split()
        header = len(fields) == 2 and all(field.isdigit() for field in fields)
        if header and not _is_text(stream, int(fields[1])):
            _read_binary(stream, path, int(fields[0]), int(fields[1]), len(first), wanted, verbose)
        else:
            width = int(fields[1]) if header else None
            lines = stream if header else _chain(first, stream)
            _read_text(lines, path, width, 2 if header else 1, wanted, verbose)
    return wanted.rows


def _chain(first: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield first
    yield from stream


def _is_text(stream: Any, dim: int) -> bool:
    """Return whether what follows the header is a line of text, without reading on."""
    line = stream.peek(32 * dim)[: 32 * dim].split(b"\n")[0].rstrip()
    fields = line.rsplit(b" ", dim)
    try:
        return len(fields) == dim + 1 and bool(list(map(float, fields[1:])))
    except ValueError:
        return False


def _read_text(
    lines: Iterable[bytes], path: str, dim: int | None, number: int, wanted: _Wanted, verbose: int
) -> None:
    progress = _Progress(path, None, verbose)
    for i, line in enumerate(lines, number):
        line = line.rstrip()
        if not line:
            continue
        if dim is None:
            dim = line.count(b" ")
        if line.count(b" ") < dim or dim < 1:
            raise ValueError(
                f"{path}, line {i}: a word and {dim} numbers are expected, as in the first line. Got "
                f"{line.count(b' ')} numbers: {line[:40]!r}."
            )
        word = _decode(line[: line.index(b" ")] if line.count(b" ") == dim else line.rsplit(b" ", dim)[0])
        if names := wanted.names(word):
            try:
                vector = np.array(line.rsplit(b" ", dim)[1:], dtype=np.float32)
            except ValueError as error:
                raise ValueError(
                    f"{path}, line {i}: {dim} numbers are expected after {word!r}. {error}."
                ) from None
            wanted.keep(word, names, vector)
        progress.tick(i, len(wanted.rows))


def _read_binary(
    stream: BinaryIO, path: str, n: int, dim: int, at: int, wanted: _Wanted, verbose: int
) -> None:
    progress = _Progress(path, n, verbose)
    buffer, begin, size = b"", 0, 4 * dim
    for i in range(n):
        space = buffer.find(b" ", begin)
        while space < 0 or len(buffer) < space + 1 + size:
            more = stream.read(2**20)
            if not more:
                raise ValueError(
                    f"{path}: the file ends at byte {at + len(buffer)} inside word {i + 1} of the {n} "
                    "that its header promises; it is cut short or not in the word2vec format."
                )
            at += begin
            buffer, begin = buffer[begin:] + more, 0
            space = buffer.find(b" ", begin)
        word = _decode(buffer[begin:space].lstrip(b"\n"))
        if names := wanted.names(word):
            wanted.keep(word, names, np.frombuffer(buffer, "<f4", dim, space + 1).astype(np.float32))
        begin = space + 1 + size
        progress.tick(i + 1, len(wanted.rows))


def _decode(word: bytes) -> str:
    return word.decode("utf-8", "replace")


class _Progress:
    """A line every few seconds."""

    def __init__(self, path: str, total: int | None, verbose: int) -> None:
        self.path, self.total, self.verbose = path, total, verbose
        self._last = time.monotonic()

    def tick(self, n: int, kept: int) -> None:
        if not self.verbose or n % 1024 or time.monotonic() - self._last < _SECONDS:
            return
        self._last = time.monotonic()
        of = f" of {self.total:,}" if self.total else ""
        sys.stdout.write(f"[{os.path.basename(self.path)}] {n:,}{of} vectors read, {kept:,} kept\n")
        sys.stdout.flush()
