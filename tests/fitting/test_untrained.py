"""Untrained encoders, and contrastive ones, which start from them: the parts of their vectors."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from skrnn import RNNTextClassifier, RNNTextEncoder, load, save
from skrnn.fitting.untrained import MAX_STATES, RARE, STATES

TOPICS = (("goal", "team", "match", "score"), ("bank", "market", "price", "trade"))
COMMON = ("the", "a", "of", "and", "in", "to", "is", "it")


def sentences(n=120):
    """Return sentences of two topics that share most of their words, and their topics."""
    rng, texts = np.random.default_rng(0), []
    for i in range(n):
        words = [*rng.choice(TOPICS[i % 2], 2, replace=False), *rng.choice(COMMON, 8)]
        texts.append(" ".join(rng.permutation(words)))
    return texts, np.arange(n) % 2


@pytest.fixture(scope="module")
def encoder():
    return RNNTextEncoder(objective="random", random_state=0).fit(sentences()[0])


def test_vectors_without_training_group_texts_by_topic(encoder):
    texts, topics = sentences()
    vectors = normalize(encoder.transform(texts))
    assert adjusted_rand_score(topics, KMeans(2, n_init=3, random_state=0).fit_predict(vectors)) > 0.9


def test_words_with_the_same_neighbours_have_different_vectors():
    texts = ["a good film", "a bad film"] * 10
    embeddings = {"good": [1.0, 2.0], "bad": [1.0, 2.0], "film": [3.0, 1.0], "a": [0.0, 1.0]}
    for given, same in (("auto", False), (embeddings, True)):
        encoder = RNNTextEncoder(objective="random", embeddings=given, random_state=0).fit(texts)
        rows = encoder._weights["embedding/embeddings"]
        good, bad = (rows[encoder.vocabulary_[word]] for word in ("good", "bad"))
        assert np.allclose(good, bad, atol=1e-3) == same


def test_the_parts_of_a_vector_follow_their_formulas(encoder):
    texts, _ = sentences()
    ids = [row[row > 0] for row in encoder.padded_ids(texts)]
    counts = np.bincount(np.concatenate(ids), minlength=len(encoder.vocabulary_) + 3)
    weight = RARE / (RARE + counts / counts.sum())
    embedding = encoder._weights["embedding/embeddings"].astype(np.float64)
    columns = np.linalg.norm(embedding, axis=0)
    mean = np.array([(weight[row, None] * embedding[row]).mean(axis=0) for row in ids]) * columns
    mean -= mean.mean(axis=0)
    states = np.array(
        [np.concatenate([[*h[-1, :64], *h[0, 64:]], h.mean(axis=0), h.max(axis=0)])
         for h in encoder.transform_sequences(texts)]
    ).astype(np.float64)  # fmt: skip
    states -= states.mean(axis=0)
    parts = [part / np.linalg.norm(part, axis=1).mean() for part in (states, mean)]
    length = min(MAX_STATES, STATES / np.mean([len(row) for row in ids]))
    expected = np.hstack([length * parts[0], parts[1]])
    np.testing.assert_allclose(encoder.transform(texts), expected, rtol=0, atol=1e-5)


def test_unknown_tokens_add_nothing_to_the_mean(encoder):
    known, half, unknown = encoder.transform(["goal", "goal zzz", "zzz"])[:, 384:]
    np.testing.assert_allclose(unknown, encoder._weights["projection/bias"][384:], atol=1e-6)
    np.testing.assert_allclose(known - unknown, 2 * (half - unknown), atol=1e-5)


@pytest.mark.parametrize("objective", ["random", "contrastive"])
@pytest.mark.parametrize("n_components", [None, 5, 700])
@pytest.mark.parametrize("pooling", ["mean", "last", "concat"])
def test_keras_and_numpy_compute_the_same_vectors(pooling, n_components, objective, tmp_path):
    texts = [*sentences(40)[0], "goal", "a bank of zzz"]
    encoder = RNNTextEncoder(
        objective=objective, pooling=pooling, n_components=n_components, embedding_dim=12, rnn_units=6,
        epochs="auto" if objective == "random" else 2, random_state=0,
    ).fit(texts)  # fmt: skip
    vectors = encoder.transform(texts)
    assert vectors.shape[1] == n_components or {"mean": 24, "last": 24, "concat": 48}[pooling]
    expected = encoder.model_.predict(encoder.padded_ids(texts), verbose=0)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5)
    save(encoder, tmp_path / "encoder")
    assert (load(tmp_path / "encoder").transform(texts) == vectors).all()


def test_n_components_keeps_the_principal_components(encoder):
    texts, _ = sentences()
    few = RNNTextEncoder(objective="random", n_components=3, activation="linear", random_state=0).fit(texts)
    whole = encoder.transform(texts).astype(np.float64)
    u, s, _ = np.linalg.svd(whole, full_matrices=False)
    vectors = few.transform(texts)
    np.testing.assert_allclose(np.abs(vectors), np.abs(u[:, :3] * s[:3]), atol=1e-4)


def test_one_text_and_chunks_of_texts_can_be_encoded():
    texts, _ = sentences()
    assert np.isfinite(RNNTextEncoder(objective="random").fit(["goal"]).transform(["goal", ""])).all()
    stream = RNNTextEncoder(objective="random", random_state=0).partial_fit(texts[:60])
    before = stream.transform(texts)
    assert (stream.partial_fit(texts[60:]).transform(texts) == before).all()


def test_a_warm_start_keeps_the_network_and_learns_the_rest_anew():
    texts, _ = sentences()
    encoder = RNNTextEncoder(objective="random", warm_start=True, rnn_units=4, n_components=3).fit(texts)
    before, weights = encoder.transform(texts), encoder._weights
    np.testing.assert_allclose(encoder.fit(texts).transform(texts), before, atol=1e-5)
    encoder.fit(["goal team", "bank"])
    for name, array in encoder._weights.items():
        is_new = name.startswith(("importance", "projection"))
        assert (array == weights[name]).all() != is_new


def test_a_classifier_can_start_from_an_untrained_encoder(encoder):
    texts, topics = sentences()
    classifier = RNNTextClassifier(encoder=encoder, epochs=1, random_state=0).fit(texts, topics)
    assert classifier._weights["embedding/embeddings"].shape[1] == 256
    assert "importance/embeddings" not in classifier._weights


# -- contrastive training ---------------------------------------------------------------------------

SMALL = {"objective": "contrastive", "rnn_units": 4, "embedding_dim": 8, "random_state": 0}


def halves_found(encoder, texts):
    """Return the share of texts whose second half is most similar to the first half of the same text."""
    words = [text.split() for text in texts]
    first, second = (
        normalize(encoder.transform([" ".join(part) for part in parts]))
        for parts in ([w[: len(w) // 2] for w in words], [w[len(w) // 2 :] for w in words])
    )
    return np.mean((first @ second.T).argmax(axis=1) == np.arange(len(texts)))


def test_contrastive_training_moves_the_halves_of_a_text_together():
    rng = np.random.default_rng(0)  # each text repeats two words of its own between common words
    texts = [
        " ".join(rng.permutation([f"a{i}", *rng.choice(COMMON, 5)]).tolist()
                 + rng.permutation([f"b{i}", *rng.choice(COMMON, 5)]).tolist())
        for i in range(40)
    ] * 5  # fmt: skip
    start = RNNTextEncoder(**SMALL, epochs=1, learning_rate=1e-9).fit(texts)
    trained = RNNTextEncoder(**SMALL, epochs=30, learning_rate=0.02).fit(texts)
    assert trained.objective_ == "contrastive" and trained.loss_curve_[-1] < trained.loss_curve_[0]
    assert halves_found(trained, texts[:40]) > 2 * halves_found(start, texts[:40])
    for name in ("importance/embeddings", "projection/kernel", "forward_0/kernel"):
        assert np.abs(trained._weights[name] - start._weights[name]).max() > 1e-3


def test_contrastive_training_stops_early_by_the_loss_of_held_out_texts():
    texts, _ = sentences()
    encoder = RNNTextEncoder(**SMALL, epochs=3, early_stopping=True).fit(texts)
    assert len(encoder.history_["val_loss"]) == 3 and 0 <= encoder.best_validation_score_ <= 1
    again = RNNTextEncoder(**SMALL, epochs=3, early_stopping="score").fit(texts, X_val=["goal", "a bank"])
    assert again.history_["val_loss"][0] < encoder.history_["val_loss"][0]  # two texts are easier to tell


def test_a_warm_start_of_contrastive_training_continues_with_all_weights():
    texts, _ = sentences()
    encoder = RNNTextEncoder(**SMALL, epochs=1, learning_rate=1e-9, warm_start=True).fit(texts)
    encoder.set_params(learning_rate=0.02).fit(texts)
    learned = {name: array.copy() for name, array in encoder._weights.items()}
    encoder.set_params(learning_rate=1e-9).fit(texts)
    for name, array in encoder._weights.items():
        np.testing.assert_allclose(array, learned[name], atol=1e-6)


def test_a_classifier_can_start_from_a_contrastive_encoder():
    texts, topics = sentences()
    encoder = RNNTextEncoder(**SMALL, epochs=1).fit(texts)
    classifier = RNNTextClassifier(encoder=encoder, freeze_encoder=True, epochs=1, random_state=0)
    classifier.fit(texts, topics)
    name = "embedding/embeddings"
    assert (classifier._weights[name] == encoder._weights[name]).all()


def test_frozen_embeddings_stay_in_contrastive_training():
    texts, _ = sentences()
    one, two = (
        RNNTextEncoder(**SMALL, epochs=epochs, trainable_embeddings=False).fit(texts)._weights
        for epochs in (1, 2)
    )
    assert (one["embedding/embeddings"] == two["embedding/embeddings"]).all()
    assert (one["importance/embeddings"] != two["importance/embeddings"]).any()
