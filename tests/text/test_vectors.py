"""WordVectors, and the other sources of vectors that `embeddings` accepts."""

import pickle
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skrnn import RNNTextClassifier, WordVectors
from skrnn.text.vectors import Coverage, vectors_of_terms

WORDS, MATRIX = ["Good", "bad", "Film"], np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
TERMS = ["good", "plot", "Film", "bad"]


class KeyedVectors:
    """The part of gensim's KeyedVectors that is used."""

    def __init__(self, order=(0, 1, 2), with_method=True):
        self.key_to_index = {WORDS[i]: i for i in order}
        self.vectors = MATRIX
        if with_method:
            self.get_vector = lambda key: MATRIX[self.key_to_index[key]]


def vector_file(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("".join(f"{word} {a} {b}\n" for word, (a, b) in zip(WORDS, MATRIX, strict=True)))
    return path


SOURCES = {
    "path": vector_file,
    "str": lambda tmp_path: str(vector_file(tmp_path)),
    "WordVectors": lambda _: WordVectors(WORDS, MATRIX),
    "KeyedVectors": lambda _: KeyedVectors(),
    "KeyedVectors in another order": lambda _: KeyedVectors(order=(2, 0, 1)),
    "KeyedVectors without get_vector": lambda _: KeyedVectors(order=(2, 0, 1), with_method=False),
    "model of gensim": lambda _: SimpleNamespace(wv=KeyedVectors()),
    "dict": lambda _: dict(zip(WORDS, MATRIX.tolist(), strict=True)),
    "Series of arrays": lambda _: dict(pd.Series(list(MATRIX), index=WORDS)),
    "words and matrix": lambda _: (WORDS, MATRIX),
    "words and matrix in a list": lambda _: [np.array(WORDS), MATRIX.astype(np.float64)],
    "words and frame": lambda _: (pd.Index(WORDS), pd.DataFrame(MATRIX)),
}


# the form of the texts and a canonically equivalent one: Bengali, Hangul, accents in another order, Kelvin
EQUIVALENT = {
    "\u09af\u09bc": "\u09df",
    "\ud55c": "\u1112\u1161\u11ab",
    "\u00e9": "e\u0301",
    "\u1ecd\u0302": "o\u0302\u0323",
    "k": "\u212a",
}


def as_file(form, tmp_path, words, matrix):
    path = tmp_path / form
    if form == "binary":
        rows = zip(words, matrix.astype("<f4"), strict=True)
        data = b"".join(word.encode() + b" " + row.tobytes() for word, row in rows)
    else:
        rows = zip(words, matrix.tolist(), strict=True)
        data = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in rows).encode()
    path.write_bytes(b"%d %d\n" % matrix.shape + data)
    return path


def keyed_vectors(tmp_path, words, matrix):
    found = pytest.importorskip("gensim.models").KeyedVectors(matrix.shape[1])
    found.add_vectors(words, matrix)
    return found


FORMS = {
    "text": lambda *source: as_file("text", *source),
    "binary": lambda *source: as_file("binary", *source),
    "loaded": lambda *source: WordVectors.load(as_file("text", *source)),
    "WordVectors": lambda _, words, matrix: WordVectors(words, matrix),
    "dict": lambda _, words, matrix: dict(zip(words, matrix, strict=True)),
    "pair": lambda _, words, matrix: (words, matrix),
    "pandas": lambda _, words, matrix: (pd.Index(words), pd.DataFrame(matrix)),
    "polars": lambda _, words, matrix: (pl.Series(words), pl.DataFrame(matrix)),
    "pyarrow": lambda _, words, matrix: (pytest.importorskip("pyarrow").array(words), matrix),
    "gensim": keyed_vectors,
}


@pytest.mark.parametrize("form", FORMS)
def test_canonically_equivalent_words_match_from_every_source(form, tmp_path):
    terms, words = list(EQUIVALENT), list(EQUIVALENT.values())
    matrix = np.random.default_rng(0).normal(size=(len(words), 4)).astype(np.float32)
    for wanted, given in ((terms, words), (words, terms)):
        vectors, found = vectors_of_terms(
            FORMS[form](tmp_path, given, matrix), wanted, owner="RNNTextEncoder"
        )
        assert found.all()
        np.testing.assert_array_equal(vectors, matrix)


def test_loading_a_vocabulary_and_coverage_match_canonically_equivalent_words(tmp_path):
    terms, words = list(EQUIVALENT), list(EQUIVALENT.values())
    path = as_file("text", tmp_path, words, np.eye(len(words), dtype=np.float32))
    vectors = WordVectors.load(path, vocabulary=terms)
    assert vectors.words == terms
    np.testing.assert_array_equal(vectors.vectors, np.eye(len(words)))
    assert WordVectors.load(path).coverage(terms) == Coverage(1.0, 1.0)


