"""The Keras network: the tutorial's listing, the names of the weights, what padding does."""

import keras
import numpy as np
import pytest

from skrnn import RNNTextEncoder
from skrnn.spec import LAYERS, POOLINGS, Spec, initial_weights, weight_shapes
from skrnn.train.network import Pooling, network, variables

WORDS = [f"w{i}" for i in range(9997)]  # and three special ids: 10000


def listing():
    """Return the network as the tutorial writes it."""
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
def listed():
    """Train the tutorial's network in one call, on few sentences to be quick."""
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


def test_the_listing_layer_by_layer(listed):
    model, expected = listed[0].model_, listing()
    ours = [layer for layer in model.layers if layer.weights]
    assert [type(layer) for layer in ours] == [type(layer) for layer in expected.layers]
    for own, other in zip(ours, expected.layers, strict=True):
        assert [w.shape for w in own.weights] == [w.shape for w in other.weights]
        assert own.output.shape == other.output.shape
        assert getattr(own, "activation", None) == getattr(other, "activation", None)
    assert model.count_params() == expected.count_params() == 2_602_896
    assert [layer.count_params() for layer in ours] == [1_280_000, 32_896, 1_290_000]
    assert model.input_shape == expected.input_shape == (None, 50)
    assert model.output_shape == expected.output_shape == (None, 10000)
    assert type(model.optimizer) is type(expected.optimizer)
    assert model.loss == expected.loss


def test_the_listing_is_trained_to_predict_the_next_token(listed):
    encoder, sentences = listed
    untrained = RNNTextEncoder(**encoder.get_params() | {"learning_rate": 1e-9}).fit(sentences)
    assert encoder.score_samples(sentences).mean() > untrained.score_samples(sentences).mean() + 5
    words = encoder.padded_ids(sentences)
    probabilities = encoder.model_.predict(words, verbose=0)
    assert probabilities.shape == (6, 10000)
    vectors = encoder.transform(sentences)
    w, b = encoder.model_.get_layer("head").get_weights()
    logits = vectors @ w + b
    np.testing.assert_allclose(
        probabilities, np.exp(logits - np.log(np.exp(logits).sum(axis=1))[:, None]), atol=1e-6
    )


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", LAYERS)
def test_weights_have_the_names_and_shapes_of_the_spec(layer, pooling):
    spec = Spec(
        n_ids=7, embedding_dim=4, layer=layer, rnn_units=4, n_layers=2, bidirectional=True,
        pooling=pooling, n_components=5, head="softmax", n_outputs=2, dropout=0.1,
    )  # fmt: skip
    model = network(spec, initial_weights(spec, np.random.default_rng(0)))
    found = {name: tuple(v.shape) for name, v in variables(model).items()}
    assert found == weight_shapes(spec)


@pytest.mark.parametrize("kind", ["mean", "max", "attention"])
def test_pooling_sees_no_padding(kind):
    layer = Pooling(kind)
    rng = np.random.default_rng(0)
    h = rng.standard_normal((2, 5, 3)).astype("float32")
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    layer.build(h.shape)
    for weight in layer.weights:
        weight.assign(rng.standard_normal(weight.shape))
    before = np.array(layer(h, mask=mask))
    h[1, 2:] = 1000.0
    np.testing.assert_array_equal(np.array(layer(h, mask=mask)), before)
    assert Pooling.from_config(layer.get_config()).kind == kind


def test_no_global_random_state_is_touched():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    spec = Spec(n_ids=7, embedding_dim=4, layer="gru", rnn_units=3, dropout=0.5, recurrent_dropout=0.5)
    network(spec, initial_weights(spec, np.random.default_rng(0)))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
