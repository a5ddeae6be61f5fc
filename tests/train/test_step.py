"""Training in compiled steps against training by Keras."""

import ast
import subprocess
import sys

import keras
import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.serve.ngrams import ngram_hashes
from skrnn.serve.weights import weight_shapes
from skrnn.spec import Spec
from skrnn.train import Examples, Job
from skrnn.train.batches import epoch
from skrnn.train.choice import can_step as can_step_for
from skrnn.train.choice import on_cpu
from skrnn.train.door import train_network as train
from skrnn.train.recipe import Recipe

pytest.importorskip("numba")


def can_step(spec, recipe):
    return can_step_for(spec, recipe, "a test", on_model=False)


SIZES = {"n_ids": 40, "embedding_dim": 6, "rnn_units": 5}
BINARY = {"head": "binary", "n_outputs": 1}
CLASSES = {"head": "multiclass", "n_outputs": 3}
LABELS = {"head": "multilabel", "n_outputs": 3}
NUMBERS = {"head": "regression", "n_outputs": 2}


def make_job(spec, recipe, **options):
    """Return a job with random weights and texts, and the list that receives its losses and weights."""
    rng, epochs = np.random.default_rng(0), []
    shapes = weight_shapes(spec)
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    texts = Ragged.from_rows([rng.integers(1, spec.n_ids, n) for n in rng.integers(1, 12, 60)])
    if spec.ngram_range is not None:
        hashes = np.unique(ngram_hashes(texts, spec.ngram_range)[1])
        weights["ngrams/hashes"] = np.sort(rng.permutation(hashes)[: spec.n_ngrams]).astype(np.float32)
    if spec.head == "multiclass":
        targets = rng.integers(0, spec.n_outputs, 60)
    else:
        targets = rng.integers(0, 2, (60, spec.n_outputs)).astype(np.float32)
    examples = Examples(texts, targets, rng.random(60).astype(np.float32))

    def after_epoch(epoch, loss, read):
        epochs.append((loss, {name: array.copy() for name, array in read().items()}))
        return True

    return Job(spec, recipe, weights, examples, after_epoch, "test", **options), epochs


def fit_both(spec, recipe, monkeypatch):
    """Return the losses and weights of each epoch, of compiled steps and of Keras."""
    found = []
    for setting in ("always", "never"):
        monkeypatch.setenv("SKRNN_COMPILED", setting)
        assert can_step(spec, recipe) == (setting == "always")
        job, epochs = make_job(spec, recipe)
        train(job)
        found.append(epochs)
    return found


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        (
            {"layer": "gru", "bidirectional": True, "pooling": "concat", **BINARY},
            {"r_drop": 1.0, "batch_size": 40},
        ),
        ({"layer": "lstm", "n_layers": 2, "bidirectional": True, "pooling": "mean", **BINARY}, {}),
        ({"layer": "simple_rnn", "pooling": "attention", **CLASSES}, {"r_drop": 0.7}),
        ({"layer": "qrnn", "n_layers": 2, "pooling": "max", **LABELS}, {"r_drop": 0.5}),
        ({"layer": "gru", "pooling": "last", "n_components": 3, **NUMBERS}, {}),
        ({"layer": "lstm", "n_components": 3, "activation": "relu", **BINARY}, {"r_drop": 1.0}),
        ({"layer": "gru", "n_components": 3, "activation": "sigmoid", **BINARY}, {"frozen": "embedding"}),
        ({"layer": "qrnn", "pooling": "attention", "n_components": 3, **BINARY}, {"frozen": "encoder"}),
        ({"layer": "qrnn", "ngram_range": (1, 2), "n_ngrams": 50, **CLASSES}, {"r_drop": 1.0}),
    ],
    ids=lambda value: "-".join(map(str, value.values())),
)  # fmt: skip
def test_losses_and_weights_equal_those_of_keras(options, recipe, monkeypatch):
    recipe = {"batch_size": 8} | recipe  # 80 rows, 40 of them twice, are four parts
    recipe = Recipe(epochs=3, learning_rate=0.01, schedule="one_cycle", **recipe)
    own, other = fit_both(Spec(**SIZES, **options), recipe, monkeypatch)
    assert len(own) == len(other) == 3
    for (loss, weights), (expected, expected_weights) in zip(own, other, strict=True):
        assert loss == pytest.approx(expected, rel=1e-5)
        for name, array in expected_weights.items():
            np.testing.assert_allclose(weights[name], array, rtol=0, atol=2e-5, err_msg=name)


