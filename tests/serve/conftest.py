"""Small networks and texts for the tests of serving."""

import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.serve.weights import weight_shapes
from skrnn.spec import Spec

LENGTHS = [7, 1, 4, 12, 1, 7, 3, 5]


@pytest.fixture
def make_spec():
    """Return a function that makes a tiny Spec."""

    def make(**parameters):
        tiny = {"n_ids": 11, "embedding_dim": 5, "layer": "gru", "rnn_units": 4, "n_heads": 2}
        return Spec(**tiny | parameters)

    return make


@pytest.fixture
def make_weights():
    """Return a function that draws weights: no bias is zero, no gate is near one half."""

    def make(spec, seed=0, scale=0.4):
        rng = np.random.default_rng(seed)
        return {
            name: (rng.standard_normal(shape) * scale).astype(np.float32)
            for name, shape in weight_shapes(spec).items()
        }

    return make


@pytest.fixture
def make_texts():
    """Return a function that draws eight texts."""

    def make(n_ids=11, lengths=LENGTHS, seed=0):
        rng = np.random.default_rng(seed)
        return Ragged.from_lengths(rng.integers(1, n_ids, sum(lengths)).astype(np.int32), np.array(lengths))

    return make


@pytest.fixture
def keras_network():
    """Return the function that builds a Keras model."""
    from skrnn.train.network import network

    return network
