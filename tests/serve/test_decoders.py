"""The decoders of language models and autoencoders against Keras, and against themselves."""

import numpy as np
import pytest
from scipy.special import log_softmax

from skrnn.ragged import BOUNDARY, PAD
from skrnn.serve.forward import DECODERS, Forward
from skrnn.serve.layers import LAYERS
from skrnn.targets import HEADS

NETWORKS = [
    {"head": "autoencoder", "pooling": "mean", "n_components": 3},
    {"head": "autoencoder", "bidirectional": True, "n_layers": 2},
    {"head": "autoencoder", "tied_embeddings": False},
    {"head": "language_model"},
    {"head": "language_model", "tied_embeddings": False},
    {"head": "language_model", "n_layers": 2},
    {"head": "language_model", "bidirectional": True, "pooling": "concat"},
]
CASES = [
    {"layer": layer, **network}
    for layer in LAYERS
    for network in NETWORKS
    if layer != "self_attention" or not (network["head"] == "language_model" and "bidirectional" in network)
]


def chosen(log_probabilities, ids):
    """Return the log-probabilities of ids, zero for padding, (b, s, n), (b, s) -> (b, s)."""
    values = np.take_along_axis(log_probabilities, ids[:, :, None].astype(int), axis=2)[:, :, 0]
    return np.where(ids != PAD, values, 0)


@pytest.fixture(params=CASES, ids=str)
def network(request, make_spec, make_weights):
    spec = make_spec(n_outputs=11, **request.param)
    return spec, make_weights(spec)


def test_log_likelihoods_equal_those_of_keras(network, make_texts, keras_network):
    spec, weights = network
    texts = make_texts()
    previous, following = texts.prepend(BOUNDARY).pad(), texts.append(BOUNDARY).pad()
    if spec.head == "autoencoder":
        inputs = (texts.pad(), previous)
    else:
        inputs = (previous, following) if spec.bidirectional else previous
    logits = keras_network(spec, weights, training=True).predict(inputs, verbose=0)
    expected = chosen(log_softmax(logits[:, : following.shape[1]], axis=2), following).sum(axis=1)
    found = Forward(spec, weights).decoder.log_likelihood(texts)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_steps_add_up_to_the_log_likelihood(network, make_texts):
    spec, weights = network
    texts = make_texts()
    forward = Forward(spec, weights)
    source = forward.encode(texts) if spec.head == "autoencoder" else len(texts)
    step, states = forward.decoder.stepper(source)
    total, ids = np.zeros(len(texts)), np.full(len(texts), BOUNDARY)
    for following in texts.append(BOUNDARY).pad().T:
        log_probs, states = step(ids, states)
        total += chosen(log_probs[:, None], following[:, None])[:, 0]
        ids = following
    np.testing.assert_allclose(total, forward.decoder.log_likelihood(texts), rtol=1e-5)


def test_other_texts_and_threads_change_no_log_likelihood(make_spec, make_weights, make_texts):
    spec = make_spec(head="language_model", n_outputs=11)
    decoder, texts = Forward(spec, make_weights(spec)).decoder, make_texts()
    expected = decoder.log_likelihood(texts)
    many = np.random.default_rng(0).integers(0, len(texts), 700)
    found = decoder.log_likelihood(texts.take(many))
    np.testing.assert_allclose(found, expected[many], rtol=1e-5)
    np.testing.assert_array_equal(decoder.log_likelihood(texts.take(many), n_jobs=2), found)


def test_large_vocabularies_are_scored_in_chunks(make_spec, make_weights, make_texts):
    spec = make_spec(head="language_model", n_ids=200_000, n_outputs=200_000)  # 41 of 48 tokens in a chunk
    decoder, texts = Forward(spec, make_weights(spec)).decoder, make_texts(n_ids=200_000)
    alone = [decoder.log_likelihood(texts.take(np.array([i])))[0] for i in range(len(texts))]
    np.testing.assert_allclose(decoder.log_likelihood(texts), alone, rtol=1e-5)


def test_an_autoencoder_scores_other_texts_given_an_encoding(make_spec, make_weights, make_texts):
    spec = make_spec(head="autoencoder", n_outputs=11)
    decoder, texts, others = Forward(spec, make_weights(spec)).decoder, make_texts(), make_texts(seed=1)
    np.testing.assert_array_equal(decoder.log_likelihood(texts, texts), decoder.log_likelihood(texts))
    assert not np.allclose(decoder.log_likelihood(texts, others), decoder.log_likelihood(others))


def test_each_head_that_predicts_ids_has_a_decoder():
    assert set(DECODERS) == {name for name, head in HEADS.items() if head.predicts_ids}
