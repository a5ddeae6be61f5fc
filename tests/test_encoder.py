"""The encoder: its objectives, the texts that it decodes and writes, and tokens as users see them."""

import re
import unicodedata

import numpy as np
import pytest

from skrnn import RNNTextEncoder
from skrnn.train import dataset

TEXTS = ["good film", "bad film", "very good film indeed", "very bad"]
TINY = {"rnn_units": 16, "embedding_dim": 16, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(scope="module")
def autoencoder():
    return RNNTextEncoder(objective="autoencoder", epochs=50, dropout=0.0, **TINY).fit(TEXTS * 10)


@pytest.fixture(scope="module")
def language_model():
    return RNNTextEncoder(objective="language_model", epochs=40, dropout=0.0, **TINY).fit(TEXTS * 10)


# -- no training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", [RNNTextEncoder.fit, RNNTextEncoder.partial_fit])
@pytest.mark.parametrize("epochs", [1, 30])
def test_epochs_without_targets_warn_that_nothing_is_trained(fit, epochs):
    with pytest.warns(UserWarning, match=rf"gets no y\. epochs={epochs} has no effect"):
        assert fit(RNNTextEncoder(epochs=epochs, **TINY), TEXTS).objective_ == "random"
    fit(RNNTextEncoder(**TINY), TEXTS)  # the defaults and each remedy do not warn
    fit(RNNTextEncoder(objective="random", epochs=epochs, **TINY), TEXTS)
    for objective in ("autoencoder", "contrastive", "language_model"):
        assert fit(RNNTextEncoder(objective=objective, epochs=1, **TINY), TEXTS).objective_ == objective


# -- autoencoders ----------------------------------------------------------------------------------


def test_an_autoencoder_restores_texts(autoencoder):
    vectors = autoencoder.transform(TEXTS)
    assert autoencoder.inverse_transform(vectors).tolist() == TEXTS
    assert autoencoder.inverse_transform(vectors, beam_width=4).tolist() == TEXTS
    assert autoencoder.score(TEXTS) > -0.5
    assert 1 <= autoencoder.perplexity(TEXTS) < 1.2


def test_inverse_transform_decodes_any_vector(autoencoder):
    a, b = autoencoder.transform(TEXTS[:2])
    texts = autoencoder.inverse_transform(np.linspace(a, b, 5))
    assert texts[0] == TEXTS[0] and texts[-1] == TEXTS[1]
    assert all(isinstance(text, str) for text in texts)
    assert autoencoder.inverse_transform(np.empty((0, len(a)))).shape == (0,)
    with pytest.raises(ValueError, match=f"must have {len(a)} columns.*Got 3"):
        autoencoder.inverse_transform(np.zeros((1, 3)))


# -- language models -------------------------------------------------------------------------------


def test_a_language_model_generates_the_training_texts(language_model):
    assert language_model.generate("very good", temperature=0) == ["very good film indeed"]
    texts = language_model.generate(n=20, random_state=0)
    assert len(texts) == 20 and set(texts) <= set(TEXTS)
    assert texts == language_model.generate(n=20, random_state=0)
    assert len(language_model.generate("good", max_length=1)[0].split()) == 2


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("n", value) for value in (0, -1, 1.5, None, "2")],
        *[("max_length", value) for value in (0, -3, 2.0, float("inf"))],
        *[("top_k", value) for value in (0, -1, 0.5)],
        *[("temperature", value) for value in (-1, float("nan"), float("inf"), "1", None)],
        *[("prompt", value) for value in (["good"], None, b"good", 3)],
        *[("random_state", value) for value in (-1, "a")],
    ],
)
def test_generate_refuses_invalid_arguments(language_model, argument, value):
    message = f"The '{argument}' parameter of RNNTextEncoder.generate must be .* Got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=message):
        language_model.generate(**{argument: value})


def test_a_large_max_length_or_top_k_needs_no_memory(language_model):
    expected = language_model.generate("very good", temperature=0)
    assert language_model.generate("very good", temperature=0, max_length=10**12) == expected
    assert len(language_model.generate(n=3, top_k=10**12, max_length=10**12, random_state=0)) == 3


