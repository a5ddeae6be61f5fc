"""Searches over a tiny random network, against all texts there are."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.ragged import BOUNDARY, PAD
from skrnn.serve.search import Rules, beam, greedy, largest, sample

N_IDS = 5  # padding, unknown, the boundary and two terms
seeds = st.integers(0, 2**16)


class TinyNetwork:
    """A random recurrent network whose start differs from text to text."""

    def __init__(self, seed, n_texts=3, n_ids=N_IDS):
        rng = np.random.default_rng(seed)
        self.embeddings = rng.normal(size=(n_ids, 4))
        self.recurrent = rng.normal(size=(4, 4))
        self.head = rng.normal(size=(4, n_ids)) * 2
        self.states = [rng.normal(size=(n_texts, 4)), np.arange(n_texts)]
        self.n_rows = []

    def step(self, ids, states):
        self.n_rows.append(len(ids))
        h = np.tanh(self.embeddings[ids] + states[0] @ self.recurrent)
        logits = h @ self.head
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return log_probs.astype(np.float32), [h, states[1]]

    def log_probability(self, text, ids):
        states, total = [state[text : text + 1] for state in self.states], 0.0
        for before, following in zip([BOUNDARY, *ids], [*ids, BOUNDARY], strict=True):
            log_probs, states = self.step(np.array([before]), states)
            total += float(log_probs[0, following])
        return total


def rows(found):
    return [part.tolist() for part in np.split(found.sequences.ids, found.sequences.offsets[1:-1])]


def every_text(longest, n_ids=N_IDS):
    terms = [i for i in range(n_ids) if i not in (PAD, BOUNDARY)]
    return [list(ids) for n in range(longest + 1) for ids in product(terms, repeat=n)]


@given(seeds, st.sampled_from([0.0, 0.6, 1.0]))
def test_a_wide_beam_finds_what_exhaustive_search_finds(seed, length_penalty):
    network, rules = TinyNetwork(seed), Rules(max_length=3)
    found = beam(network.step, network.states, rules, width=60, length_penalty=length_penalty, n_best=3)
    for text in range(3):
        scored = [(network.log_probability(text, ids), ids) for ids in every_text(3)]
        scored.sort(key=lambda pair: -pair[0] / (len(pair[1]) + 1) ** length_penalty)
        assert rows(found)[3 * text : 3 * text + 3] == [ids for _, ids in scored[:3]]
        np.testing.assert_allclose(
            found.log_probabilities[3 * text : 3 * text + 3], [p for p, _ in scored[:3]], rtol=1e-5
        )


@given(seeds, st.integers(1, 6))
def test_log_probabilities_are_those_of_the_texts(seed, width):
    network, rules = TinyNetwork(seed), Rules(max_length=5)
    searches = [
        beam(network.step, network.states, rules, width=width),
        greedy(network.step, network.states, rules),
        sample(network.step, network.states, rules, rng=np.random.default_rng(seed)),
    ]
    for found in searches:
        expected = [network.log_probability(text, ids) for text, ids in enumerate(rows(found))]
        np.testing.assert_allclose(found.log_probabilities, expected, rtol=1e-5)


@given(seeds)
def test_greedy_takes_the_most_probable_id_and_a_beam_of_one_too(seed):
    network, rules = TinyNetwork(seed), Rules(max_length=6)
    found = greedy(network.step, network.states, rules)
    for text, ids in enumerate(rows(found)):
        states, before = [state[text : text + 1] for state in network.states], BOUNDARY
        for following in [*ids, BOUNDARY][: rules.max_length]:
            log_probs, states = network.step(np.array([before]), states)
            log_probs[:, PAD] = -np.inf
            before = int(log_probs.argmax())
            assert before == following
    narrow = beam(network.step, network.states, rules, width=1)
    assert rows(narrow) == rows(found)
    np.testing.assert_allclose(narrow.log_probabilities, found.log_probabilities, rtol=1e-5)


@given(seeds, st.integers(1, 4))
def test_texts_do_not_depend_on_each_other(seed, width):
    network, rules = TinyNetwork(seed, n_texts=4), Rules(max_length=6)
    together = beam(network.step, network.states, rules, width=width)
    alone = [
        beam(network.step, [state[i : i + 1] for state in network.states], rules, width=width)
        for i in range(4)
    ]
    assert rows(together) == [rows(found)[0] for found in alone]


def test_ended_texts_are_left_out_and_a_search_stops_early():
    def step(ids, states):  # text i writes i ids 3, then ends
        (left,) = states
        following = np.where(left > 0, 3, BOUNDARY)
        return np.where(np.arange(N_IDS) == following[:, None], -0.1, -5.0 - np.arange(N_IDS)), [left - 1]

    counted = []

    def counting(ids, states):
        counted.append(len(ids))
        return step(ids, states)

    found = greedy(counting, [np.arange(4)], Rules(max_length=50))
    assert rows(found) == [[], [3], [3, 3], [3, 3, 3]]
    assert counted == [4, 3, 2, 1]
    counted.clear()
    found = beam(counting, [np.arange(4)], Rules(max_length=50), width=2, length_penalty=0)
    assert rows(found) == [[], [3], [3, 3], [3, 3, 3]]
    assert len(counted) < 8 and counted[-1] < 8


@given(seeds, st.sampled_from([1, 2, 4]))
def test_lengths_and_repeats_are_kept_within_the_rules(seed, width):
    network = TinyNetwork(seed, n_ids=7)
    rules = Rules(max_length=6, min_length=3, no_repeat_ngram_size=2, never=(PAD, 1))
    for found in (
        beam(network.step, network.states, rules, width=width),
        sample(network.step, network.states, rules, rng=np.random.default_rng(0)),
    ):
        for ids in rows(found):
            assert 3 <= len(ids) <= 6
            assert not {PAD, 1, BOUNDARY} & set(ids)
            pairs = list(pairwise(ids))
            assert len(set(pairs)) == len(pairs)


def test_repeats_are_kept_out():
    """The rule above bites: without it the same network repeats itself."""

    def step(ids, states):
        return np.tile(np.log([0.01, 0.01, 0.02, 0.5, 0.3, 0.16]), (len(ids), 1)), states

    assert rows(greedy(step, [np.zeros(1)], Rules(max_length=5))) == [[3, 3, 3, 3, 3]]
    assert rows(greedy(step, [np.zeros(1)], Rules(max_length=5, no_repeat_ngram_size=1))) == [[3, 4, 5]]
    assert rows(greedy(step, [np.zeros(1)], Rules(max_length=5, no_repeat_ngram_size=2))) == [[3, 3, 4, 3, 5]]


def test_samples_follow_the_probabilities():
    probabilities = np.array([0.2, 0.1, 0.1, 0.2, 0.4])  # padding is never drawn

    def step(ids, states):
        return np.tile(np.log(probabilities), (len(ids), 1)), states

    def shares(**options):
        found = sample(step, [np.zeros(20000)], Rules(max_length=1), rng=np.random.default_rng(0), **options)
        return np.bincount(found.sequences.ids, minlength=N_IDS) / 20000

    np.testing.assert_allclose(shares(), [0, 1 / 8, 0, 2 / 8, 4 / 8], atol=0.015)
    np.testing.assert_allclose(shares(temperature=0.5), [0, 1 / 22, 0, 4 / 22, 16 / 22], atol=0.015)
    np.testing.assert_allclose(shares(top_k=2), [0, 0, 0, 1 / 3, 2 / 3], atol=0.015)
    np.testing.assert_array_equal(shares(), shares())


def test_a_start_of_its_own_for_each_text():
    network = TinyNetwork(0)
    starts = np.array([3, 4, 3])
    together = greedy(network.step, network.states, Rules(max_length=4, start=starts))
    for i, start in enumerate(starts):
        alone = [state[i : i + 1] for state in network.states]
        assert rows(greedy(network.step, alone, Rules(max_length=4, start=int(start)))) == [rows(together)[i]]


@given(seeds, st.integers(1, 12), st.sampled_from([3, 12, 500, 3000]))
def test_largest(seed, k, n_columns):
    values = np.random.default_rng(seed).integers(0, 40, (3, n_columns)).astype(np.float32)
    k = min(k, n_columns)
    found = np.take_along_axis(values, largest(values, k), axis=1)
    np.testing.assert_array_equal(found, -np.sort(-values, axis=1)[:, :k])


def test_no_text_is_no_error():
    network = TinyNetwork(0, n_texts=0)
    for found in (
        greedy(network.step, network.states, Rules(max_length=3)),
        beam(network.step, network.states, Rules(max_length=3), width=2),
    ):
        assert len(found.sequences.ids) == 0 and found.sequences.offsets.tolist() == [0]


@pytest.mark.parametrize("width", [1, 3])
def test_no_room_is_the_empty_text(width):
    network = TinyNetwork(0)
    found = beam(network.step, network.states, Rules(max_length=0), width=width)
    assert rows(found) == [[], [], []]
    expected = [network.log_probability(i, []) for i in range(3)]
    np.testing.assert_allclose(found.log_probabilities, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("search", "arguments", "message"),
    [
        (beam, {"width": 0}, "'width' parameter of beam must be an int in the range .1, inf.. Got 0"),
        (
            beam,
            {"width": 2, "n_best": 3},
            "'n_best' parameter of beam must be an int in the range .1, 3.. Got 3",
        ),
        (beam, {"width": 2, "length_penalty": -1}, "'length_penalty' parameter of beam must be .* Got -1"),
        (sample, {"rng": None, "temperature": 0}, "'temperature' parameter of sample must be .* Got 0"),
        (sample, {"rng": None, "top_k": 0}, "'top_k' parameter of sample must be .* Got 0"),
    ],
)
def test_searches_refuse_invalid_arguments(search, arguments, message):
    network = TinyNetwork(0)
    with pytest.raises(ValueError, match=message):
        search(network.step, network.states, Rules(max_length=3), **arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_length", -1), ("min_length", 4), ("min_length", -1), ("no_repeat_ngram_size", -1)],
)
def test_rules_refuse_invalid_values(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of Rules must be .* Got {value}"):
        Rules(**{"max_length": 3, name: value})
