"""Stage 2: vectors for the terms of a vocabulary, from WordVectors, files, dicts or gensim."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skrnn.text.term_matcher import TermMatcher
from skrnn.text.vector_files import read_all_vectors, read_vectors


class Coverage(NamedTuple):
    """Which part of some texts has a vector."""

    types: float  # share of the distinct words
    tokens: float  # share of all words


class WordVectors:
    """Words and their vectors, for the `embeddings` of an estimator.

    A vocabulary term takes the vector of the same word. If there is none, it
    takes the vector of a canonically equivalent word ("é" may be one code
    point or two), then of its lower-case form, then of the first word that
    differs in case only. ``vectors[word]`` looks up the exact word.

    Parameters
    ----------
    words : iterable of str of length n_words
        Words, without repetitions.
    vectors : array-like of shape (n_words, dim)
        Their vectors.

    Attributes
    ----------
    words : list of str of length n_words
        Words.
    vectors : ndarray of float32 of shape (n_words, dim)
        Their vectors.

    Raises
    ------
    TypeError
        If a word is not a str.
    ValueError
        If `vectors` has another shape, a word is repeated, or a value is
        not finite.

    See Also
    --------
    train_vectors : Learns vectors from texts without labels.

    Examples
    --------
    >>> from skrnn import WordVectors
    >>> vectors = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
    >>> vectors["bad"]
    array([-0.5,  1. ], dtype=float32)
    >>> "ugly" in vectors, len(vectors), vectors.dim
    (False, 2, 2)
    >>> vectors.coverage(["Good", "good", "bad", "ugly"])
    Coverage(types=0.75, tokens=0.75)
    """

    def __init__(self, words: Iterable[str], vectors: Any) -> None:
        self.words = _check_words(words)
        self.vectors = _check_matrix(vectors, len(self.words), np.float32)
        self._index_words()

    def _index_words(self) -> None:
        self._rows = {word: i for i, word in enumerate(self.words)}
        if len(self._rows) < len(self.words):
            repeated = next(word for word, n in Counter(self.words).items() if n > 1)
            n_repeated = len(self.words) - len(self._rows)
            raise ValueError(
                f"words of WordVectors must not be repeated. {n_repeated} of {len(self.words)} are "
                f"repetitions; the first repeated word is {repeated!r}. Keep each word once."
            )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        vocabulary: Iterable[str] | None = None,
        errors: str = "strict",
        verbose: int = 0,
    ) -> WordVectors:
        r"""Read a vector file: text (GloVe, word2vec, fastText .vec) or word2vec's binary format.

        Parameters
        ----------
        path : str or PathLike
            The file. It may be compressed by gzip, bzip2, xz or zstd (which
            needs pyarrow), or be the only file of a zip archive.
        vocabulary : iterable of str, default=None
            The words to keep; the vectors of other words are never held in
            memory. None keeps all words.
        errors : {"strict", "replace", "ignore"}, default="strict"
            How to treat words that are not valid UTF-8: raise a ValueError,
            or replace or leave out bytes as in ``bytes.decode``.
        verbose : int, default=0
            If not 0, write a line of progress every few seconds and one at
            the end.

        Returns
        -------
        vectors : WordVectors
            In the order of `vocabulary`, or of the file.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is damaged or has another format, a word is not valid
            UTF-8, or the file has no word of `vocabulary`. The message names
            the line or the byte, or how to load a file of another format.

        Examples
        --------
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "glove.txt")
        ...     with open(path, "w") as file:
        ...         _ = file.write("the 0.1 0.2\nfilm 0.3 0.4\n")
        ...     WordVectors.load(path, vocabulary=["Film", "plot"])["Film"]
        array([0.3, 0.4], dtype=float32)
        """
        if vocabulary is None:
            return cls(*read_all_vectors(path, errors=errors, verbose=verbose))
        terms = _check_words(dict.fromkeys(vocabulary))
        matrix, found = read_vectors(path, terms, errors=errors, verbose=verbose)
        if not found.any():
            raise ValueError(
                f"{os.fspath(path)} has no vector for any of the {len(terms)} words of vocabulary. Check "
                "that the words are those of the file."
            )
        return cls([terms[i] for i in np.flatnonzero(found)], matrix[found])

    @property
    def dim(self) -> int:
        """Number of values of a vector."""
        return self.vectors.shape[1]

    def coverage(self, tokens: Iterable[str] | Mapping[str, int]) -> Coverage:
        """Return which part of some texts has a vector.

        Use it to choose between vector files, or to check a tokenizer.

        Parameters
        ----------
        tokens : iterable of str, or mapping of str to int
            All words of the texts, or how often each word occurs.

        Returns
        -------
        coverage : Coverage
            ``types``, the share of the distinct words, and ``tokens``, the
            share of all words; 0.0 without words.
        """
        counts = Counter(tokens)
        matcher = TermMatcher(counts)
        for word in self.words:
            matcher.match(word)
        n = np.fromiter(counts.values(), np.int64, len(counts))
        if not n.any():
            return Coverage(0.0, 0.0)
        found = matcher.found
        return Coverage(float(found.mean()), float(n[found].sum() / n.sum()))

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self._rows[word]]

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, dim={self.dim})"

    def __getstate__(self) -> dict[str, Any]:
        """Return words and vectors, without the index."""
        return {"words": self.words, "vectors": self.vectors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore words and vectors, and build the index."""
        vars(self).update(state)
        self._index_words()


