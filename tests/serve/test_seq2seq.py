"""The decoder of "seq2seq" against Keras, and the searches over it."""

import numpy as np
import pytest

from skrnn.ragged import BOUNDARY, PAD, Ragged
from skrnn.serve.forward import Forward
from skrnn.serve.layers import LAYERS
from skrnn.serve.search import Rules, beam, greedy
from skrnn.serve.weights import weight_shapes

SOURCE_LENGTHS, TARGET_LENGTHS = [3, 1, 6, 2], [2, 5, 0, 3]


@pytest.fixture
def sources(make_texts):
    return make_texts(9, SOURCE_LENGTHS, seed=1)


@pytest.fixture
def targets(make_texts):
    return make_texts(7, TARGET_LENGTHS, seed=2)


@pytest.fixture
def make_network(make_spec, make_weights):
    def make(**parameters):
        tiny = {
            "n_ids": 9, "embedding_dim": 4, "rnn_units": 3, "bidirectional": True, "head": "seq2seq",
            "n_outputs": 7, "attention": "general", "pooling": "concat", "n_heads": 3,
        }  # fmt: skip
        spec = make_spec(**tiny | parameters)
        return spec, make_weights(spec, scale=0.7)

    return make


@pytest.mark.parametrize(
    "parameters",
    [
        *[{"layer": layer, "n_layers": 2} for layer in LAYERS],
        *[
            {"attention": kind, "tied_embeddings": tied}
            for kind in (None, "additive")
            for tied in (True, False)
        ],
        {"bidirectional": False, "pooling": "last"},
        {"pooling": "attention", "n_components": 5, "attention": None, "n_layers": 2},
        {"layer": "lstm", "pooling": "mean", "attention": "additive"},
    ],
    ids=str,
)
def test_log_likelihoods_equal_those_of_keras(parameters, make_network, sources, targets, keras_network):
    from skrnn.train.network import variables

    spec, weights = make_network(**parameters)
    model = keras_network(spec, weights)
    assert {name: tuple(v.shape) for name, v in variables(model).items()} == weight_shapes(spec)
    following = targets.append(BOUNDARY).pad(8)  # wider than the longest text
    output = np.array(model([sources.pad(9), targets.prepend(BOUNDARY).pad(8)]))
    chosen = np.take_along_axis(output, following[:, :, None].astype(int), axis=2)[:, :, 0]
    expected = (np.log(chosen) * (following != PAD)).sum(axis=1)
    decoder = Forward(spec, weights).decoder
    found = decoder.log_likelihood(sources, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    for i in range(4):
        row = np.array([i])
        alone = decoder.log_likelihood(sources.take(row), targets.take(row))
        np.testing.assert_allclose(alone[0], found[i], rtol=1e-6)


@pytest.mark.parametrize("parameters", [{}, {"layer": "lstm", "n_layers": 2}, {"attention": None}], ids=str)
@pytest.mark.parametrize("n_best", [1, 2])
def test_written_texts_have_the_log_likelihood_that_the_search_reports(
    n_best, parameters, make_network, sources
):
    decoder = Forward(*make_network(**parameters)).decoder
    rules = Rules(max_length=6)

    def search(step, states):
        if n_best == 1:
            return greedy(step, states, rules)
        return beam(step, states, rules, width=4, n_best=n_best)

    found = decoder.write(sources, search, n_beams=4)
    again = decoder.log_likelihood(sources.take(np.arange(4).repeat(n_best)), found.sequences)
    np.testing.assert_allclose(found.log_probabilities, again, rtol=1e-5)
    in_threads = decoder.write(sources, search, n_beams=100, n_jobs=2)  # batches of two rows
    np.testing.assert_array_equal(in_threads.sequences.ids, found.sequences.ids)


def test_no_sources_give_no_texts(make_network):
    decoder = Forward(*make_network()).decoder
    found = decoder.write(
        Ragged.from_rows([]), lambda step, states: greedy(step, states, Rules(max_length=3))
    )
    assert len(found.sequences) == len(found.log_probabilities) == 0


@pytest.mark.parametrize("kind", ["general", "additive"])
def test_attention_weights_sum_to_one_over_the_source(kind, make_network, sources, targets):
    decoder = Forward(*make_network(attention=kind)).decoder
    weights = decoder.attention(sources, targets)
    shapes = [
        (n_written + 1, n_read) for n_read, n_written in zip(SOURCE_LENGTHS, TARGET_LENGTHS, strict=True)
    ]
    assert [part.shape for part in weights] == shapes
    for part in weights:
        np.testing.assert_allclose(part.sum(axis=1), 1, rtol=1e-5)