def test_fasttext_vectors_compose_the_words_that_they_lack(caplog):
    models = pytest.importorskip("gensim.models")
    sentences = [["good", "film", "bad", "plot"]] * 5
    model = models.FastText(sentences, vector_size=4, min_count=1, bucket=50, epochs=1, min_n=4, seed=0)
    for source in (model, model.wv):
        terms = ["goodness", "GOOD", "film", "filmé", "x"]
        vectors, found = vectors_of_terms(source, terms, owner="RNNTextEncoder")
        assert found.tolist() == [True, True, True, True, False]
        np.testing.assert_array_equal(vectors[0], model.wv.get_vector("goodness"))
        np.testing.assert_array_equal(vectors[1], model.wv.get_vector("good"))
        np.testing.assert_array_equal(vectors[3], model.wv.get_vector("filmé"))
        only, found = vectors_of_terms(source, ["goodness"], owner="RNNTextEncoder")
        assert found.all() and np.array_equal(only[0], vectors[0])
    assert not caplog.records  # gensim logs a warning for a word without n-grams
    plain = models.Word2Vec(sentences, vector_size=4, min_count=1, epochs=1)
    assert vectors_of_terms(plain, ["goodness", "good"], owner="RNNTextEncoder")[1].tolist() == [False, True]


def test_the_ways_to_load_files_of_gensim_and_fasttext_work(tmp_path):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    from gensim.models import KeyedVectors, Word2Vec

    sentences = [["good", "film"]] * 5
    model = fasttext.FastText(sentences, vector_size=4, min_count=1, bucket=50, epochs=1)
    fasttext.save_facebook_model(model, str(tmp_path / "fasttext.bin"))
    model.wv.save(str(tmp_path / "fasttext.kv"))
    Word2Vec(sentences, vector_size=4, min_count=1, epochs=1).save(str(tmp_path / "word2vec.model"))
    loaders = {
        "fasttext.bin": ("fasttext.load_facebook_vectors", fasttext.load_facebook_vectors),
        "fasttext.kv": ("KeyedVectors.load", KeyedVectors.load),
        "word2vec.model": ("KeyedVectors.load", KeyedVectors.load),
    }
    for name, (advice, load) in loaders.items():
        path = str(tmp_path / name)
        with pytest.raises(ValueError, match=f"has another format: .*{advice}"):
            vectors_of_terms(path, ["good"], owner="RNNTextEncoder")
        assert vectors_of_terms(load(path), ["good"], owner="RNNTextEncoder")[1].all()


def test_words_with_spaces_that_gensim_writes_are_read(tmp_path):
    words = ["film", "new york", "windows 95", "é à la"]
    matrix = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    vectors = keyed_vectors(tmp_path, words, matrix)
    for is_binary in (False, True):
        path = str(tmp_path / "vectors")
        vectors.save_word2vec_format(path, binary=is_binary)
        read = WordVectors.load(path)
        assert read.words == words
        np.testing.assert_array_equal(read.vectors, matrix)


def test_a_table_is_refused_with_the_way_to_pass_it():
    frame = pd.DataFrame([[1.0, 2.0]], index=["good"])
    table = pl.DataFrame({"word": ["good"], "x": [1.0], "y": [2.0]})
    series = pd.Series({"good": [1.0, 2.0]})
    for given, remedy, passed in (
        (frame, "(frame.index, frame)", (frame.index, frame)),
        (table, "(frame['word'], frame.drop('word'))", (table["word"], table.drop("word"))),
        (series, "dict(series)", dict(series)),
    ):
        with pytest.raises(TypeError, match=re.escape(remedy)):
            vectors_of_terms(given, ["good"], owner="RNNTextEncoder")
        assert vectors_of_terms(passed, ["good"], owner="RNNTextEncoder")[0].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_returns_the_same_vectors(source, tmp_path):
    matrix, found = vectors_of_terms(SOURCES[source](tmp_path), TERMS, owner="RNNTextClassifier")
    np.testing.assert_array_equal(matrix, [[1, 2], [0, 0], [5, 6], [3, 4]])
    assert matrix.dtype == np.float32 and found.dtype == bool
    assert found.tolist() == [True, False, True, True]


def test_only_the_vectors_of_terms_are_read():
    read = []

    class Lazy(dict):
        def __getitem__(self, word):
            read.append(word)
            return super().__getitem__(word)

    vectors_of_terms(Lazy(zip(WORDS, MATRIX, strict=True)), ["bad"], owner="RNNTextClassifier")
    assert read == ["bad"]


