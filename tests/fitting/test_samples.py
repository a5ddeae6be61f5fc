"""The held-out split and the checks of sample weights."""

import numpy as np
import pytest

from skrnn.fitting.samples import Samples, check_sample_weight, generator


def samples_of(n, n_rare):
    """Return numbered samples whose weight is their number, the last of them of a rare class."""
    rare = np.repeat([0, 1], [n - n_rare, n_rare])
    return Samples(list(map(str, range(n))), rare, np.arange(n, dtype=np.float32))


def test_a_stratified_split_keeps_every_class():
    samples = samples_of(40, 4)
    train, held_out = samples.split(0.25, np.random.default_rng(0), owner="Owner", stratify=True)
    assert len(train.texts) == 30 and len(held_out.texts) == 10
    assert held_out.targets.sum() == 1 and set(train.texts) | set(held_out.texts) == set(map(str, range(40)))
    for part in (train, held_out):
        assert [int(text) for text in part.texts] == part.weights.tolist() == sorted(part.weights)


def test_a_class_with_one_text_cannot_be_stratified_and_is_split_anyway():
    train, held_out = samples_of(10, 1).split(0.2, np.random.default_rng(0), owner="Owner", stratify=True)
    assert len(train.texts) == 8 and len(held_out.texts) == 2


@pytest.mark.parametrize(
    ("n", "fraction", "message"),
    [(1, 0.1, "needs 2 texts or more"), (3, 0.9, "validation_fraction of Owner leaves no texts")],
)
def test_too_few_texts_are_refused(n, fraction, message):
    with pytest.raises(ValueError, match=message):
        samples_of(n, 0).split(fraction, np.random.default_rng(0), owner="Owner", stratify=False)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"must have shape \(2,\)"),
        ([1.0, np.nan], "must be finite and >= 0. Got nan at position 1"),
        ([-1.0, 1.0], "Got -1.0 at position 0"),
        ([0.0, 0.0], "positive weight"),
    ],
)
def test_invalid_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        check_sample_weight(weights, 2, owner="Owner")


def test_the_same_seed_gives_the_same_numbers():
    assert generator(3).integers(2**31) == generator(3).integers(2**31) != generator(4).integers(2**31)
    states = [np.random.RandomState(3) for _ in range(2)]
    assert generator(states[0]).integers(2**31) == generator(states[1]).integers(2**31)
