"""Stage 2: words and their vectors, and what else holds such: files, dicts, KeyedVectors of gensim."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skrnn.text.vector_files import CaseFallback, read_all, read_rows


class Coverage(NamedTuple):
    """How much of some texts has a vector."""

    types: float  # share of the different words
    tokens: float  # share of all words


class WordVectors:
    """Words and their vectors.

    A word that is not there takes the vector of its lower-case form, else of the first word that differs from
    it in case only, wherever the words of texts are looked up; ``vectors[word]`` is exact.

    Parameters
    ----------
    words : iterable of str of length n_words
        Words, each once.
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
        If a word is no str.
    ValueError
        If there is not one vector a word, a word is there twice, or a value is not finite.

    See Also
    --------
    train_vectors : Makes vectors from texts.

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
        self.words = _strings(words)
        self.vectors = _matrix(vectors, len(self.words), np.float32)
        self._index()

    def _index(self) -> None:
        self._rows = {word: i for i, word in enumerate(self.words)}
        if len(self._rows) < len(self.words):
            twice = next(word for word, n in Counter(self.words).items() if n > 1)
            n_twice = len(self.words) - len(self._rows)
            raise ValueError(
                f"words of WordVectors must be different. {n_twice} of {len(self.words)} are repeated; the "
                f"first is {twice!r}. Leave out all but one."
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
        r"""Read a file of vectors: text (GloVe, word2vec, fastText .vec) or word2vec's binary.

        Parameters
        ----------
        path : str or PathLike
            The file; one compressed by gzip or xz, or alone in a zip archive, is read as it is.
        vocabulary : iterable of str, default=None
            The words to keep; None for all. The others never are in memory.
        errors : {"strict", "replace", "ignore"}, default="strict"
            What to do with words that are not UTF-8: raise an error, or as ``bytes.decode`` does.
        verbose : int, default=0
            Whether to write a line of progress every few seconds, and one at the end.

        Returns
        -------
        vectors : WordVectors
            In the order of `vocabulary`, or of the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the header is wrong, a line is not as wide as the first, a word is not UTF-8, a binary or
            compressed file ends too soon, or no word of `vocabulary` is there; with the line or the byte.

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
            return cls(*read_all(path, errors=errors, verbose=verbose))
        terms = _strings(dict.fromkeys(vocabulary))
        matrix, found = read_rows(path, terms, errors=errors, verbose=verbose)
        if not found.any():
            raise ValueError(
                f"{os.fspath(path)} has no vector of any of the {len(terms)} words of vocabulary."
            )
        return cls([terms[i] for i in np.flatnonzero(found)], matrix[found])

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.vectors.shape[1]

    def coverage(self, tokens: Iterable[str] | Mapping[str, int]) -> Coverage:
        """Return how many of the words of texts have a vector.

        Parameters
        ----------
        tokens : iterable of str, or mapping of str to int
            All words of the texts one after the other, or how often each is there.

        Returns
        -------
        coverage : Coverage
            ``types``, the share of the different words, and ``tokens``, the share of all words.
        """
        counts = Counter(tokens)
        fallback = CaseFallback(counts)
        for word in self.words:
            fallback.takers(word)
        n = np.fromiter(counts.values(), np.int64, len(counts))
        found = fallback.found
        return (
            Coverage(float(found.mean()), float(n[found].sum() / n.sum())) if n.any() else Coverage(0.0, 0.0)
        )

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
        """Return words and vectors alone."""
        return {"words": self.words, "vectors": self.vectors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take words and vectors."""
        vars(self).update(state)
        self._index()


def look_up(
    embeddings: Any, terms: list[str], *, owner: str, verbose: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of terms from whatever holds vectors.

    Parameters
    ----------
    embeddings : str, PathLike, WordVectors, KeyedVectors of gensim, mapping, or (words, matrix)
        What holds them; the vectors of `terms` alone are copied, or of a file read.
    terms : list of str of length n_terms
        Terms, each once. One that has no vector takes that of its lower-case form, else of the first word
        that differs from it in case only.
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
    FileNotFoundError
        If it is a path and there is no such file.
    ValueError
        If it has no vector of any term, or is broken, see :meth:`WordVectors.load`.

    Examples
    --------
    >>> from skrnn.text.vectors import look_up
    >>> matrix, found = look_up({"good": [1, 2], "bad": [3, 4]}, ["Good", "plot"], owner="RNNTextClassifier")
    >>> matrix.tolist(), found.tolist()
    ([[1.0, 2.0], [0.0, 0.0]], [True, False])
    """
    if isinstance(embeddings, (str, os.PathLike)):
        if not os.path.exists(embeddings):
            raise FileNotFoundError(
                f"embeddings of {owner} must be 'auto', 'random', vectors or the path of a file of vectors. "
                f"Got {os.fspath(embeddings)!r}, and there is no such file."
            )
        matrix, found = read_rows(embeddings, terms, verbose=verbose)
    else:
        matrix, found = _rows_of_words(*_words_and_rows(embeddings, owner), terms)
    if not found.any():
        raise ValueError(
            f"embeddings of {owner} has no vector of any of the {len(terms)} terms, the first of which are "
            f"{', '.join(map(repr, terms[:3]))}. Check that its words are cut as analyzer, token_pattern and "
            "lowercase cut the texts."
        )
    return matrix, found


_RowsOf = Callable[[list[int]], Any]  # places of words -> their vectors


def _words_and_rows(embeddings: Any, owner: str) -> tuple[list[str], _RowsOf]:
    """Return the words of what holds vectors, and how to get at the rows of some."""
    embeddings = getattr(embeddings, "wv", embeddings)  # a whole model of gensim
    if isinstance(embeddings, WordVectors):
        return embeddings.words, embeddings.vectors.__getitem__
    if hasattr(embeddings, "key_to_index"):
        words = _strings(embeddings.key_to_index)
        if hasattr(embeddings, "get_vector"):
            return words, lambda rows: [embeddings.get_vector(words[i]) for i in rows]
        places = list(embeddings.key_to_index.values())
        return words, lambda rows: np.asarray(embeddings.vectors)[[places[i] for i in rows]]
    if isinstance(embeddings, Mapping):
        words = _strings(embeddings)
        return words, lambda rows: [embeddings[words[i]] for i in rows]
    if isinstance(embeddings, (tuple, list)) and len(embeddings) == 2:
        words = _strings(embeddings[0])
        return words, _matrix(embeddings[1], len(words)).__getitem__
    raise TypeError(
        f"embeddings of {owner} must be 'auto', 'random', a path, WordVectors, KeyedVectors, a dict, or "
        f"a pair of words and matrix. Got {type(embeddings).__name__} instead."
    )


def _rows_of_words(words: list[str], rows_of: _RowsOf, terms: list[str]) -> tuple[np.ndarray, np.ndarray]:
    fallback, places = CaseFallback(terms), np.zeros(len(terms), np.int64)
    for place, word in enumerate(words):
        if takers := fallback.takers(word):
            places[takers] = place
    found = fallback.found
    if not found.any():
        return np.zeros((len(terms), 0), np.float32), found
    wanted = [words[i] for i in places[found]]
    rows = rows_of(places[found].tolist())
    vectors = _same_width(rows, wanted)
    matrix = np.zeros((len(terms), vectors.shape[1]), np.float32)
    matrix[found] = vectors
    return matrix, found


def _same_width(rows: Sequence[Any], words: list[str]) -> np.ndarray:
    """Return vectors as a matrix, or say which word's vector is not as the first one's."""
    arrays = [np.asarray(row, dtype=np.float32) for row in rows]
    shape = arrays[0].shape if arrays[0].ndim == 1 and arrays[0].size else "(dim,)"
    for word, array in zip(words, arrays, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"Vectors must have one shape (dim,); that of {words[0]!r} is {arrays[0].shape}, that of "
                f"{word!r} {array.shape}."
            )
    return _matrix(np.stack(arrays), len(words), np.float32)


def _strings(words: Iterable[Any]) -> list[str]:
    given = list(words)
    for i, word in enumerate(given):
        if not isinstance(word, str):
            raise TypeError(
                f"Words of vectors must be str. Got {word!r} of {type(word).__name__} at position {i}."
            )
    return given if set(map(type, given)) <= {str} else [str(word) for word in given]


def _matrix(vectors: Any, n_words: int, dtype: Any = None) -> np.ndarray:
    """Return vectors as an array of shape (n_words, dim); with a dtype, finite ones of it."""
    array = np.asarray(vectors, dtype=dtype)
    if array.ndim != 2 or len(array) != n_words or not array.size:
        raise ValueError(
            f"vectors must have shape ({n_words}, dim), one row a word. Got {array.shape} instead."
        )
    if dtype is not None and not np.isfinite(array).all():
        wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise ValueError(
            f"Vectors must have finite values of float32. {len(wrong)} of {n_words} have others; the first "
            f"is in row {wrong[0]}. Leave these words out."
        )
    return array
