"""The mini-batches of a training: padding, targets, weights, noise and the sample of a large vocabulary."""

import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.spec import Spec
from skrnn.train.batches import Examples
from skrnn.train.dataset import LARGE_VOCABULARY, N_SAMPLED, Batches, is_sampled, sample_ids
from skrnn.train.recipe import Recipe
from skrnn.train.tensorflow import as_dataset

SPEC = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="binary", n_outputs=1)
AUTOENCODER = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="autoencoder", n_outputs=9)


def make_examples(rows, targets=None, weights=None):
    targets = None if targets is None else np.array(targets, np.float32)[:, None]
    weights = np.ones(len(rows)) if weights is None else np.array(weights)
    return Examples(Ragged.from_rows(rows), targets, weights.astype(np.float32))


def as_lists(batches):
    return [[array.tolist() for array in batches[i]] for i in range(len(batches))]


# -- epochs ----------------------------------------------------------------------------------------


def test_the_batches_of_an_epoch_depend_only_on_the_seed_and_the_epoch():
    examples = make_examples([[3] * n for n in range(1, 60)], [0, 1] * 29 + [0])
    recipe = Recipe(batch_size=4, seed=1)

    def epoch(number):
        batches = Batches(SPEC, recipe, examples)
        for i in range(number):
            batches.go_to(i + 1)
        return as_lists(batches)

    read_before = Batches(SPEC, recipe, examples)
    as_lists(read_before)
    read_before.go_to(1)
    assert as_lists(read_before) == epoch(1)
    assert epoch(0) != epoch(1)
    assert epoch(0) == epoch(0)


def test_different_seeds_draw_different_batches():
    examples = make_examples([[3] * n for n in range(1, 60)], [0, 1] * 29 + [0])
    first, second = (as_lists(Batches(SPEC, Recipe(batch_size=4, seed=seed), examples)) for seed in (1, 2))
    assert first != second


def test_tensorflow_reads_the_same_batches_without_a_fixed_length():
    examples = make_examples([[3] * 5] * 20, [0] * 20)
    batches = Batches(SPEC, Recipe(batch_size=4), examples)
    data = as_dataset(batches)
    assert [tuple(part.shape) for part in data.element_spec] == [(None, None), (None, None), (None,)]
    assert int(data.cardinality()) == len(batches) == 5
    assert data.options().autotune.enabled is False  # the end of an epoch would wait for its thread
    for found, expected in zip(data.as_numpy_iterator(), map(batches.__getitem__, range(5)), strict=True):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


# -- targets and weights ---------------------------------------------------------------------------


def test_r_drop_repeats_each_text():
    examples = make_examples([[3, 4], [5], [6, 7, 8]], [0, 1, 0], [1, 2, 3])
    ids, targets, weights = Batches(SPEC, Recipe(batch_size=8, r_drop=1.0), examples)[0]
    assert len(ids) == len(targets) == len(weights) == 6
    for array in (ids, targets, weights):
        np.testing.assert_array_equal(array[::2], array[1::2])
    assert sorted(weights.tolist()) == [1, 1, 2, 2, 3, 3]


def test_the_targets_of_an_autoencoder_are_the_texts():
    examples = make_examples([[3, 4, 5], [6]], None, [1, 3])
    (texts, previous), targets, weights = Batches(AUTOENCODER, Recipe(batch_size=8), examples)[0]
    order = [0, 1] if texts[0, 0] == 3 else [1, 0]
    assert texts[order, :4].tolist() == [[3, 4, 5, 0], [6, 0, 0, 0]]
    assert previous[order, :5].tolist() == [[2, 3, 4, 5, 0], [2, 6, 0, 0, 0]]
    assert targets[order, :5].tolist() == [[3, 4, 5, 2, 0], [6, 2, 0, 0, 0]]
    np.testing.assert_allclose(weights[order, :5] * 10, [[1, 1, 1, 1, 0], [3, 3, 0, 0, 0]], rtol=1e-6)
    assert weights.sum() == pytest.approx(1) and not weights[:, 5:].any()