def test_rows_of_the_embedding_that_are_seldom_read_equal_those_of_keras(monkeypatch):
    spec = Spec(**SIZES | {"n_ids": 3000}, layer="gru", **BINARY)
    recipe = Recipe(epochs=10, batch_size=2, learning_rate=0.01, schedule="one_cycle")  # 300 steps
    own, other = fit_both(spec, recipe, monkeypatch)
    start = make_job(spec, recipe)[0].weights["embedding/embeddings"]
    found, expected = (epochs[-1][1]["embedding/embeddings"] for epochs in (own, other))
    changed = (expected != start).any(axis=1)
    assert 200 < changed.sum() < 400  # the other rows are never read
    np.testing.assert_array_equal(found[~changed], start[~changed])
    moved = np.abs(expected - start)[changed]
    assert moved.mean() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * moved.mean())


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "max"},
        {"pooling": "last", "n_layers": 2, "bidirectional": True},
        {"pooling": "attention", "n_components": 3, "activation": "tanh"},
        {"pooling": "concat", "n_components": 3, "activation": "sigmoid"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_gradients_equal_differences_of_the_loss_under_dropout(options):
    from skrnn.train.gradients import Gradients, Memory

    spec, recipe = Spec(**SIZES, layer="gru", **CLASSES, **options), Recipe(dropout=0.3, r_drop=0.7)
    weights = make_job(spec, recipe)[0].weights
    rng = np.random.default_rng(1)
    rows = Ragged.from_rows([rng.integers(1, 40, n) for n in (9, 9, 6, 6, 2, 2)])
    targets, own = np.array([0, 0, 2, 2, 1, 1]), np.ones(6, np.float32)

    def run(weights):
        network = Gradients(spec, recipe, weights, Memory())
        return network(rows, targets, own, 6, np.random.default_rng(2))

    found = run(weights)
    embedding = np.zeros_like(weights["embedding/embeddings"])
    np.add.at(embedding, found.ids, found.of_ids)
    gradients = found.gradients | {"embedding/embeddings": embedding}
    for name, gradient in gradients.items():
        step = rng.normal(0, 1, gradient.shape).astype(np.float32)
        step *= 0.01 / np.linalg.norm(step)
        ahead, behind = (run(weights | {name: weights[name] + sign * step}).loss for sign in (1, -1))
        slope = float((gradient * step).sum())
        assert slope == pytest.approx((ahead - behind) / 2, rel=0.02, abs=3e-6), name


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
def test_dropout_keeps_a_share_of_the_values(share):
    from skrnn.train.gradients import _draw

    kept = _draw(np.random.default_rng(0), (500, 201), share)
    assert kept.shape == (500, 201) and kept.dtype == bool
    assert kept.mean() == pytest.approx(1 - share, abs=0.005)
    assert np.abs(kept.mean(axis=0) - (1 - share)).max() < 0.1


def test_dropout_depends_on_the_seed_and_the_epoch(monkeypatch):
    monkeypatch.setattr(
        "skrnn.train.dataset.epoch", lambda parts, rng: epoch(parts, np.random.default_rng(0))
    )
    losses = []
    for seed in (0, 0, 1):
        recipe = Recipe(dropout=0.5, r_drop=1.0, seed=seed, epochs=2, learning_rate=0.0)
        job, epochs = make_job(Spec(**SIZES, layer="gru", **BINARY), recipe)
        train(job)
        losses.append([loss for loss, _ in epochs])
    assert losses[0] == losses[1]
    assert len({*losses[0], *losses[2]}) == 4  # the weights and the order of the texts are always the same


class AtEachBatch(keras.callbacks.Callback):
    """Records a weight and the rate at each batch, and sets the weight to zero before batch 5."""

    def __init__(self):
        super().__init__()
        self.biases, self.rates = [], []

    def bias(self):
        return self.model.get_layer("head").bias

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 5:
            self.bias().assign([0.0])
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch, logs=None):
        self.biases.append(float(np.array(self.bias())[0]))
        assert set(logs) == {"loss"}


class AtEachEpoch(keras.callbacks.Callback):
    """Sets a weight and the rate at the end of each epoch, and records the steps of the optimizer."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("head").bias.assign([7.0])
        self.model.optimizer.learning_rate = 0.0
        self.steps.append(int(self.model.optimizer.iterations))


def test_callbacks_see_and_change_the_model_at_each_batch():
    callback = AtEachBatch()
    spec = Spec(**SIZES, layer="gru", **BINARY)
    recipe = Recipe(epochs=1, batch_size=4, learning_rate=0.01, schedule="one_cycle")
    job, epochs = make_job(spec, recipe, callbacks=[callback])
    train(job)
    assert len(set(callback.biases)) == len(callback.biases) == 15
    assert abs(callback.biases[5]) < 0.011 < abs(callback.biases[4])  # one step of Adam from zero
    assert max(callback.rates) > 5 * callback.rates[-1] and max(callback.rates) == pytest.approx(
        0.01, rel=0.1
    )
    assert epochs[0][1]["head/bias"][0] == pytest.approx(callback.biases[-1])


def test_callbacks_see_and_change_the_model_at_each_epoch():
    callback = AtEachEpoch()
    recipe = Recipe(epochs=3, batch_size=4, learning_rate=0.01)
    job, epochs = make_job(Spec(**SIZES, layer="gru", **BINARY), recipe, callbacks=[callback])
    train(job)
    assert callback.steps == [15, 30, 45]
    first, second, third = (weights["head/bias"][0] for _, weights in epochs)
    assert abs(first) < 1 and second == third == 7  # the rate is zero after the first epoch


class ShrinksEmbedding(keras.callbacks.Callback):
    """Records the embedding at the end of each epoch and sets it to half of it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        embedding = self.model.get_layer("embedding").embeddings
        self.seen.append(np.array(embedding))
        embedding.assign(self.seen[-1] / 2)