def vectors_of_terms(
    embeddings: Any, terms: list[str], *, owner: str, verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of some terms from any source of vectors.

    Parameters
    ----------
    embeddings : str, PathLike, WordVectors, gensim KeyedVectors, mapping, or (words, matrix)
        The source. Only the vectors of `terms` are read or copied.
    terms : list of str of length n_terms
        Terms, without repetitions. :class:`~skrnn.text.term_matcher.TermMatcher`
        chooses the word whose vector a term takes.
    owner : str
        Class name of the estimator, for error messages.
    verbose : int, default=0
        If not 0, write lines of progress while a file is read.

    Returns
    -------
    matrix : ndarray of float32 of shape (n_terms, dim)
        The vectors; zero for a term without a vector. FastText vectors of
        gensim compose the vector of a term that they have no word for.
    found : ndarray of bool of shape (n_terms,)
        Whether a term has a vector.

    Raises
    ------
    TypeError
        If `embeddings` has another type, or a word is not a str.
    FileNotFoundError
        If `embeddings` is a path and the file does not exist.
    ValueError
        If no term has a vector, or the vectors are not valid; see
        :meth:`WordVectors.load`.

    Examples
    --------
    >>> from skrnn.text.vectors import vectors_of_terms
    >>> vectors = {"good": [1, 2], "bad": [3, 4]}
    >>> matrix, found = vectors_of_terms(vectors, ["Good", "plot"], owner="RNNTextClassifier")
    >>> matrix.tolist(), found.tolist()
    ([[1.0, 2.0], [0.0, 0.0]], [True, False])
    """
    if isinstance(embeddings, (str, os.PathLike)):
        if not os.path.exists(embeddings):
            raise FileNotFoundError(
                f"embeddings of {owner} must be 'auto', 'random', vectors or the path of a vector file. "
                f"Got {os.fspath(embeddings)!r}, which does not exist."
            )
        matrix, found = read_vectors(embeddings, terms, verbose=verbose)
    else:
        embeddings = getattr(embeddings, "wv", embeddings)  # a complete gensim model
        matrix, found = _match_terms(*_open_source(embeddings, owner), terms)
        matrix, found = _compose_missing(embeddings, terms, matrix, found)
    if not found.any():
        raise ValueError(
            f"embeddings of {owner} has no vector for any of the {len(terms)} terms, for example "
            f"{', '.join(map(repr, terms[:3]))}. Set analyzer, token_pattern and lowercase so that the terms "
            "are words of embeddings."
        )
    return matrix, found


_GetVectors = Callable[[list[int]], Any]  # positions of words -> their vectors


def _open_source(embeddings: Any, owner: str) -> tuple[list[str], _GetVectors]:
    """Return the words of a source of vectors, and a function that returns the vectors of some."""
    if isinstance(embeddings, WordVectors):
        return embeddings.words, embeddings.vectors.__getitem__
    if hasattr(embeddings, "key_to_index"):
        words = _check_words(embeddings.key_to_index)
        if hasattr(embeddings, "get_vector"):
            return words, lambda positions: [embeddings.get_vector(words[i]) for i in positions]
        rows = list(embeddings.key_to_index.values())
        return words, lambda positions: np.asarray(embeddings.vectors)[[rows[i] for i in positions]]
    if isinstance(embeddings, Mapping):
        words = _check_words(embeddings)
        return words, lambda positions: [embeddings[words[i]] for i in positions]
    if isinstance(embeddings, (tuple, list)) and len(embeddings) == 2:
        words = _check_words(embeddings[0])
        return words, _check_matrix(embeddings[1], len(words)).__getitem__
    raise TypeError(
        f"embeddings of {owner} must be 'auto', 'random', a path, WordVectors, KeyedVectors, a dict, or "
        f"a pair of words and matrix. Got {type(embeddings).__name__} instead.{_table_hint(embeddings)}"
    )


def _table_hint(embeddings: Any) -> str:
    """Return a sentence that says how to pass a pandas or polars object."""
    if hasattr(embeddings, "index") and hasattr(embeddings, "columns"):
        return " If its index holds the words, pass (frame.index, frame)."
    if hasattr(embeddings, "columns"):
        return " Pass the column of words and the others, for example (frame['word'], frame.drop('word'))."
    return " Pass dict(series)." if hasattr(embeddings, "index") and hasattr(embeddings, "dtype") else ""


def _match_terms(
    words: list[str], get_vectors: _GetVectors, terms: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of terms, (n_terms, dim) float32, and whether each has one, (n_terms,) bool."""
    matcher, positions = TermMatcher(terms), np.zeros(len(terms), np.int64)
    for position, word in enumerate(words):
        if improved := matcher.match(word):
            positions[improved] = position
    found = matcher.found
    if not found.any():
        return np.zeros((len(terms), 0), np.float32), found
    vectors = _stack(get_vectors(positions[found].tolist()), [words[i] for i in positions[found]])
    matrix = np.zeros((len(terms), vectors.shape[1]), np.float32)
    matrix[found] = vectors
    return matrix, found


def _compose_missing(
    embeddings: Any, terms: list[str], matrix: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add the vectors that a source composes for terms without a word, as FastText vectors of gensim do."""
    if not (hasattr(embeddings, "get_vector") and hasattr(embeddings, "vectors_ngrams")):
        return matrix, found
    min_length = embeddings.min_n - 2  # an n-gram has the two marks around the term
    missing = [i for i in np.flatnonzero(~found) if len(terms[i]) >= min_length and terms[i] in embeddings]
    if not missing:
        return matrix, found
    names = [terms[i] for i in missing]
    vectors = _stack([embeddings.get_vector(name) for name in names], names)
    if not found.any():
        matrix = np.zeros((len(terms), vectors.shape[1]), np.float32)
    matrix[missing] = vectors
    found = found.copy()
    found[missing] = vectors.any(axis=1)
    return matrix, found


def _stack(vectors: Sequence[Any], words: list[str]) -> np.ndarray:
    """Return vectors as a matrix, or raise a ValueError that names the first vector of another shape."""
    arrays = [np.asarray(vector, dtype=np.float32) for vector in vectors]
    shape = arrays[0].shape if arrays[0].ndim == 1 and arrays[0].size else "(dim,)"
    for word, array in zip(words, arrays, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"Vectors must have the same shape (dim,). Got {arrays[0].shape} for {words[0]!r} and "
                f"{array.shape} for {word!r}."
            )
    return _check_matrix(np.stack(arrays), len(words), np.float32)


def _check_words(words: Iterable[Any]) -> list[str]:
    """Return words as a list of str, or raise a TypeError that names the first other value."""
    given = words.to_pylist() if hasattr(words, "to_pylist") else list(words)  # the former of pyarrow
    for i, word in enumerate(given):
        if not isinstance(word, str):
            raise TypeError(f"Words must be str. Got {word!r} of {type(word).__name__} at position {i}.")
    return given if set(map(type, given)) <= {str} else [str(word) for word in given]


def _check_matrix(vectors: Any, n_words: int, dtype: Any = None) -> np.ndarray:
    """Return vectors as an array of shape (n_words, dim); with a dtype, also check that they are finite."""
    array = np.asarray(vectors, dtype=dtype)
    if array.ndim != 2 or len(array) != n_words or not array.size:
        raise ValueError(
            f"vectors must have shape ({n_words}, dim), one row per word. Got {array.shape} instead."
        )
    if dtype is not None and not np.isfinite(array).all():
        wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise ValueError(
            f"vectors must have finite float32 values. {len(wrong)} of {n_words} rows have other values; the "
            f"first is row {wrong[0]}. Remove these words."
        )
    return array
