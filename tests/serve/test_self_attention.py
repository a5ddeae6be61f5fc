"""Self-attention in NumPy: blocks of queries and keys, and their memory."""

import tracemalloc

import numpy as np
import pytest

from skrnn.serve import initial_weights, self_attention
from skrnn.serve.self_attention import SelfAttention
from skrnn.spec import Spec


def layer(bidirectional):
    spec = Spec(
        n_ids=9,
        embedding_dim=8,
        layer="self_attention",
        rnn_units=8,
        n_heads=2,
        bidirectional=bidirectional,
    )
    return SelfAttention(spec, initial_weights(spec, np.random.default_rng(0)))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("lengths", [[9], [9, 9], [9, 7, 4, 1]])
@pytest.mark.parametrize(("n_scores", "n_keys"), [(1, 1), (8, 2), (64, 4), (64, 100)])
def test_blocks_do_not_change_the_states(monkeypatch, bidirectional, lengths, n_scores, n_keys):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    x = np.random.default_rng(1).normal(0, 3, (offsets[-1], 8)).astype(np.float32)
    expected = layer(bidirectional).states(x, offsets)
    monkeypatch.setattr(self_attention, "MAX_SCORES", n_scores)
    monkeypatch.setattr(self_attention, "MAX_KEYS", n_keys)
    found = layer(bidirectional).states(x, offsets)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_attention_is_the_softmax_of_the_scores(monkeypatch, bidirectional):
    monkeypatch.setattr(self_attention, "MAX_KEYS", 3)
    q, k, v = heads = np.random.default_rng(0).normal(size=(3, 1, 2, 7, 4)).astype(np.float32)
    scores = q @ k.swapaxes(2, 3) / 2
    if not bidirectional:
        scores = np.where(np.tri(7, dtype=bool), scores, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    expected = (weights @ v).swapaxes(1, 2).reshape(1, 7, 8)
    found = layer(bidirectional)._attend(heads, np.ones((1, 7), bool))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_memory_is_linear_in_the_length_of_a_text():
    n = 4000
    x = np.zeros((n, 8), np.float32)
    tracemalloc.start()
    layer(True).states(x, np.array([0, n]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # the scores of all pairs of tokens alone would need 128 MB