def test_pairs_are_padded_on_both_sides_and_their_weights_sum_to_one():
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="seq2seq", n_outputs=9)
    targets = Ragged.from_rows([[4, 5], []])
    examples = Examples(Ragged.from_rows([[3], [6, 7, 8]]), targets, np.array([1, 3], np.float32))
    (sources, previous), following, weights = Batches(spec, Recipe(batch_size=8), examples)[0]
    order = [0, 1] if sources[0, 0] == 3 else [1, 0]
    assert sources[order].tolist() == [[3, 0, 0, 0], [6, 7, 8, 0]]
    assert previous[order].tolist() == [[2, 4, 5, 0], [2, 0, 0, 0]]
    assert following[order].tolist() == [[4, 5, 2, 0], [2, 0, 0, 0]]
    np.testing.assert_allclose(weights[order] * 6, [[1, 1, 1, 0], [3, 0, 0, 0]], rtol=1e-6)


# -- noise and dropout of tokens -------------------------------------------------------------------


def test_dropout_hides_previous_tokens_from_the_decoder_but_not_the_boundary():
    examples = make_examples([[3, 4, 5, 6, 7, 8]] * 50)
    recipe = Recipe(batch_size=64, dropout=0.5)
    (texts, previous), targets, _ = Batches(AUTOENCODER, recipe, examples)[0]
    assert (texts[:, :6] == [3, 4, 5, 6, 7, 8]).all() and (targets[:, :6] == texts[:, :6]).all()
    assert (previous[:, 0] == 2).all()
    assert 0.4 < (previous[:, 1:7] == 1).mean() < 0.6 and not (previous[:, 7:] == 1).any()


def test_noise_changes_what_an_autoencoder_reads_but_not_its_targets():
    examples = make_examples([[3, 4, 5, 6, 7, 8]] * 50)
    recipe = Recipe(batch_size=64, noise=0.3)
    batches = Batches(AUTOENCODER, recipe, examples)
    (texts, previous), targets, _ = batches[0]
    assert 0.6 < (texts > 0).sum() / 300 < 0.8
    assert (targets[:, :6] == [3, 4, 5, 6, 7, 8]).all() and (previous[:, 1:7] == targets[:, :6]).all()
    np.testing.assert_array_equal(batches[0][0][0], texts)
    batches.go_to(1)
    assert not np.array_equal(batches[0][0][0], texts)


# -- the sample of a large vocabulary --------------------------------------------------------------


def test_candidates_contain_each_target_once():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 50, (4, 6))
    candidates, offsets, positions = sample_ids(targets, 20000, rng)
    n_own = len(np.unique(targets))
    assert len(np.unique(candidates)) == len(candidates) and candidates.dtype == np.int32
    assert (candidates[positions] == targets).all()
    assert not offsets[:n_own].any() and len(candidates) - n_own == N_SAMPLED
    np.testing.assert_allclose(np.exp(offsets[n_own:]).sum(), 20000 - n_own, rtol=1e-4)


def test_the_sample_estimates_the_sum_of_the_softmax_without_bias():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(12_000)
    targets = rng.integers(0, 100, (4, 9))
    sums = []
    for _ in range(200):
        candidates, offsets, _ = sample_ids(targets, len(logits), rng)
        sums.append(np.exp(logits[candidates] + offsets).sum())
    assert np.mean(sums) == pytest.approx(np.exp(logits).sum(), rel=0.01)


@pytest.mark.parametrize(
    ("head", "n_outputs", "expected"),
    [
        ("language_model", LARGE_VOCABULARY + 1, True),
        ("autoencoder", LARGE_VOCABULARY + 1, True),
        ("language_model", LARGE_VOCABULARY, False),
        ("multiclass", LARGE_VOCABULARY + 1, False),
        ("seq2seq", LARGE_VOCABULARY + 1, False),
    ],
)
def test_only_large_vocabularies_are_sampled(head, n_outputs, expected):
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=n_outputs)
    assert is_sampled(spec) is expected
