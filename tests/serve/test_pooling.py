"""Each pooling against its formula on the states of one text."""

import numpy as np
import pytest

from skrnn.serve.forward import Forward
from skrnn.serve.layers import LAYERS
from skrnn.serve.pooling import POOLINGS, vector_width


def attention(h, weights):
    """Return the weighted mean of Yang et al. (2016)."""
    score = np.tanh(h @ weights["pooling/kernel"] + weights["pooling/bias"]) @ weights["pooling/context"]
    share = np.exp(score) / np.exp(score).sum()
    return share @ h


def last(h, spec):
    """Return the last state in the order of reading, for each direction."""
    return np.concatenate([h[-1, :4], h[0, 4:]]) if spec.is_recurrent else h[-1]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", LAYERS)
def test_vectors_follow_the_formula(layer, pooling, make_spec, make_weights, make_texts):
    spec = make_spec(layer=layer, bidirectional=True, n_layers=2, pooling=pooling)
    weights, texts = make_weights(spec), make_texts()
    forward = Forward(spec, weights)
    vectors = forward.encode(texts)
    assert vectors.shape[1] == vector_width(spec) == forward.vector_width
    for h, vector in zip(forward.states(texts), vectors, strict=True):
        formulas = {
            "last": lambda h=h: last(h, spec),
            "mean": lambda h=h: h.mean(axis=0),
            "max": lambda h=h: h.max(axis=0),
            "attention": lambda h=h: attention(h, weights),
            "concat": lambda h=h: np.concatenate([last(h, spec), h.mean(axis=0), h.max(axis=0)]),
        }
        np.testing.assert_allclose(vector, formulas[pooling](), rtol=0, atol=2e-6)


def test_poolings_have_the_documented_order():
    assert list(POOLINGS) == ["last", "mean", "max", "attention", "concat"]