@pytest.mark.parametrize("beam_width", [0, -1, 1.5, None])
def test_inverse_transform_refuses_an_invalid_beam_width(autoencoder, beam_width):
    with pytest.raises(
        ValueError, match=r"'beam_width' parameter of RNNTextEncoder.inverse_transform must be"
    ):
        autoencoder.inverse_transform(autoencoder.transform(TEXTS), beam_width=beam_width)


def test_a_language_model_writes_words_and_characters_as_the_training_texts():
    texts = ['Pay $3.14 at "10:30"'] * 8
    words = RNNTextEncoder(objective="language_model", epochs=30, dropout=0.0, lowercase=False, **TINY).fit(
        texts
    )
    assert words.generate(temperature=0) == texts[:1]
    code = ["if x:\n    y"] * 8
    settings = {"objective": "language_model", "analyzer": "char", "dropout": 0.0, **TINY}
    characters = RNNTextEncoder(epochs=60, **settings).fit(code)
    assert characters.generate(temperature=0) == code[:1]
    assert characters.decode_ids(characters.padded_ids(code)).tolist() == code


def test_probable_texts_have_high_log_likelihoods(language_model):
    seen, shuffled = language_model.score_samples(["very good film indeed", "indeed film good very"])
    assert seen > shuffled + 3
    assert seen == pytest.approx(np.log(1 / 4), abs=0.4)  # one of four texts
    assert language_model.score_samples([]).shape == (0,)


def test_the_score_is_the_mean_log_likelihood_and_perplexity_is_per_token(language_model):
    texts = ["good film", "very bad"]
    log_likelihood = language_model.score_samples(texts)
    assert language_model.score(texts) == pytest.approx(log_likelihood.mean())
    n_tokens = 2 + 1 + 2 + 1  # the ends of the texts count
    assert language_model.perplexity(texts) == pytest.approx(np.exp(-log_likelihood.sum() / n_tokens))


def test_a_language_model_of_self_attention_does_not_look_ahead():
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


def test_a_bidirectional_language_model_cannot_have_several_layers():
    with pytest.raises(ValueError, match="n_layers=1 or bidirectional=False"):
        RNNTextEncoder(objective="language_model", n_layers=2, **TINY).fit(TEXTS)


def test_a_large_vocabulary_is_learned_from_samples(monkeypatch):
    vocabulary = ["good", "bad", "film", "very", "indeed", *map(str, range(200))]
    encoder = RNNTextEncoder(
        objective="language_model", epochs=15, dropout=0.0, vocabulary=vocabulary, early_stopping=False,
        **TINY,
    )  # fmt: skip
    exact = encoder.fit(TEXTS * 30).score(TEXTS)
    n_candidates, sample_ids = [], dataset.sample_ids

    def count_candidates(targets, n_ids, rng):
        candidates, offsets, positions = sample_ids(targets, n_ids, rng)
        n_candidates.append(len(candidates))
        return candidates, offsets, positions

    monkeypatch.setattr(dataset, "sample_ids", count_candidates)
    monkeypatch.setattr(dataset, "LARGE_VOCABULARY", 3)
    assert encoder.fit(TEXTS * 30).score(TEXTS) == pytest.approx(exact, abs=1e-3)
    assert set(n_candidates) == {208}  # the sample is the whole vocabulary, with the three reserved ids
    n_candidates.clear()
    monkeypatch.setattr(dataset, "N_SAMPLED", 60)
    assert encoder.fit(TEXTS * 30).score(TEXTS) > exact - 0.5
    assert 60 < min(n_candidates) and max(n_candidates) < 70


# -- all objectives --------------------------------------------------------------------------------


def test_an_encoder_has_only_the_methods_of_its_objective(autoencoder, language_model):
    assert not hasattr(autoencoder, "generate") and not hasattr(language_model, "inverse_transform")
    with pytest.raises(AttributeError, match="inverse_transform"):
        language_model.inverse_transform(np.zeros((1, 3)))
    random = RNNTextEncoder(objective="random", **TINY).fit(TEXTS)
    assert not hasattr(random, "score") and not hasattr(random, "perplexity")
    assert hasattr(RNNTextEncoder(), "generate")  # the objective is known after fit


