"""Word vectors learned from texts."""

import numpy as np
import pytest

from skrnn import train_vectors
from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text import cooccurrence
from skrnn.text.cooccurrence import STANDARD_DEVIATION, cooccurrence_vectors
from skrnn.text.tokens import Tokens

TEXTS = [
    f"{article} {colour} {thing} {verb} here"
    for article in ("a", "the")
    for colour in ("red", "blue")
    for thing, verb in (("car", "stops"), ("bus", "stops"), ("cat", "sleeps"), ("dog", "sleeps"))
]


def count_neighbours(sequences, n_ids, window):
    """Count pair by pair, as the definition says."""
    counts = np.zeros((n_ids, n_ids))
    for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        row = sequences.ids[start:stop].tolist()
        for i, a in enumerate(row):
            for j, b in enumerate(row):
                if 0 < abs(i - j) <= window and min(a, b) >= N_SPECIAL:
                    counts[a, b] += 1 / abs(i - j)
    return counts


@pytest.mark.parametrize("window", [1, 2, 5])
def test_vectors_approximate_the_mutual_information_best(window):
    """With all dimensions, the singular value decomposition fixes the inner products of the vectors."""
    rng = np.random.default_rng(0)
    sequences = Ragged(rng.integers(0, 9, 60).astype(np.int32), np.array([0, 0, 1, 4, 30, 30, 60]))
    counts = count_neighbours(sequences, 9, window)[N_SPECIAL:, N_SPECIAL:]
    smoothed = counts.sum(axis=1) ** 0.75
    with np.errstate(divide="ignore"):
        information = np.log(counts * smoothed.sum() / (counts.sum(axis=1)[:, None] * smoothed))
    u, s, _ = np.linalg.svd(np.maximum(information, 0))
    expected = u * np.sqrt(s)
    vectors = cooccurrence_vectors(sequences, 9, len(counts), rng, window=window)
    assert not vectors[:N_SPECIAL].any()
    products, expected = vectors[N_SPECIAL:] @ vectors[N_SPECIAL:].T, expected @ expected.T
    np.testing.assert_allclose(products / products.max(), expected / expected.max(), atol=1e-4)


@pytest.mark.parametrize("pairs", [1, 20])
def test_the_size_of_a_chunk_does_not_change_the_vectors(monkeypatch, pairs):
    sequences = Tokens.fit(TEXTS)[1]
    expected = cooccurrence_vectors(sequences, 16, 4, np.random.default_rng(0))
    monkeypatch.setattr(cooccurrence, "PAIRS_PER_CHUNK", pairs)
    vectors = cooccurrence_vectors(sequences, 16, 4, np.random.default_rng(0))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_words_with_the_same_neighbours_have_similar_vectors():
    vectors = train_vectors(TEXTS, dim=4, random_state=0)

    def cosine(a, b):
        return vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])

    assert cosine("car", "bus") > 0.9 > cosine("car", "cat")
    assert cosine("cat", "dog") > 0.9


def test_the_same_seed_leads_to_the_same_vectors():
    one, again, other = (train_vectors(TEXTS, dim=4, random_state=seed).vectors for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    state = np.random.get_state()[1].copy()
    train_vectors(TEXTS, dim=4)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    train_vectors(TEXTS, dim=4, random_state=np.random.RandomState(0))


def test_vectors_have_the_documented_standard_deviation():
    vectors = train_vectors(TEXTS, dim=4, random_state=0).vectors
    assert vectors.std() == pytest.approx(STANDARD_DEVIATION, rel=1e-3) and vectors.dtype == np.float32


def test_vectors_are_zero_beyond_the_number_of_terms_and_without_neighbours():
    vectors = train_vectors(["a b"], dim=5, random_state=0)
    assert vectors.dim == 5 and np.isfinite(vectors.vectors).all()
    assert not train_vectors(["a", "b"], dim=2).vectors.any()
    alone = train_vectors([*TEXTS, "alone"], dim=3, random_state=0)
    assert not alone["alone"].any() and alone["car"].any()


def test_the_parameters_of_the_analyzer_are_used():
    vectors = train_vectors(["A b", "A c"], dim=2, lowercase=False, vocab_size=N_SPECIAL + 2)
    assert vectors.words == ["A", "b"]
    assert train_vectors(["ab", "ac"], dim=2, analyzer="char").words == ["a", "b", "c"]
    assert train_vectors(["a b"], dim=2, vocabulary=["b", "a"]).words == ["b", "a"]
    assert train_vectors(["a b b"], dim=2, min_df=1, tokenizer=str.split).words == ["b", "a"]


@pytest.mark.parametrize("name", ["dim", "window"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None])
def test_invalid_sizes_are_refused(name, value):
    with pytest.raises(
        ValueError, match=f"The {name} parameter of train_vectors must be an int >= 1. Got {value!r}"
    ):
        train_vectors(TEXTS, **{name: value})


@pytest.mark.parametrize("analyzer", ["words", None, ["word"]])
def test_an_unknown_analyzer_is_refused(analyzer):
    with pytest.raises(ValueError, match="must be one of 'word', 'char', 'subword' or a callable"):
        train_vectors(TEXTS, analyzer=analyzer)


def test_invalid_texts_are_refused():
    with pytest.raises(TypeError, match="texts of train_vectors must be a collection of texts"):
        train_vectors("a text")
    with pytest.raises(ValueError, match="empty vocabulary"):
        train_vectors(["", " "])
