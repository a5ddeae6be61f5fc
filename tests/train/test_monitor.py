"""The monitor: history, early stopping, the best weights and the progress lines."""

import re

import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.serve.weights import initial_weights
from skrnn.spec import Spec
from skrnn.train.batches import Examples
from skrnn.train.monitor import Monitor, Validation

SPEC = Spec(n_ids=6, embedding_dim=2, layer="gru", rnn_units=2, head="binary", n_outputs=1)
IDS = Ragged.from_rows([[3, 4], [5], [3]])


def make_monitor(losses=None, **changes):
    """Return a monitor whose validation returns the given losses, one for each epoch."""
    scores = None if losses is None else [(loss, 0.5) for loss in losses]
    return monitor_of_pairs(scores, **changes)


def monitor_of_pairs(pairs, **changes):
    """Return a monitor whose validation returns the given pairs of loss and score."""
    settings = {
        "patience": 2, "tol": 0.0, "epochs": 9, "n_tokens": 100, "learning_rate": 0.5, "verbose": 0,
        "owner": "Owner",
    }  # fmt: skip
    remaining = iter(pairs or [])
    validation = None if pairs is None else lambda spec, weights: next(remaining)
    return Monitor(SPEC, validation, **settings | changes)


def run(monitor, n_epochs=9):
    """Call a monitor after each epoch until it stops; return the number of epochs."""
    for epoch in range(n_epochs):
        if not monitor(epoch, 1.0, lambda epoch=epoch: {"epoch": np.array([epoch])}):
            return epoch + 1
    return n_epochs


@pytest.mark.parametrize(
    ("losses", "n_epochs", "best_epoch"),
    [
        ([5, 4, 3, 2, 1, 0, 0, 0, 0], 8, 5),
        ([1, 2, 3], 3, 0),
        ([5, 3, 4, 2, 3, 3], 6, 3),
        ([5, 5, 5], 3, 0),
        ([np.nan, np.nan, np.nan], 2, 0),
        ([np.nan, 4, 5, 5], 4, 1),
    ],
    ids=["falls, then flat", "rises", "falls again", "flat", "always NaN", "NaN at first"],
)
def test_early_stopping_waits_for_patience_and_keeps_the_best_weights(losses, n_epochs, best_epoch):
    monitor = make_monitor([float(loss) for loss in losses])
    assert run(monitor) == n_epochs
    assert monitor.best_epoch == best_epoch and monitor.weights["epoch"] == [best_epoch]
    assert len(monitor.history["loss"]) == len(monitor.history["val_loss"]) == n_epochs


def test_early_stopping_can_use_the_score_instead_of_the_loss():
    pairs = [(3.0, 0.5), (2.0, 0.4), (4.0, 0.6), (1.0, 0.6), (1.0, 0.1)]
    monitor = monitor_of_pairs(pairs, by_score=True)
    assert run(monitor) == 5 and monitor.best_epoch == 2


def test_an_improvement_resets_the_patience():
    monitor = make_monitor([5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 6.0])
    assert run(monitor) == 7 and monitor.best_epoch == 4
    assert run(make_monitor([1.0] * 9, patience=5)) == 6


def test_an_improvement_of_at_most_tol_is_kept_but_does_not_reset_the_patience():
    monitor = make_monitor([5.0, 4.9, 4.8, 4.7], tol=0.5)
    assert run(monitor) == 3 and monitor.best_epoch == 2
    assert run(make_monitor([5.0, 4.0, 3.0, 3.0, 3.0], tol=0.5)) == 5


def test_without_validation_the_latest_weights_are_kept():
    monitor = make_monitor()
    for epoch in range(3):
        assert monitor(epoch, 1.0, lambda epoch=epoch: {"epoch": np.array([epoch])})
        assert monitor.weights["epoch"] == [epoch]
    assert monitor.history == {"loss": [1.0] * 3}


def test_a_monitor_continues_from_the_state_of_another():
    losses = [5.0, 3.0, 4.0, 3.5]
    whole, first, second = (make_monitor(part) for part in (losses, losses[:2], losses[2:]))
    assert run(whole) == 4
    run(first, n_epochs=2)
    second.state = first.state
    assert second(2, 1.0, lambda: {"epoch": np.array([2])})
    assert not second(3, 1.0, lambda: {"epoch": np.array([3])})
    assert second.history == whole.history and second.best_epoch == whole.best_epoch == 1
    assert second.weights["epoch"] == [1]


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_raises_an_error(loss):
    monitor = make_monitor()
    message = r"Owner: the loss became .* in epoch 3 at learning_rate=0\.5"
    with pytest.raises(FloatingPointError, match=message):
        monitor(2, loss, dict)
    assert monitor.weights == {} and monitor.history["loss"] == []


