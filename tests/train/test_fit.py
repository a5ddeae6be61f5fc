import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.spec import Spec, initial_weights
from skrnn.train import fit as training
from skrnn.train.batches import buckets
from skrnn.train.fit import (
    LARGE,
    N_SAMPLED,
    Examples,
    _Batches,
    is_sampled,
    one_cycle,
    sample_ids,
    text_batches,
    train,
)
from skrnn.train.losses import RDrop
from skrnn.train.tensorflow import EMBEDDING_RATE, dataset

ROOT = str(Path(__file__).parents[2])
SPEC = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="sigmoid", n_outputs=1)
SCHEDULE = {
    "optimizer": "sgd", "learning_rate": 0.02, "epochs": 1, "batch_size": 8, "max_tokens": 2**15, "seed": 3,
    "callbacks": (), "schedule": "constant",
}  # fmt: skip


def examples(rows, targets=None, weights=None):
    targets = None if targets is None else np.array(targets, np.float32)[:, None]
    weights = np.ones(len(rows)) if weights is None else np.array(weights)
    return Examples(
        Ragged.from_rows([np.array(row, np.int32) for row in rows]), targets, weights.astype(np.float32)
    )


def trained(spec, data, **changes):
    """Return the weights after a training, each epoch's loss, and whether it went on after each."""
    kept, losses = {}, []

    def after_epoch(epoch, loss, read):
        kept.update(read())
        losses.append(loss)
        return True

    start = initial_weights(spec, np.random.default_rng(0))
    train(spec, start, data, after_epoch=after_epoch, **SCHEDULE | changes)
    return kept, losses


def assert_close(found, expected, atol):
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=atol, err_msg=name)


def test_a_weight_of_two_is_a_row_that_stands_twice():
    rows = [[3, 4, 5], [6, 7, 8]]
    start = initial_weights(SPEC, np.random.default_rng(0))
    weighted, _ = trained(SPEC, examples(rows, [0, 1], [2, 1]), learning_rate=0.2)
    repeated, _ = trained(
        SPEC, examples([rows[0], *rows], [0, 0, 1]), learning_rate=0.3
    )  # a mean over 3, not 2
    even, _ = trained(SPEC, examples(rows, [0, 1]), learning_rate=0.2)
    assert_close(weighted, repeated, atol=1e-6)
    assert abs(weighted["head/kernel"] - even["head/kernel"]).max() > 1e-4
    assert abs(weighted["head/kernel"] - start["head/kernel"]).max() > 1e-4


@pytest.mark.parametrize("head", ["language_model", "autoencoder"])
def test_a_weight_of_zero_is_a_row_that_is_not_there(head):
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=9)
    without, loss = trained(spec, examples([[3, 4, 5]]))
    weighted, loss_weighted = trained(spec, examples([[3, 4, 5], [6, 7]], None, [1, 0]))
    assert_close(weighted, without, atol=1e-6)
    assert loss_weighted == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "adagrad"])
def test_a_network_that_is_lent_again_is_as_a_new_one(optimizer):
    spec = replace(SPEC, dropout=0.2, recurrent_dropout=0.2)
    data = examples([[3, 4, 5], [6, 7, 8]] * 8, [0, 1] * 8)
    training._kept.clear()
    new, losses = trained(spec, data, optimizer=optimizer, epochs=2)
    ((model, _),) = training._kept.values()
    trained(spec, examples([[3, 3]] * 9, [1] * 9), optimizer=optimizer, learning_rate=0.5, seed=4)
    again, losses_again = trained(spec, data, optimizer=optimizer, epochs=2)
    assert [kept is model for kept, _ in training._kept.values()] == [True]
    assert losses_again == losses
    for name in new:
        np.testing.assert_array_equal(again[name], new[name])


def test_a_network_that_callbacks_have_seen_is_left_to_them():
    training._kept.clear()
    trained(SPEC, examples([[3, 4]], [0]), callbacks=[keras.callbacks.Callback()])
    assert not training._kept


def test_longer_neighbours_change_no_loss():
    """A row's loss is the same in a batch padded to its length and in one padded to forty ids."""
    data = [[3, 4, 5], [6, 7]], [0, 1]
    alone, (loss,) = trained(SPEC, examples(*data))
    rows, targets = [*data[0], [8] * 40], [*data[1], 0]
    beside, (weighted,) = trained(SPEC, examples(rows, targets, [1, 1, 0]), learning_rate=0.03)
    assert_close(beside, alone, atol=1e-6)
    assert weighted * 3 == pytest.approx(loss * 2, rel=1e-5)  # means over three and two rows


def test_a_training_ends_when_told_to():
    ended = []
    train(
        SPEC,
        initial_weights(SPEC, np.random.default_rng(0)),
        examples([[3], [4]], [0, 1]),
        after_epoch=lambda epoch, loss, read: ended.append(epoch) or epoch < 2,
        **SCHEDULE | {"epochs": 9},
    )
    assert ended == [0, 1, 2]