@pytest.mark.parametrize(
    ("embeddings", "error", "message"),
    [
        (3, TypeError, "embeddings of RNNTextEncoder must be 'auto', .* Got int instead"),
        (None, TypeError, "Got NoneType instead"),
        ("atuo", FileNotFoundError, "embeddings of RNNTextEncoder must be 'auto', .* Got 'atuo'"),
        ({}, ValueError, "no vector for any of the 4 terms, for example 'good', 'plot', 'Film'"),
        ({"x": [1.0]}, ValueError, "embeddings of RNNTextEncoder has no vector for any"),
        ({1: [1.0]}, TypeError, "must be str. Got 1 of int at position 0"),
        ({"good": [1.0, 2.0], "bad": [1.0]}, ValueError, r"Got \(2,\) for 'good' and \(1,\) for 'bad'"),
        ({"good": 1.0}, ValueError, r"Got \(\) for 'good'"),
        ({"good": [1.0, np.nan]}, ValueError, "finite float32 values. 1 of 1 rows"),
        ((["good"], [[1.0], [2.0]]), ValueError, r"must have shape \(1, dim\).* Got \(2, 1\)"),
        ((["good", "bad"], [1.0, 2.0]), ValueError, r"must have shape \(2, dim\).* Got \(2,\)"),
    ],
)
def test_invalid_embeddings_are_refused(embeddings, error, message):
    with pytest.raises(error, match=message):
        vectors_of_terms(embeddings, TERMS, owner="RNNTextEncoder")


@pytest.mark.parametrize(
    ("words", "vectors", "error", "message"),
    [
        (["a", "b"], [[1.0]], ValueError, r"shape \(2, dim\), one row per word. Got \(1, 1\)"),
        (["a"], [1.0], ValueError, r"Got \(1,\)"),
        ([], np.zeros((0, 3)), ValueError, r"shape \(0, dim\)"),
        (
            ["a", "b", "b", "a"],
            [[1.0]] * 4,
            ValueError,
            "2 of 4 are repetitions; .* word is 'a'",
        ),
        (["a", None], [[1.0]] * 2, TypeError, "must be str. Got None of NoneType at position 1"),
        (["a", "b"], [[1.0], [np.inf]], ValueError, "1 of 2 rows have other values; the first is row 1"),
    ],
)
def test_invalid_words_and_vectors_are_refused(words, vectors, error, message):
    with pytest.raises(error, match=message):
        WordVectors(words, vectors)


def test_pickles_hold_words_and_vectors_only():
    vectors = WordVectors(np.array(WORDS), MATRIX.astype(np.float64))
    assert [type(word) for word in vectors.words] == [str] * 3 and vectors.vectors.dtype == np.float32
    copy = pickle.loads(pickle.dumps(vectors))
    assert vars(copy).keys() == vars(vectors).keys() and list(copy) == WORDS
    np.testing.assert_array_equal(copy["bad"], [3, 4])
    assert "Good" in copy and "good" not in copy and len(copy) == 3 and copy.dim == 2
    assert b"_rows" not in pickle.dumps(vectors)
    with pytest.raises(KeyError, match="good"):
        copy["good"]


def test_load_returns_words_in_the_order_of_the_vocabulary_or_the_file(tmp_path):
    path = vector_file(tmp_path)
    assert WordVectors.load(path).words == WORDS
    some = WordVectors.load(path, vocabulary=["film", "bad", "plot", "film"])
    assert some.words == ["film", "bad"]
    np.testing.assert_array_equal(some.vectors, [[5, 6], [3, 4]])
    with pytest.raises(ValueError, match="no vector for any of the 1 words of vocabulary"):
        WordVectors.load(path, vocabulary=["plot"])
    with pytest.raises(FileNotFoundError):
        WordVectors.load(tmp_path / "none.txt")


def test_coverage_is_the_share_of_distinct_words_and_of_all_words():
    vectors = WordVectors(WORDS, MATRIX)
    assert vectors.coverage(["good", "GOOD", "bad", "bad", "plot"]) == Coverage(3 / 4, 4 / 5)
    assert vectors.coverage({"bad": 9, "plot": 1}) == Coverage(0.5, 0.9)
    assert vectors.coverage([]) == Coverage(0.0, 0.0)


def test_frozen_embeddings_keep_the_given_vectors(tmp_path):
    texts, labels = ["good film", "bad film", "a good plot", "a bad plot"], [1, 0, 1, 0]
    frozen = RNNTextClassifier(
        embeddings=vector_file(tmp_path), trainable_embeddings=False, rnn_units=3, epochs=1, random_state=0
    ).fit(texts, labels)
    embedding = frozen._weights["embedding/embeddings"]
    assert embedding.shape[1] == 2
    for word, row in {"good": [1, 2], "bad": [3, 4], "film": [5, 6]}.items():
        np.testing.assert_array_equal(embedding[frozen.vocabulary_[word]], row)
    assert embedding[frozen.vocabulary_["plot"]].any(), "a word without a vector starts from random numbers"
