"""Texts with targets and weights: the held-out split, checks of sample weights, generators."""

import numpy as np
import pytest

from skrnn.fitting.samples import Samples, as_objects, check_sample_weight, generator


def make_samples(labels):
    """Return samples whose texts and weights are the row numbers."""
    n = len(labels)
    return Samples([str(i) for i in range(n)], np.array(labels), np.arange(n, dtype=np.float32))


def split(samples, fraction, *, seed=0, stratify=True):
    return samples.split(fraction, np.random.default_rng(seed), owner="Owner", stratify=stratify)


def rows_of(samples):
    return [int(text) for text in samples.texts]


def test_take_selects_texts_targets_and_weights():
    taken = make_samples(["a", "b", "c"]).take(np.array([2, 0]))
    assert taken.texts == ["2", "0"] and taken.targets.tolist() == ["c", "a"]
    assert taken.weights.tolist() == [2, 0]
    without_targets = Samples(["x", "y"], None, np.ones(2, np.float32)).take(np.array([1]))
    assert without_targets.texts == ["y"] and without_targets.targets is None


def test_a_split_holds_out_a_share_with_each_class():
    labels = np.repeat([0, 1], [36, 4])
    train, held_out = split(make_samples(labels), 0.25)
    assert len(train.texts) == 30 and len(held_out.texts) == 10
    assert held_out.targets.sum() == 1 and sorted(rows_of(train) + rows_of(held_out)) == list(range(40))
    for part in (train, held_out):
        rows = rows_of(part)
        assert rows == sorted(rows) == part.weights.tolist()
        assert part.targets.tolist() == labels[rows].tolist()


def test_the_seed_of_the_generator_decides_what_is_held_out():
    samples = make_samples([0, 1] * 20)
    first, again, other = (rows_of(split(samples, 0.25, seed=seed)[1]) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [([0] * 19 + [1], 0.25), (list(range(10)) * 2, 0.1)],
    ids=["a class with one text", "fewer held-out texts than classes"],
)
def test_a_split_that_cannot_be_stratified_is_random(labels, fraction):
    train, held_out = split(make_samples(labels), fraction)
    assert len(held_out.texts) == round(20 * fraction) and len(train.texts) + len(held_out.texts) == 20


def test_a_split_holds_out_one_text_or_more():
    train, held_out = split(make_samples([0.5, 1.5, 2.5]), 0.01, stratify=False)
    assert (len(train.texts), len(held_out.texts)) == (2, 1)


def test_a_split_of_one_text_is_refused():
    with pytest.raises(ValueError, match=r"Owner needs 2 texts or more.*Got 1.*early_stopping=False"):
        split(make_samples([0]), 0.5)


def test_a_split_that_leaves_nothing_for_training_is_refused():
    with pytest.raises(ValueError, match=r"validation_fraction of Owner leaves no texts.*0\.9 of 4 texts"):
        split(make_samples([0, 1, 0, 1]), 0.9)


def test_sample_weights_become_float32_and_none_means_ones():
    assert check_sample_weight(None, 3, owner="Owner").tolist() == [1, 1, 1]
    weights = check_sample_weight([0, 2, 1.5], 3, owner="Owner")
    assert weights.dtype == np.float32 and weights.tolist() == [0, 2, 1.5]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"must have shape \(3,\).*Got shape \(2,\)"),
        (np.ones((3, 1)), r"must have shape \(3,\).*Got shape \(3, 1\)"),
        ([1, np.nan, 1], "finite and >= 0. Got nan at position 1, and 0 more"),
        ([1, -1, np.inf], r"finite and >= 0. Got -1\.0 at position 1, and 1 more"),
        ([0, 0, 0], "must have a positive weight"),
    ],
    ids=["short", "matrix", "NaN", "negative", "zeros"],
)
def test_invalid_sample_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"sample_weight of Owner.fit .*{message}"):
        check_sample_weight(weights, 3, owner="Owner")


def test_a_generator_depends_only_on_the_random_state():
    draws = [generator(state).random() for state in (3, 3, 4, None, None)]
    assert draws[0] == draws[1] and len(set(draws)) == 4
    one, same, other = (generator(np.random.RandomState(seed)).random() for seed in (0, 0, 1))
    assert one == same != other


def test_a_generator_leaves_the_global_random_state_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    generator(None).random()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_as_objects_makes_an_array_of_str():
    array = as_objects(["a", "longer"])
    assert array.dtype == object and array.tolist() == ["a", "longer"]
    assert as_objects([]).shape == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_both_parts_of_a_split_have_a_positive_weight(seed):
    weights = np.zeros(20, np.float32)
    weights[[3, 11]] = 1
    samples = make_samples([0, 1] * 10)._replace(weights=weights)
    train, held_out = split(samples, 0.25, seed=seed)
    assert train.weights.any() and held_out.weights.any()
    assert sorted(rows for part in (train, held_out) for rows in map(int, part.texts)) == list(range(20))
    with pytest.raises(ValueError, match=r"2 texts or more with a positive weight. Got 1"):
        split(samples._replace(weights=np.eye(20, dtype=np.float32)[0]), 0.25)


@pytest.mark.parametrize("size", [1e-300, 1e-20, 1e30, 1e39])
def test_weights_out_of_range_are_refused_and_the_remedy_works(size):
    weights = np.array([1.0, 2.0, 3.0]) * size
    with pytest.raises(ValueError, match=r"sample_weight_val of Owner.*Divide sample_weight_val by its mean"):
        check_sample_weight(weights, 3, owner="Owner", name="sample_weight_val")
    assert check_sample_weight(weights / weights.mean(), 3, owner="Owner").tolist() == [0.5, 1, 1.5]


def test_balanced_weights_have_the_mean_1():
    samples = make_samples([0, 1, 0])._replace(weights=np.array([1e-6, 2e-6, 3e-6], np.float32))
    np.testing.assert_allclose(samples.balanced().weights, [0.5, 1, 1.5], rtol=1e-6)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"sample_weight of Owner\.fit must hold numbers"):
        check_sample_weight(["x", "y"], 2, owner="Owner")