def test_auto_is_supervised_with_targets_and_not_trained_without():
    encoder = RNNTextEncoder(**TINY | {"rnn_units": 2, "embedding_dim": 2})
    assert encoder.fit(TEXTS).objective_ == "random"
    encoder.set_params(epochs=1)
    assert encoder.fit(TEXTS, [1, 0, 1, 0]).objective_ == "supervised"
    with pytest.raises(ValueError, match=r"objective='supervised'.*y is None.*objective='random'"):
        encoder.set_params(objective="supervised").fit(TEXTS)
    encoder.set_params(objective="random").fit(TEXTS)


def test_auto_embedding_dim_depends_on_the_objective():
    encoder = RNNTextEncoder(rnn_units=2)
    assert encoder.fit(TEXTS)._weights["embedding/embeddings"].shape[1] == 256
    supervised = RNNTextEncoder(rnn_units=2, epochs=1).fit(TEXTS, [1, 0, 1, 0])
    assert supervised._weights["embedding/embeddings"].shape[1] == 128
    assert encoder.set_params(embedding_dim=3).fit(TEXTS)._spec.embedding_dim == 3
    with pytest.raises(ValueError, match="'embedding_dim' parameter of RNNTextEncoder"):
        encoder.set_params(embedding_dim=0).fit(TEXTS)


def test_a_random_encoder_is_not_trained():
    encoder = RNNTextEncoder(objective="random", **TINY).fit(TEXTS)
    assert encoder.n_iter_ == 0 and encoder.loss_curve_ == []
    vectors = encoder.transform(TEXTS)
    assert len(np.unique(vectors, axis=0)) == len(TEXTS)
    again = RNNTextEncoder(objective="random", **TINY).fit(TEXTS)
    np.testing.assert_array_equal(vectors, again.transform(TEXTS))


def test_a_random_network_ignores_held_out_texts():
    encoder = RNNTextEncoder(objective="random", early_stopping=True, **TINY)
    encoder.fit(TEXTS, X_val=["good film"])
    assert encoder.n_iter_ == 0 and not hasattr(encoder, "validation_scores_")


# -- tokens ----------------------------------------------------------------------------------------


def test_tokenize_and_decode_ids_show_texts_as_the_network_sees_them():
    encoder = RNNTextEncoder(
        objective="random", rnn_units=2, embedding_dim=2, sequence_length=3, truncation="end", min_df=2
    )
    encoder.fit(["Good film , good", "Good film", ","])
    texts = ["GOOD, quite film", "", "film good good good"]
    assert encoder.tokenize(texts) == [["good", ",", "<unk>"], [], ["film", "good", "good"]]
    assert encoder.decode_ids(encoder.padded_ids(texts)).tolist() == ["good, <unk>", "", "film good good"]
    first_term = min(encoder.vocabulary_, key=encoder.vocabulary_.get)
    assert encoder.decode_ids([[3], []]).tolist() == [first_term, ""]
    assert encoder.decode_ids(np.empty((0, 3), int)).shape == (0,)


@pytest.mark.parametrize(
    ("ids", "message"),
    [([[0], [6]], "0 to 5. Got 6 in row 1"), ([[-1]], "-1 in row 0"), ([[0.5]], "float64 in row 0")],
    ids=["too large", "negative", "float"],
)
def test_decode_ids_refuses_ids_outside_the_vocabulary(ids, message):
    encoder = RNNTextEncoder(objective="random", rnn_units=2, embedding_dim=2).fit(["a b c"])
    with pytest.raises(ValueError, match=f"decode_ids of RNNTextEncoder takes .*{message}"):
        encoder.decode_ids(ids)


@pytest.mark.parametrize("analyzer", ["char", "subword", str.split])
def test_decode_ids_restores_texts_of_each_analyzer(analyzer):
    texts = ["شكرا جزيلا", "我们 走 吧", "👩‍👩‍👧 family", "cafe\u0301"] * 3
    encoder = RNNTextEncoder(objective="random", rnn_units=2, embedding_dim=2, analyzer=analyzer).fit(texts)
    assert [len(tokens) for tokens in encoder.tokenize(texts)] == [
        len(states) for states in encoder.transform_sequences(texts)
    ]
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    expected = texts if callable(analyzer) else composed  # a callable gets the texts unchanged
    assert encoder.decode_ids(encoder.padded_ids(texts)).tolist() == expected