@pytest.mark.parametrize("losses", [None, [1.0]], ids=["no validation", "validation"])
def test_weights_that_are_not_finite_raise_an_error(losses):
    monitor = make_monitor(losses)
    with pytest.raises(FloatingPointError, match=r"the loss became nan in epoch 1"):
        monitor(0, 1.0, lambda: {"bias": np.zeros(2), "kernel": np.array([0, np.inf])})
    assert monitor.weights == {}


def test_verbose_writes_one_line_for_each_epoch(capsys):
    run(make_monitor([5.0, 4.0, 4.0, 4.0], verbose=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(line.isascii() for line in lines)
    pattern = (
        r"\[Owner\] epoch 2/9, loss 1\.0000, val_loss 4\.0000, val_score 0\.5000, "
        r"[\d,]+ tokens/s, at most \d+ s left"
    )
    assert re.fullmatch(pattern, lines[1])
    run(make_monitor([5.0, 4.0, 4.0, 4.0], verbose=0))
    assert capsys.readouterr().out == ""


def test_a_long_epoch_writes_lines_whose_estimate_does_not_count_the_first_step(capsys, monkeypatch):
    now = iter([0.0, 100.0, 105.0, 111.0, 112.0, 120.0])
    monkeypatch.setattr("skrnn.train.monitor.time.perf_counter", lambda: next(now))
    monitor = make_monitor(verbose=1)  # at 0 s
    monitor.after_step(0, 0.25)  # compiled until 100 s
    monitor.after_step(0, 0.5)  # 105 s
    assert capsys.readouterr().out == ""
    monitor.after_step(0, 0.75)  # 111 s, written at 112 s: half of an epoch took 12 s
    line = capsys.readouterr().out.strip()
    assert line.startswith("[Owner] epoch 1/9, 75% done, ") and line.endswith("at most 198 s left")
    monitor(0, 1.0, dict)  # 120 s
    assert capsys.readouterr().out.strip().endswith("at most 213 s left")


@pytest.mark.parametrize(("verbose", "n_lines"), [(0, 0), (1, 0), (2, 3)])
def test_worker_processes_write_lines_only_with_verbose_2(capsys, monkeypatch, verbose, n_lines):
    monkeypatch.setattr("skrnn.train.monitor.parent_process", lambda: "the process of the search")
    run(make_monitor([1.0, 2.0, 3.0], verbose=verbose))
    assert capsys.readouterr().out.count("epoch ") == n_lines


def test_validation_uses_sample_weights():
    weights = initial_weights(SPEC, np.random.default_rng(0))
    targets = np.array([[0.0], [1.0], [1.0]])

    def validate(*sample_weight):
        return Validation(Examples(IDS, targets, np.array(sample_weight)), n_jobs=1)(SPEC, weights)

    losses = [validate(*row)[0] for row in np.eye(3)]
    assert len(set(losses)) == 3
    assert validate(1, 1, 2)[0] == pytest.approx((losses[0] + losses[1] + 2 * losses[2]) / 4, rel=1e-6)
    assert validate(0, 1, 0)[1] in (0.0, 1.0)


@pytest.mark.parametrize("head", ["language_model", "autoencoder"])
def test_validation_of_texts_is_the_mean_over_tokens(head):
    spec = Spec(n_ids=6, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=6)
    weights = initial_weights(spec, np.random.default_rng(0))
    loss, score = Validation(Examples(IDS, None, np.ones(3)), n_jobs=1)(spec, weights)
    assert score == -loss and np.log(6) * 0.7 < loss < np.log(6) * 1.3
    twice, _ = Validation(Examples(IDS, None, np.full(3, 2.0)), n_jobs=1)(spec, weights)
    assert twice == pytest.approx(loss)


def test_validation_can_have_a_score_of_its_own():
    weights = initial_weights(SPEC, np.random.default_rng(0))
    seen = []

    def score(spec, weights):
        seen.append((spec, weights))
        return 0.25

    examples = Examples(IDS, np.array([[0.0], [1.0], [1.0]]), np.ones(3))
    loss, found = Validation(examples, 1, score)(SPEC, weights)
    assert found == 0.25 and seen == [(SPEC, weights)]
    assert loss == Validation(examples, 1)(SPEC, weights)[0]