def test_the_users_callbacks_are_kept_to():
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs)))
            self.model.stop_training = epoch == 1

    _, losses = trained(SPEC, examples([[3], [4]], [0, 1]), epochs=9, callbacks=[Watch()])
    assert seen == [(0, ["loss"]), (1, ["loss"])] and len(losses) == 2


def test_gradients_are_clipped():
    start = initial_weights(SPEC, np.random.default_rng(0))
    after, _ = trained(SPEC, examples([[3, 4]], [1], [1e6]), learning_rate=1.0)
    rates = {name: EMBEDDING_RATE if name.startswith("embedding/") else 1.0 for name in start}
    step = np.sqrt(sum((((after[name] - start[name]) / rates[name]) ** 2).sum() for name in start))
    assert step == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("frozen", ["embedding", "encoder"])
def test_what_is_frozen_stays(frozen):
    spec = Spec(**vars(SPEC) | {"frozen": frozen})
    start = initial_weights(spec, np.random.default_rng(0))
    after, _ = trained(spec, examples([[3, 4], [5]], [0, 1]))
    moved = {name.partition("/")[0] for name in start if not np.array_equal(start[name], after[name])}
    assert "head" in moved and "embedding" not in moved
    assert moved == {"head"} or frozen == "embedding"


def test_an_epochs_batches_depend_on_its_number_only():
    data = examples([[3] * n for n in range(1, 60)], [0, 1] * 29 + [0])
    parts = buckets(data.sequences.lengths, 4, 2**15)

    def drawn(skip):
        batches = _Batches(SPEC, data, parts, seed=1)
        for epoch in range(skip):
            batches.go_to(epoch + 1)
        return [[part.tolist() for part in batches[i]] for i in range(len(batches))]

    read_through = _Batches(SPEC, data, parts, seed=1)
    for i in range(len(read_through)):
        read_through[i]
    read_through.go_to(1)
    assert [[part.tolist() for part in read_through[i]] for i in range(len(read_through))] == drawn(1)
    assert drawn(0) != drawn(1)
    assert drawn(0) == drawn(0)


def test_each_epoch_reads_all_of_its_own_batches(monkeypatch):
    read = set()

    def noted(batches, index, own=_Batches.batch):
        read.add((batches.epoch, tuple(batches.batches[index][0])))
        return own(batches, index)

    monkeypatch.setattr(_Batches, "batch", noted)
    data = examples([[3] * n for n in range(1, 20)], [0, 1] * 9 + [0])
    trained(SPEC, data, epochs=3, batch_size=4)
    parts = buckets(data.sequences.lengths, 4, SCHEDULE["max_tokens"])
    for epoch in range(3):
        batches = _Batches(SPEC, data, parts, seed=SCHEDULE["seed"])
        batches.go_to(epoch)
        assert {(epoch, tuple(rows)) for rows, _ in batches.batches} <= read


def test_tensorflow_takes_no_length_for_fixed():
    data = examples([[3] * 5] * 20, [0] * 20)
    batches = _Batches(SPEC, data, buckets(data.sequences.lengths, 4, 2**15), 0)
    read = dataset(batches)
    assert [tuple(part.shape) for part in read.element_spec] == [(None, None), (None, None), (None,)]
    assert int(read.cardinality()) == len(batches) == 5
    assert read.options().autotune.enabled is False  # its thread holds the ends of epochs up
    for given, own in zip(read.as_numpy_iterator(), map(batches.__getitem__, range(5)), strict=True):
        for a, b in zip(given, own, strict=True):
            np.testing.assert_array_equal(a, b)


def test_targets_of_texts_are_the_texts():
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="autoencoder", n_outputs=9)
    data = examples([[3, 4, 5], [6]], None, [1, 3])
    batch = _Batches(spec, data, buckets(data.sequences.lengths, 8, 2**15), 0)[0]
    (texts, previous), targets, weights = batch
    order = [0, 1] if texts[0, 0] == 3 else [1, 0]
    assert texts[order, :4].tolist() == [[3, 4, 5, 0], [6, 0, 0, 0]]
    assert previous[order, :5].tolist() == [[2, 3, 4, 5, 0], [2, 6, 0, 0, 0]]
    assert targets[order, :5].tolist() == [[3, 4, 5, 2, 0], [6, 2, 0, 0, 0]]
    np.testing.assert_allclose(weights[order, :5] * 10, [[1, 1, 1, 1, 0], [3, 3, 0, 0, 0]], rtol=1e-6)
    assert weights.sum() == pytest.approx(1) and not weights[:, 5:].any()


