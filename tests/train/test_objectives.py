"""Learning without labels: restoring texts, predicting tokens, random networks."""

import numpy as np
import pytest

import skrnn.train.fit
from skrnn import RNNTextClassifier, RNNTextEncoder
from skrnn.ragged import Ragged
from skrnn.train.batches import add_noise
from skrnn.train.fit import sample_ids

TEXTS = ["good film", "bad film", "very good film indeed", "very bad"]
TINY = {"rnn_units": 16, "embedding_dim": 16, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(scope="module")
def autoencoder():
    return RNNTextEncoder(objective="autoencoder", epochs=50, dropout=0.0, **TINY).fit(TEXTS * 10)


@pytest.fixture(scope="module")
def language_model():
    return RNNTextEncoder(objective="language_model", epochs=40, dropout=0.0, **TINY).fit(TEXTS * 10)


def test_an_autoencoder_restores_texts(autoencoder):
    vectors = autoencoder.transform(TEXTS)
    assert autoencoder.inverse_transform(vectors).tolist() == TEXTS
    assert autoencoder.inverse_transform(vectors, beam_width=4).tolist() == TEXTS
    assert autoencoder.score(TEXTS) > -0.5
    assert 1 <= autoencoder.perplexity(TEXTS) < 1.2


def test_any_vector_is_decoded(autoencoder):
    a, b = autoencoder.transform(TEXTS[:2])
    texts = autoencoder.inverse_transform(np.linspace(a, b, 5))
    assert texts[0] == TEXTS[0] and texts[-1] == TEXTS[1]
    assert all(isinstance(text, str) for text in texts)
    assert autoencoder.inverse_transform(np.empty((0, len(a)))).shape == (0,)
    with pytest.raises(ValueError, match=f"must have {len(a)} columns.*Got 3"):
        autoencoder.inverse_transform(np.zeros((1, 3)))


def test_a_language_model_writes_what_it_read(language_model):
    assert language_model.generate("very good", temperature=0) == ["very good film indeed"]
    texts = language_model.generate(n=20, random_state=0)
    assert len(texts) == 20 and set(texts) <= set(TEXTS)
    assert texts == language_model.generate(n=20, random_state=0)
    assert len(language_model.generate("good", max_length=1)[0].split()) == 2


def test_self_attention_writes_too_and_does_not_look_ahead():
    model = RNNTextEncoder(
        objective="language_model", layer="self_attention", n_heads=2, epochs=20, dropout=0.0,
        bidirectional=False, **TINY | {"learning_rate": 0.01},
    )  # fmt: skip
    with pytest.raises(ValueError, match="bidirectional=False"):
        model.set_params(bidirectional=True).fit(TEXTS)
    with pytest.raises(ValueError, match=r"multiple of n_heads=3.*Got 16"):
        model.set_params(bidirectional=False, n_heads=3).fit(TEXTS)
    model.set_params(n_heads=2).fit(TEXTS * 10)
    assert model.generate("very good", temperature=0) == ["very good film indeed"]
    assert model.score_samples(["good film"])[0] == pytest.approx(np.log(1 / 4), abs=0.4)


def test_likely_texts_have_likely_scores(language_model):
    seen, shuffled = language_model.score_samples(["very good film indeed", "indeed film good very"])
    assert seen > shuffled + 3
    assert seen == pytest.approx(np.log(1 / 4), abs=0.4)  # one of four texts
    assert language_model.score_samples([]).shape == (0,)


def test_methods_of_another_objective_are_absent(autoencoder, language_model):
    assert not hasattr(autoencoder, "generate") and not hasattr(language_model, "inverse_transform")
    with pytest.raises(AttributeError, match="inverse_transform"):
        language_model.inverse_transform(np.zeros((1, 3)))
    supervised = RNNTextEncoder(objective="random", **TINY).fit(TEXTS)
    assert not hasattr(supervised, "score") and not hasattr(supervised, "perplexity")


def test_random_networks_need_no_training():
    encoder = RNNTextEncoder(objective="random", **TINY).fit(TEXTS)
    assert encoder.n_iter_ == 0 and encoder.loss_curve_ == []
    vectors = encoder.transform(TEXTS)
    assert len(np.unique(vectors, axis=0)) == len(TEXTS)
    np.testing.assert_array_equal(
        vectors, RNNTextEncoder(objective="random", **TINY).fit(TEXTS).transform(TEXTS)
    )


def test_a_language_model_cannot_stack_layers_of_two_directions():
    with pytest.raises(ValueError, match="n_layers=1 or bidirectional=False"):
        RNNTextEncoder(objective="language_model", n_layers=2, **TINY).fit(TEXTS)


def test_noise_drops_and_moves_ids():
    offsets = np.array([0, 1, 50, 100])
    sequences = Ragged(np.arange(100, dtype=np.int32), offsets)
    noisy = add_noise(sequences, 0.3, np.random.default_rng(0))
    assert add_noise(sequences, 0.0, np.random.default_rng(0)) is sequences
    assert (noisy.lengths >= 1).all() and 50 < len(noisy.ids) < 90
    for i in range(3):
        row = noisy.ids[noisy.offsets[i] : noisy.offsets[i + 1]]
        assert ((offsets[i] <= row) & (row < offsets[i + 1])).all()
        assert len(set(row.tolist())) == len(row)
    row = noisy.ids[noisy.offsets[2] :]
    assert (np.diff(row) < 0).any() and np.diff(row).min() >= -3


def test_the_sample_of_a_large_softmax_estimates_its_sum():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(12_000)
    targets = rng.integers(0, 100, (4, 9))
    sums = []
    for _ in range(200):
        candidates, offsets, positions = sample_ids(targets, len(logits), rng)
        assert (candidates[positions] == targets).all() and len(set(candidates)) == len(candidates)
        sums.append(np.exp(logits[candidates] + offsets).sum())
    assert np.mean(sums) == pytest.approx(np.exp(logits).sum(), rel=0.01)


def test_a_large_vocabulary_is_learned_from_samples(monkeypatch):
    vocabulary = ["good", "bad", "film", "very", "indeed", *map(str, range(200))]
    encoder = RNNTextEncoder(
        objective="language_model", epochs=15, dropout=0.0, vocabulary=vocabulary, early_stopping=False,
        **TINY,
    )  # fmt: skip
    exact = encoder.fit(TEXTS * 30).score(TEXTS)
    monkeypatch.setattr(skrnn.train.fit, "LARGE", 3)
    assert encoder.fit(TEXTS * 30).score(TEXTS) == pytest.approx(exact, abs=1e-3)  # all are drawn
    monkeypatch.setattr(skrnn.train.fit, "N_SAMPLED", 60)
    assert encoder.fit(TEXTS * 30).score(TEXTS) > exact - 0.5


def test_an_indicator_matrix_is_learned():
    Y = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]])
    classifier = RNNTextClassifier(epochs=20, **TINY).fit(TEXTS * 5, np.tile(Y, (5, 1)))
    np.testing.assert_array_equal(classifier.predict(TEXTS), Y)
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.shape == (4, 3) and (np.abs(probabilities - Y) < 0.5).all()
    np.testing.assert_allclose(classifier.predict_log_proba(TEXTS), np.log(probabilities), atol=1e-6)
    assert classifier.classes_.tolist() == [0, 1, 2]
