"""The linear part over n-grams, compared with TfidfVectorizer and with Keras."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from skrnn.ragged import Ragged
from skrnn.serve.forward import Forward
from skrnn.serve.ngrams import MASK, NGrams, ngram_hashes
from skrnn.spec import Spec

SOME_ROWS = st.lists(st.lists(st.integers(2, 2**31 - 1), min_size=1, max_size=9), min_size=1, max_size=9)


def weights_of(hashes, n_outputs=1, rng=None):
    """Return weights for some n-grams."""
    hashes = np.unique(hashes).astype(np.float32)
    rng = rng or np.random.default_rng(0)
    return {
        "ngrams/hashes": hashes,
        "ngrams/idf": rng.uniform(1, 5, len(hashes)).astype(np.float32),
        "ngrams/kernel": rng.normal(size=(len(hashes), n_outputs)).astype(np.float32),
        "ngrams/bias": np.zeros(n_outputs, np.float32),
        "ngrams/factor": np.array([0.3], np.float32),
    }


@given(SOME_ROWS, st.integers(1, 3), st.integers(0, 2))
def test_the_hashes_are_those_of_each_run_of_ids_within_a_text(rows, smallest, more):
    def hash_of(run):
        h = 0
        for id_ in run:
            h = (h + id_) * 10368889 % 2**24
        return h

    rows_of, hashes, sizes = ngram_hashes(Ragged.from_rows(rows), (smallest, smallest + more))
    expected = [
        (i, hash_of(row[start : start + size]), size)
        for size in range(smallest, smallest + more + 1)
        for i, row in enumerate(rows)
        for start in range(len(row) - size + 1)
    ]
    assert list(zip(rows_of.tolist(), hashes.tolist(), sizes.tolist(), strict=True)) == expected


@given(st.sets(st.integers(0, MASK), max_size=300), st.data())
def test_every_known_ngram_is_found_and_no_other(known, data):
    rows = data.draw(st.lists(st.lists(st.integers(2, 400), min_size=1, max_size=9), min_size=1, max_size=9))
    texts = Ragged.from_rows(rows)
    where, hashes, _ = ngram_hashes(texts, (1, 2))
    known |= set(hashes[::2].tolist())
    features = NGrams((1, 2), weights_of(sorted(known))).features(texts)
    expected = np.zeros((len(rows), len(known)), np.float32)
    order = sorted(known)
    for row, h in zip(where.tolist(), hashes.tolist(), strict=True):
        if h in known:
            expected[row, order.index(h)] = 1
    np.testing.assert_array_equal(features.toarray(), expected)


def test_features_equal_those_of_tfidf_vectorizer():
    rows = [[3, 4, 3, 4, 5], [5], [6, 3, 4], [9, 9]]
    texts = Ragged.from_rows(rows)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\d+")
    documents = [" ".join(map(str, row)) for row in rows]
    expected = vectorizer.fit_transform(documents[:3])
    terms = [list(map(int, term.split())) for term in vectorizer.get_feature_names_out()]
    hashes = np.array([ngram_hashes(Ragged.from_rows([term]), (len(term),) * 2)[1][0] for term in terms])
    order = np.argsort(hashes)
    weights = {
        "ngrams/hashes": hashes[order].astype(np.float32),
        "ngrams/idf": vectorizer.idf_[order].astype(np.float32),
        "ngrams/kernel": np.diag(vectorizer.idf_[order]).astype(np.float32),
        "ngrams/bias": np.zeros(len(order), np.float32),
    }
    outputs = NGrams((1, 2), weights).outputs(texts)
    np.testing.assert_allclose(outputs[:3], expected.toarray()[:, order], rtol=1e-6)
    assert not outputs[3].any()  # no n-gram of the last text is known


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2), (2, 3), (1, 4)])
@pytest.mark.parametrize("head", ["binary", "multiclass", "multilabel", "regression"])
def test_outputs_equal_those_of_keras(head, ngram_range, make_weights, keras_network):
    rng = np.random.default_rng(1)
    texts = Ragged.from_rows([rng.integers(2, 30, rng.integers(1, 12)) for _ in range(40)])
    n_outputs = 1 if head == "binary" else 3
    own = weights_of(ngram_hashes(texts, ngram_range)[1][::2], n_outputs, rng)
    spec = Spec(
        n_ids=30, embedding_dim=3, layer="gru", rnn_units=2, head=head, n_outputs=n_outputs,
        ngram_range=ngram_range, n_ngrams=len(own["ngrams/idf"]),
    )  # fmt: skip
    weights = make_weights(spec) | own
    forward = Forward(spec, weights)
    outputs = forward.outputs(texts)
    network_alone = forward.encode(texts) @ weights["head/kernel"] + weights["head/bias"]
    assert np.abs(outputs - network_alone).max() > 0.1
    activate = {
        "binary": lambda x: 1 / (1 + np.exp(-x)),
        "multilabel": lambda x: 1 / (1 + np.exp(-x)),
        "multiclass": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
        "regression": lambda x: x,
    }[head]
    expected = keras_network(spec, weights).predict(texts.pad(), verbose=0)
    np.testing.assert_allclose(activate(outputs), expected, atol=1e-5)


def test_other_texts_and_threads_change_nothing():
    rng = np.random.default_rng(0)
    texts = Ragged.from_rows([rng.integers(3, 500, rng.integers(1, 90)) for _ in range(5000)])
    ngrams = NGrams((1, 2), weights_of(ngram_hashes(texts, (1, 2))[1][::3], 2))
    outputs = ngrams.outputs(texts)
    np.testing.assert_array_equal(ngrams.outputs(texts, n_jobs=3), outputs)
    np.testing.assert_array_equal(ngrams.outputs(texts.take(np.arange(7, 9))), outputs[7:9])


def test_no_known_ngrams_and_no_texts_are_allowed():
    nothing = NGrams((1, 2), weights_of([]))
    assert nothing.outputs(Ragged.from_rows([[3, 4], [5]])).tolist() == [[0], [0]]
    assert nothing.outputs(Ragged.from_rows([])).shape == (0, 1)
