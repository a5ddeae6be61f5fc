"""Vectors made from texts."""

import numpy as np
import pytest

from skrnn import train_vectors
from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text import cooccurrence
from skrnn.text.cooccurrence import SCALE, cooccurrence_vectors
from skrnn.text.tokens import Tokens

TEXTS = [
    f"{article} {colour} {thing} {verb} here"
    for article in ("a", "the")
    for colour in ("red", "blue")
    for thing, verb in (("car", "stops"), ("bus", "stops"), ("cat", "sleeps"), ("dog", "sleeps"))
]


def counted_plainly(sequences, n_ids, window):
    """Count pair after pair, as the definition says."""
    counts = np.zeros((n_ids, n_ids))
    for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        row = sequences.ids[start:stop].tolist()
        for i, a in enumerate(row):
            for j, b in enumerate(row):
                if 0 < abs(i - j) <= window and min(a, b) >= N_SPECIAL:
                    counts[a, b] += 1 / abs(i - j)
    return counts


@pytest.mark.parametrize("pairs", [1, 20, 10**6])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_neighbours_are_counted_within_texts_in_chunks_of_any_size(monkeypatch, pairs, window):
    monkeypatch.setattr(cooccurrence, "_PAIRS", pairs)
    rng = np.random.default_rng(0)
    sequences = Ragged(rng.integers(0, 9, 60).astype(np.int32), np.array([0, 0, 1, 4, 30, 30, 60]))
    counts = cooccurrence._neighbours(sequences, 9, window)
    np.testing.assert_allclose(counts.toarray(), counted_plainly(sequences, 9, window))


def test_vectors_are_the_best_approximation_of_the_information():
    """With all dimensions U S U' V' is the matrix again, so the rows' inner products are known."""
    tokens, sequences = Tokens.fit(TEXTS)
    counts = counted_plainly(sequences, tokens.n_ids, 2)[N_SPECIAL:, N_SPECIAL:]
    smoothed = counts.sum(axis=1) ** 0.75
    with np.errstate(divide="ignore"):
        information = np.log(counts * smoothed.sum() / (counts.sum(axis=1)[:, None] * smoothed))
    u, s, _ = np.linalg.svd(np.maximum(information, 0))
    expected = u * np.sqrt(s)
    dim = len(counts)
    vectors = cooccurrence_vectors(sequences, tokens.n_ids, dim, np.random.default_rng(0), window=2)[
        N_SPECIAL:
    ]
    products, wanted = vectors @ vectors.T, expected @ expected.T
    np.testing.assert_allclose(products / products.max(), wanted / wanted.max(), atol=1e-4)


def test_words_with_the_same_neighbours_are_alike():
    vectors = train_vectors(TEXTS, dim=4, random_state=0)

    def cosine(a, b):
        return vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])

    assert cosine("car", "bus") > 0.9 > cosine("car", "cat")
    assert cosine("cat", "dog") > 0.9


def test_the_same_seed_gives_the_same_vectors():
    one, again, other = (train_vectors(TEXTS, dim=4, random_state=seed).vectors for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    state = np.random.get_state()[1].copy()
    train_vectors(TEXTS, dim=4)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    train_vectors(TEXTS, dim=4, random_state=np.random.RandomState(0))


def test_vectors_have_the_scale_that_training_starts_from_well():
    vectors = train_vectors(TEXTS, dim=4, random_state=0).vectors
    assert vectors.std() == pytest.approx(SCALE, rel=1e-3) and vectors.dtype == np.float32


def test_more_dimensions_than_words_and_words_alone_give_zeros():
    vectors = train_vectors(["a b"], dim=5, random_state=0)
    assert vectors.dim == 5 and np.isfinite(vectors.vectors).all()
    assert not train_vectors(["a", "b"], dim=2).vectors.any()
    alone = train_vectors([*TEXTS, "alone"], dim=3, random_state=0)
    assert not alone["alone"].any() and alone["car"].any()


def test_the_parameters_of_tokens_are_passed_on():
    vectors = train_vectors(["A b", "A c"], dim=2, lowercase=False, vocab_size=N_SPECIAL + 2)
    assert vectors.words == ["A", "b"]
    assert train_vectors(["ab", "ac"], dim=2, analyzer="char").words == ["a", "b", "c"]
    assert train_vectors(["a b"], dim=2, vocabulary=["b", "a"]).words == ["b", "a"]
    assert train_vectors(["a b b"], dim=2, min_df=1, tokenizer=str.split).words == ["b", "a"]


@pytest.mark.parametrize("name", ["dim", "window"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None])
def test_sizes_are_checked(name, value):
    with pytest.raises(
        ValueError, match=f"The {name} parameter of train_vectors must be an int >= 1. Got {value!r}"
    ):
        train_vectors(TEXTS, **{name: value})


def test_texts_are_checked():
    with pytest.raises(TypeError, match="texts of train_vectors must be a collection of texts"):
        train_vectors("a text")
    with pytest.raises(ValueError, match="empty vocabulary"):
        train_vectors(["", " "])
