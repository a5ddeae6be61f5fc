"""The Keras network: the tutorial's listing, the names of the weights, padding and random states."""

import keras
import numpy as np
import pytest

from skrnn import RNNTextEncoder
from skrnn.serve.layers import LAYERS
from skrnn.serve.pooling import POOLINGS
from skrnn.serve.weights import initial_weights, weight_shapes
from skrnn.spec import Spec
from skrnn.train.layers import AttentionPooling, DecoderAttention, IdsHead, MaxPooling, MeanPooling
from skrnn.train.network import network, variables
from skrnn.train.recipe import Recipe

WORDS = [f"w{i}" for i in range(9997)]  # with the three reserved ids a vocabulary of 10000


def tutorial_model():
    """Return the network as the tutorial lists it."""
    model = keras.Sequential(
        [
            keras.Input((50,), dtype="int32"),
            keras.layers.Embedding(10000, 128),
            keras.layers.SimpleRNN(128),
            keras.layers.Dense(10000, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def tutorial():
    """Return an encoder with the network of the tutorial, trained on a few sentences, and the sentences."""
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(WORDS[:30], 8)) for _ in range(6)]
    encoder = RNNTextEncoder(
        objective="language_model",
        tied_embeddings=False,
        vocabulary=WORDS,
        embedding_dim=128,
        layer="simple_rnn",
        rnn_units=128,
        sequence_length=50,
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        epochs=30,
        random_state=0,
    )
    return encoder.fit(sentences), sentences


def test_the_model_equals_the_listing_of_the_tutorial_layer_by_layer(tutorial):
    model, expected = tutorial[0].model_, tutorial_model()
    layers = [layer for layer in model.layers if layer.weights]
    assert [type(layer) for layer in layers] == [type(layer) for layer in expected.layers]
    for own, other in zip(layers, expected.layers, strict=True):
        assert [w.shape for w in own.weights] == [w.shape for w in other.weights]
        assert own.output.shape == other.output.shape
        assert getattr(own, "activation", None) == getattr(other, "activation", None)
    assert model.count_params() == expected.count_params() == 2_602_896
    assert [layer.count_params() for layer in layers] == [1_280_000, 32_896, 1_290_000]
    assert model.input_shape == expected.input_shape == (None, 50)
    assert model.output_shape == expected.output_shape == (None, 10000)
    assert type(model.optimizer) is type(expected.optimizer)
    assert model.loss == expected.loss


def test_the_model_of_the_tutorial_learns_to_predict_the_next_token(tutorial):
    encoder, sentences = tutorial
    untrained = RNNTextEncoder(**encoder.get_params() | {"learning_rate": 1e-9}).fit(sentences)
    assert encoder.score_samples(sentences).mean() > untrained.score_samples(sentences).mean() + 5
    probabilities = encoder.model_.predict(encoder.padded_ids(sentences), verbose=0)
    assert probabilities.shape == (6, 10000)
    vectors = encoder.transform(sentences)
    w, b = encoder.model_.get_layer("head").get_weights()
    logits = vectors @ w + b
    expected = np.exp(logits - np.log(np.exp(logits).sum(axis=1))[:, None])
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", LAYERS)
def test_weights_have_the_names_and_shapes_that_the_spec_prescribes(layer, pooling):
    spec = Spec(
        n_ids=7, embedding_dim=4, layer=layer, rnn_units=4, n_layers=2, bidirectional=True,
        pooling=pooling, n_components=5, head="multiclass", n_outputs=2,
    )  # fmt: skip
    weights = initial_weights(spec, np.random.default_rng(0))
    model = network(spec, weights, Recipe(dropout=0.1))
    found = variables(model)
    assert {name: tuple(v.shape) for name, v in found.items()} == weight_shapes(spec)
    for name, variable in found.items():
        np.testing.assert_array_equal(np.array(variable), weights[name], err_msg=name)


@pytest.mark.parametrize("cls", [MeanPooling, MaxPooling, AttentionPooling])
def test_pooling_ignores_padding(cls):
    layer = cls()
    rng = np.random.default_rng(0)
    h = rng.standard_normal((2, 5, 3)).astype("float32")
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    layer.build(h.shape)
    for weight in layer.weights:
        weight.assign(rng.standard_normal(weight.shape))
    before = np.array(layer(h, mask=mask))
    h[1, 2:] = 1000.0
    np.testing.assert_array_equal(np.array(layer(h, mask=mask)), before)
    assert not np.allclose(np.array(layer(h, mask=np.ones_like(mask))), before)
    assert type(cls.from_config(layer.get_config())) is cls


@pytest.mark.parametrize("kind", ["general", "additive"])
def test_attention_of_the_decoder_ignores_padding(kind):
    layer = DecoderAttention(kind)
    rng = np.random.default_rng(0)
    query, memory = rng.normal(size=(2, 4, 3)).astype("f4"), rng.normal(size=(2, 5, 6)).astype("f4")
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    layer.build(query.shape, memory.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    before = np.array(layer(query, memory, memory_mask=mask))
    memory[1, 2:] = 1000.0
    np.testing.assert_array_equal(np.array(layer(query, memory, memory_mask=mask)), before)
    assert not np.allclose(np.array(layer(query, memory, memory_mask=np.ones_like(mask))), before)
    assert DecoderAttention.from_config(layer.get_config()).kind == kind


def test_a_tied_head_has_no_embedding_of_its_own():
    embedding = keras.layers.Embedding(4, 3)
    embedding.build((None, None))
    head = IdsHead(4, embedding)
    head.build((2, 3))
    assert [v.name for v in head.weights] == ["bias"]
    untied = IdsHead(4)
    untied.build((2, 3))
    assert sorted(v.name for v in untied.weights) == ["bias", "kernel"]


def test_building_a_network_leaves_the_global_random_state_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    spec = Spec(n_ids=7, embedding_dim=4, layer="gru", rnn_units=3)
    weights = initial_weights(spec, np.random.default_rng(0))
    network(spec, weights, Recipe(dropout=0.5, recurrent_dropout=0.5))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
