"""The training losses against their formulas, in NumPy."""

import keras
import numpy as np
import pytest

from skrnn.spec import Spec
from skrnn.targets import HEADS
from skrnn.train.losses import Contrast, RDrop, SmoothedCrossentropy, training_loss
from skrnn.train.monitor import contrast
from skrnn.train.recipe import TEMPERATURE, Recipe


@pytest.mark.parametrize("head", ["multiclass", "binary"])
def test_r_drop_adds_the_divergence_between_two_outputs(head):
    p = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]], np.float32)
    one_hot = np.array([[0, 1], [0, 1], [1, 0], [1, 0]], np.float32)
    is_multiclass = head == "multiclass"
    y = one_hot.argmax(axis=1) if is_multiclass else one_hot
    plain, with_divergence = (
        np.array(RDrop(HEADS[head].loss, weight, one_distribution=is_multiclass).call(y, p))
        for weight in (0.0, 2.0)
    )
    forward, backward = (sum(a * np.log(a / b)) for a, b in [(p[0], p[1]), (p[1], p[0])])
    # The binary loss averages two columns of two probabilities each, which are the same two here.
    np.testing.assert_allclose(with_divergence - plain, [2 * forward, 2 * backward, 0, 0], atol=1e-5)
    np.testing.assert_allclose(plain, -np.log([0.8, 0.6, 0.9, 0.9]), atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_smoothed_crossentropy_follows_its_formula(smoothing):
    rng = np.random.default_rng(0)
    logits, ids = rng.normal(size=(2, 3, 5)).astype("f4"), rng.integers(0, 5, (2, 3))
    log_probs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    target = np.eye(5)[ids] * (1 - smoothing) + smoothing / 5
    found = float(SmoothedCrossentropy(smoothing)(ids, logits))
    np.testing.assert_allclose(found, -(target * log_probs).sum(), rtol=1e-5)


def test_contrast_is_the_crossentropy_of_choosing_the_other_half():
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    odds = np.exp(unit @ unit.T / TEMPERATURE) * (1 - np.eye(6))
    expected = [-np.log(odds[i, j] / odds[i].sum()) for i, j in enumerate([1, 0, 3, 2, 5, 4])]
    np.testing.assert_allclose(np.array(Contrast().call(None, vectors)), expected, rtol=1e-5)
    losses, right = contrast(vectors)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert right.tolist() == [odds[i].argmax() == j for i, j in enumerate([1, 0, 3, 2, 5, 4])]


def test_contrast_of_one_text_or_of_zeros_is_finite():
    for vectors in (np.ones((2, 3), np.float32), np.zeros((4, 3), np.float32)):
        losses, _ = contrast(vectors)
        np.testing.assert_allclose(np.array(Contrast().call(None, vectors)), losses, atol=1e-5)
    assert contrast(np.ones((2, 3), np.float32))[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("head", "recipe", "expected"),
    [
        ("multiclass", Recipe(), "sparse_categorical_crossentropy"),
        ("binary", Recipe(), "binary_crossentropy"),
        ("regression", Recipe(), "mean_squared_error"),
        ("multiclass", Recipe(r_drop=2.0), RDrop),
        ("contrastive", Recipe(), Contrast),
        ("language_model", Recipe(), keras.losses.SparseCategoricalCrossentropy),
        ("seq2seq", Recipe(label_smoothing=0.1), SmoothedCrossentropy),
    ],
)
def test_each_head_has_its_loss(head, recipe, expected):
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=9)
    loss = training_loss(spec, recipe)
    assert loss == expected if isinstance(expected, str) else isinstance(loss, expected)
    if isinstance(loss, RDrop):
        assert loss.weight == 2.0 and loss.one_distribution
    if isinstance(loss, SmoothedCrossentropy):
        assert loss.smoothing == 0.1