def test_callbacks_change_the_embedding_as_in_training_by_keras(monkeypatch):
    spec = Spec(**SIZES | {"n_ids": 5000}, layer="gru", **BINARY)  # copied in more than one part
    found = []
    for setting in ("always", "never"):
        monkeypatch.setenv("SKRNN_COMPILED", setting)
        callback = ShrinksEmbedding()
        train(make_job(spec, Recipe(epochs=3, learning_rate=0.01), callbacks=[callback])[0])
        found.append(callback.seen)
    np.testing.assert_allclose(*found, rtol=0, atol=2e-5)
    assert np.abs(found[0][1] - found[0][0] / 2).max() > 0.002  # it is trained after the callback, too


def test_callbacks_see_the_last_rate_of_each_epoch():
    rates = []

    class AtEpochEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    recipe = Recipe(epochs=2, batch_size=4, learning_rate=0.01, schedule="one_cycle")
    train(make_job(Spec(**SIZES, layer="gru", **BINARY), recipe, callbacks=[AtEpochEnd()])[0])
    assert rates == pytest.approx([recipe.rate(i, 30) for i in (14, 29)], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({"layer": "self_attention", "rnn_units": 8, **BINARY}, {}),
        ({"layer": "gru", "head": "language_model", "n_outputs": 40}, {}),
        ({"layer": "gru", "rnn_activation": "relu", **BINARY}, {}),
        ({"layer": "gru", **BINARY}, {"recurrent_dropout": 0.1}),
        ({"layer": "gru", **BINARY}, {"optimizer": "sgd"}),
    ],
    ids=["self-attention", "language model", "relu", "recurrent dropout", "sgd"],
)
def test_keras_trains_the_other_networks(options, recipe):
    assert not can_step(Spec(**SIZES | options), Recipe(**recipe))


@pytest.mark.parametrize("name", ["POOL_GRADIENTS", "SLOPES_OF_LOSSES"])
def test_keras_trains_networks_whose_gradient_is_not_known(name, monkeypatch):
    spec, recipe = Spec(**SIZES, layer="gru", **BINARY), Recipe()
    assert can_step(spec, recipe)
    monkeypatch.setattr(f"skrnn.train.gradients.{name}", {})
    assert not can_step(spec, recipe)


FIT = """
import sys
from skrnn import RNNTextClassifier
texts, labels = ["good film", "bad film", "a film"] * 8, [0, 1, 1] * 8
options = {"rnn_units": 4, "random_state": 0}
fitted = RNNTextClassifier(**options).fit(texts, labels)
print(fitted.predict_proba(texts).tolist())
print(sorted({"keras", "tensorflow"} & sys.modules.keys()))
import keras
callbacks = [keras.callbacks.Callback()]
print(RNNTextClassifier(**options, callbacks=callbacks).fit(texts, labels).predict_proba(texts).tolist())
print(fitted.model_.predict(fitted.padded_ids(texts), verbose=0).ravel().tolist())
"""


def test_a_default_fit_does_not_import_keras_and_equals_a_fit_with_its_model():
    done = subprocess.run([sys.executable, "-c", FIT], check=True, capture_output=True, text=True)
    own, imported, with_callback, of_model = map(ast.literal_eval, done.stdout.splitlines())
    assert imported == []
    assert own == with_callback
    np.testing.assert_allclose(of_model, np.array(own)[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("is_set", "backend", "on_model", "expected"),
    [
        (True, "tensorflow", True, True),
        (True, "jax", True, False),
        (True, "jax", False, False),
        (False, "jax", True, False),
        (False, "jax", False, True),
    ],
)
def test_the_chosen_backend_decides_what_trains(is_set, backend, on_model, expected, monkeypatch):
    def chosen(wanted_by, default=None):
        return backend if is_set else default or backend

    monkeypatch.setattr("skrnn.train.choice.chosen_backend", chosen)
    spec = Spec(**SIZES, layer="gru", **BINARY)
    assert can_step_for(spec, Recipe(), "a test", on_model=on_model) == expected


@pytest.mark.parametrize(("device", "asks"), [("nvidia0", True), ("kfd", True), ("null", False)])
def test_tensorflow_is_asked_for_gpus_where_there_may_be_one(device, asks, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    (tmp_path / device).touch()
    monkeypatch.setattr("skrnn.train.choice._DEVICES", tmp_path)
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda kind=None: [kind])
    assert on_cpu("a test") != asks
