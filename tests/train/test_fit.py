"""Training: weights of texts, reuse of a model, callbacks, clipping, frozen layers and reproducibility."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.serve.weights import initial_weights
from skrnn.spec import Spec
from skrnn.train import fit as training
from skrnn.train.batches import Examples
from skrnn.train.dataset import Batches
from skrnn.train.door import train_network
from skrnn.train.job import Job
from skrnn.train.recipe import EMBEDDING_RATE, Recipe

ROOT = str(Path(__file__).parents[2])
SPEC = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="binary", n_outputs=1)
DEFAULTS = {"optimizer": "sgd", "learning_rate": 0.02, "batch_size": 8, "max_tokens": 2**15, "seed": 3}


def make_examples(rows, targets=None, weights=None):
    targets = None if targets is None else np.array(targets, np.float32)[:, None]
    weights = np.ones(len(rows)) if weights is None else np.array(weights)
    return Examples(Ragged.from_rows(rows), targets, weights.astype(np.float32))


def start_weights(spec=SPEC):
    return initial_weights(spec, np.random.default_rng(0))


def train(spec, examples, *, callbacks=(), stop_after=99, **changes):
    """Return the weights after a training and the loss of each epoch."""
    weights, losses = {}, []

    def after_epoch(epoch, loss, read):
        weights.update(read())
        losses.append(loss)
        return len(losses) < stop_after

    recipe = Recipe(**DEFAULTS | changes)
    train_network(
        Job(spec, recipe, start_weights(spec), examples, after_epoch, wanted_by="a test", callbacks=callbacks)
    )
    return weights, losses


def assert_close(found, expected, atol):
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=atol, err_msg=name)


# -- the loss --------------------------------------------------------------------------------------


def test_a_sample_weight_of_two_equals_a_repeated_text():
    rows = [[3, 4, 5], [6, 7, 8]]
    weighted, _ = train(SPEC, make_examples(rows, [0, 1], [2, 1]), learning_rate=0.2)
    repeated, _ = train(
        SPEC, make_examples([rows[0], *rows], [0, 0, 1]), learning_rate=0.3
    )  # the loss is a mean over 3 texts instead of 2
    unweighted, _ = train(SPEC, make_examples(rows, [0, 1]), learning_rate=0.2)
    assert_close(weighted, repeated, atol=1e-6)
    assert abs(weighted["head/kernel"] - unweighted["head/kernel"]).max() > 1e-4
    assert abs(weighted["head/kernel"] - start_weights()["head/kernel"]).max() > 1e-4


@pytest.mark.parametrize("head", ["language_model", "autoencoder"])
def test_a_sample_weight_of_zero_equals_a_text_less(head):
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=9)
    without, loss = train(spec, make_examples([[3, 4, 5]]))
    weighted, weighted_loss = train(spec, make_examples([[3, 4, 5], [6, 7]], None, [1, 0]))
    assert_close(weighted, without, atol=1e-6)
    assert weighted_loss == pytest.approx(loss, rel=1e-5)


def test_padding_does_not_change_the_loss():
    """The rows have a loss of their own in a batch padded to their length and in one padded to 40 ids."""
    rows, targets = [[3, 4, 5], [6, 7]], [0, 1]
    short, (loss,) = train(SPEC, make_examples(rows, targets))
    padded, (padded_loss,) = train(
        SPEC, make_examples([*rows, [8] * 40], [*targets, 0], [1, 1, 0]), learning_rate=0.03
    )
    assert_close(padded, short, atol=1e-6)
    assert padded_loss * 3 == pytest.approx(loss * 2, rel=1e-5)  # means over 3 texts and over 2


# -- the reuse of a model --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "recurrent_dropout"), [("sgd", 0.0), ("adam", 0.2), ("nadam", 0.2), ("adagrad", 0.2)]
)
def test_a_reused_model_trains_like_a_new_one(optimizer, recurrent_dropout):
    examples = make_examples([[3, 4, 5], [6, 7, 8]] * 8, [0, 1] * 8)
    recipe = {"optimizer": optimizer, "dropout": 0.2, "recurrent_dropout": recurrent_dropout}
    training._last_model.clear()
    first, losses = train(SPEC, examples, epochs=2, **recipe)
    ((model, _),) = training._last_model.values()
    train(SPEC, make_examples([[3, 3]] * 9, [1] * 9), learning_rate=0.5, **recipe | {"seed": 4})
    again, losses_again = train(SPEC, examples, epochs=2, **recipe)
    assert [found is model for found, _ in training._last_model.values()] == [True]
    assert losses_again == losses
    for name in first:
        np.testing.assert_array_equal(again[name], first[name])


def test_a_model_that_callbacks_have_seen_is_not_reused():
    training._last_model.clear()
    train(SPEC, make_examples([[3, 4]], [0]), callbacks=[keras.callbacks.Callback()])
    assert not training._last_model


def test_a_model_whose_training_failed_is_not_reused():
    training._last_model.clear()

    def fail(epoch, loss, read):
        raise RuntimeError("stop")

    examples = make_examples([[3, 4]], [0])
    with pytest.raises(RuntimeError, match="stop"):
        train_network(Job(SPEC, Recipe("sgd"), start_weights(), examples, fail, wanted_by="a test"))
    assert not training._last_model


# -- epochs and callbacks --------------------------------------------------------------------------


def test_training_stops_if_after_epoch_returns_false():
    _, losses = train(SPEC, make_examples([[3], [4]], [0, 1]), epochs=9, stop_after=3)
    assert len(losses) == 3


def test_callbacks_of_the_user_see_each_epoch_and_can_stop_the_training():
    seen = []

    class StopInSecondEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs)))
            self.model.stop_training = epoch == 1

    _, losses = train(SPEC, make_examples([[3], [4]], [0, 1]), epochs=9, callbacks=[StopInSecondEpoch()])
    assert seen == [(0, ["loss"]), (1, ["loss"])] and len(losses) == 2


def test_each_epoch_reads_all_of_its_own_batches(monkeypatch):
    read = set()
    batch = Batches.__getitem__

    def record(batches, index):
        read.add((batches.epoch, tuple(batches.batches[index][0])))
        return batch(batches, index)

    monkeypatch.setattr(Batches, "__getitem__", record)
    examples = make_examples([[3] * n for n in range(1, 20)], [0, 1] * 9 + [0])
    train(SPEC, examples, epochs=3, batch_size=4, optimizer="sgd")  # which Keras trains
    batches = Batches(SPEC, Recipe(**DEFAULTS | {"batch_size": 4}), examples)
    for epoch in range(3):
        batches.go_to(epoch)
        assert {(epoch, tuple(rows)) for rows, _ in batches.batches} <= read


# -- the optimizer ---------------------------------------------------------------------------------


def test_gradients_are_clipped_to_a_global_norm_of_one():
    start = start_weights()
    after, _ = train(SPEC, make_examples([[3, 4]], [1], [1e6]), learning_rate=1.0)
    rates = {name: EMBEDDING_RATE if name.startswith("embedding/") else 1.0 for name in start}
    norm = np.sqrt(sum((((after[name] - start[name]) / rates[name]) ** 2).sum() for name in start))
    assert norm == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("frozen", ["nothing", "embedding", "encoder"])
def test_frozen_layers_do_not_change(frozen):
    start = start_weights()
    after, _ = train(SPEC, make_examples([[3, 4], [5]], [0, 1]), frozen=frozen)
    changed = {name.partition("/")[0] for name in start if not np.array_equal(start[name], after[name])}
    expected = {
        "nothing": {"embedding", "forward_0", "head"},
        "embedding": {"forward_0", "head"},
        "encoder": {"head"},
    }
    assert changed == expected[frozen]


def test_all_weights_of_seq2seq_learn_and_a_tied_head_trains_the_target_embedding():
    spec = Spec(
        n_ids=9, embedding_dim=4, layer="gru", rnn_units=3, bidirectional=True, head="seq2seq",
        n_outputs=7, attention="general", pooling="concat",
    )  # fmt: skip
    sources = Ragged.from_rows([[3, 4, 5], [6], [3, 7, 8, 4, 5, 6], [5, 8]])
    targets = Ragged.from_rows([[3, 4], [5, 3, 4, 5, 3], [], [4, 4, 5]])
    examples = Examples(sources, targets, np.ones(4, np.float32))
    start = start_weights(spec)
    after, _ = train(spec, examples, learning_rate=0.5, label_smoothing=0.1, dropout=0.2, batch_size=2)
    assert after.keys() == start.keys() and "head/kernel" not in after
    for name, value in after.items():
        assert not np.array_equal(value, start[name]), f"{name} has not changed"
    # The decoder never reads id 6, so only the tied head can change its row.
    row = "target_embedding/embeddings"
    assert not np.array_equal(after[row][6], start[row][6])


def test_one_cycle_raises_the_learning_rate_and_lowers_it_to_zero():
    recipe = Recipe(schedule="one_cycle", learning_rate=0.5)
    rates = [recipe.rate(step, 19) for step in range(-1, 20)]
    assert rates[0] == 0 and rates[3] == 0.5 and rates[-1] == pytest.approx(0)
    assert all(np.diff(rates[:4]) > 0) and all(np.diff(rates[3:]) < 0)
    seen = []

    class RecordRate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    train(
        SPEC, make_examples([[3], [4], [5], [6]], [0, 1, 0, 1]), epochs=5, batch_size=2,
        callbacks=[RecordRate()], schedule="one_cycle", learning_rate=0.5,
    )  # fmt: skip
    assert seen == pytest.approx([recipe.rate(step, 10) for step in range(10)], rel=1e-5)


# -- processes and devices -------------------------------------------------------------------------

PRINT_CHECKSUM = """
import hashlib
from skrnn import RNNTextClassifier, RNNTextEncoder
texts = ["good film", "bad film indeed", "a very good one", "so bad"] * 8
estimator = {estimator}
estimator.set_params(rnn_units=3, embedding_dim=3, epochs=2, random_state=7)
estimator.fit(texts, ["b", "a"] * 16)
arrays = sorted(estimator._weights.items())
print(hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in arrays)).hexdigest())
"""


@pytest.mark.parametrize(
    "estimator",
    [
        "RNNTextClassifier()",
        pytest.param("RNNTextClassifier(recurrent_dropout=0.2)", marks=pytest.mark.slow),
        pytest.param("RNNTextEncoder(objective='autoencoder', noise=0.3)", marks=pytest.mark.slow),
    ],
)
def test_a_seed_gives_the_same_bits_in_every_process(estimator, capsys):
    code = PRINT_CHECKSUM.format(estimator=estimator)
    exec(code, {})
    expected = capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "5"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected and len(expected) == 65


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX, the backend that Keras distributes")
def test_two_devices_train_like_one(tmp_path):
    code = (
        "import keras, skrnn\n"
        "texts, labels = ['good film', 'bad film', 'good fun'] * 11, [1, 0, 1] * 11\n"
        "def fitted():\n"
        "    small = dict(rnn_units=8, embedding_dim=8, epochs=3, batch_size=16, early_stopping=False)\n"
        "    return skrnn.RNNTextClassifier(random_state=0, **small).fit(texts, labels)._weights\n"
        "one = fitted()\n"
        "parallel = keras.distribution.DataParallel()\n"
        "keras.distribution.set_distribution(parallel)\n"
        "two = fitted()\n"
        "print(parallel.device_mesh.shape, max(abs(one[name] - two[name]).max() for name in one) < 1e-5)\n"
    )
    two_devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=os.environ | two_devices | {"PYTHONPATH": ROOT},
    )  # fmt: skip
    assert done.stdout.split("\n")[-2] == "(2,) True"
