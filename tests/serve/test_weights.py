"""The weights before training."""

import numpy as np

from skrnn.serve.weights import initial_weights


def test_initial_weights_follow_the_keras_layers(make_spec):
    spec = make_spec(layer="lstm", rnn_units=64, embedding_dim=32)
    weights = initial_weights(spec, np.random.default_rng(0))
    recurrent = weights["forward_0/recurrent_kernel"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)
    limit = np.sqrt(6 / (32 + 256))
    assert 0.95 * limit < np.abs(weights["forward_0/kernel"]).max() <= limit
    np.testing.assert_array_equal(weights["forward_0/bias"], np.repeat([0, 1, 0, 0], 64))
    assert all(array.dtype == np.float32 for array in weights.values())


def test_one_seed_draws_the_same_weights_again(make_spec):
    spec = make_spec(head="seq2seq", n_outputs=7, attention="additive", layer="lstm")
    first, second = (initial_weights(spec, np.random.default_rng(0)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(
        first["bridge/kernel"], initial_weights(spec, np.random.default_rng(1))["bridge/kernel"]
    )
    np.testing.assert_array_equal(first["decoder_0/bias"], np.repeat([0, 1, 0, 0], 4))
    assert 0.25 < np.abs(first["target_embedding/embeddings"]).max() <= 0.3