def test_word_dropout_hides_what_was_written_but_not_the_boundary():
    spec = Spec(
        n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head="autoencoder", n_outputs=9, dropout=0.5
    )
    data = examples([[3, 4, 5, 6, 7, 8]] * 50)
    (texts, previous), targets, _ = _Batches(spec, data, buckets(data.sequences.lengths, 64, 2**15), 0)[0]
    assert (texts[:, :6] == [3, 4, 5, 6, 7, 8]).all() and (targets[:, :6] == texts[:, :6]).all()
    assert (previous[:, 0] == 2).all()
    assert 0.4 < (previous[:, 1:7] == 1).mean() < 0.6 and not (previous[:, 7:] == 1).any()


def test_candidates_hold_the_targets_once():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 50, (4, 6))
    candidates, offsets, positions = sample_ids(targets, 20000, rng)
    n_own = len(np.unique(targets))
    assert len(np.unique(candidates)) == len(candidates) and candidates.dtype == np.int32
    assert (candidates[positions] == targets).all()
    assert not offsets[:n_own].any() and len(candidates) - n_own == N_SAMPLED
    np.testing.assert_allclose(np.exp(offsets[n_own:]).sum(), 20000 - n_own, rtol=1e-4)


@pytest.mark.parametrize(
    ("head", "n_outputs", "sampled"),
    [("language_model", LARGE + 1, True), ("language_model", LARGE, False), ("softmax", LARGE + 1, False)],
)
def test_only_large_vocabularies_are_sampled(head, n_outputs, sampled):
    spec = Spec(n_ids=9, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=n_outputs)
    assert is_sampled(spec) is sampled


SAME_BITS = """
import hashlib
from skrnn import RNNTextClassifier, RNNTextEncoder
texts = ["good film", "bad film indeed", "a very good one", "so bad"] * 8
{estimator}.set_params(rnn_units=3, embedding_dim=3, epochs=2, random_state=7, recurrent_dropout=0.2)
estimator.fit(texts, ["b", "a"] * 16)
arrays = sorted(estimator._weights.items())
print(hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in arrays)).hexdigest())
"""


@pytest.mark.parametrize(
    "estimator",
    [
        "(estimator := RNNTextClassifier())",
        pytest.param(
            "(estimator := RNNTextEncoder(objective='autoencoder', noise=0.3))", marks=pytest.mark.slow
        ),
    ],
)
def test_the_same_seed_gives_the_same_bits_in_every_process(estimator, capsys):
    code = SAME_BITS.format(estimator=estimator)
    exec(code, {})
    expected = capsys.readouterr().out
    environment = os.environ | {"PYTHONHASHSEED": "5"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected and len(expected) == 65


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX, the backend that Keras distributes")
def test_two_devices_train_as_one(tmp_path):
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


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_r_drop_adds_the_divergence_of_two_answers(head):
    p = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]], np.float32)
    y = (
        np.array([1, 1, 0, 0])
        if head == "softmax"
        else np.array([[0, 1], [0, 1], [1, 0], [1, 0]], np.float32)
    )
    alone, both = (np.array(RDrop(head, weight).call(y, p)) for weight in (0.0, 2.0))
    there, back = (sum(a * np.log(a / b)) for a, b in [(p[0], p[1]), (p[1], p[0])])
    # for "sigmoid" the mean over two columns of two probabilities each, which here are the same two
    np.testing.assert_allclose(both - alone, [2 * there, 2 * back, 0, 0], atol=1e-5)
    np.testing.assert_allclose(alone, -np.log([0.8, 0.6, 0.9, 0.9]), atol=1e-5)


def test_r_drop_shows_each_text_twice():
    data = examples([[3, 4], [5], [6, 7, 8]], [0, 1, 0], [1, 2, 3])._replace(r_drop=1.0)
    ids, targets, weights = text_batches(SPEC, data, 8, 2**15, 0)[0]
    assert len(ids) == len(targets) == len(weights) == 6
    for array in (ids, targets, weights):
        np.testing.assert_array_equal(array[::2], array[1::2])
    assert sorted(weights.tolist()) == [1, 1, 2, 2, 3, 3]


def test_one_cycle_rises_and_falls_to_zero():
    rates = [one_cycle(share) for share in np.linspace(0, 1, 21)]
    assert rates[0] == 0 and rates[3] == 1 and rates[-1] == pytest.approx(0)
    assert all(np.diff(rates[:4]) > 0) and all(np.diff(rates[3:]) < 0)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    trained(SPEC, examples([[3], [4], [5], [6]], [0, 1, 0, 1]), epochs=5, batch_size=2, callbacks=[Watch()],
            schedule="one_cycle", learning_rate=0.5)  # fmt: skip
    assert seen == pytest.approx([0.5 * one_cycle((k + 1) / 11) for k in range(10)], rel=1e-5)
