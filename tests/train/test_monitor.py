import re

import numpy as np
import pytest

from skrnn.ragged import Ragged
from skrnn.spec import Spec, initial_weights
from skrnn.train.monitor import Monitor, Validation

SPEC = Spec(n_ids=6, embedding_dim=2, layer="gru", rnn_units=2, head="sigmoid", n_outputs=1)
IDS = Ragged(np.array([3, 4, 5, 3], np.int32), np.array([0, 2, 3, 4]))


def monitor(losses=None, **changes):
    """Return a monitor whose validation gives the losses, one an epoch."""
    given = iter(losses or [])
    settings = {
        "patience": 2, "tol": 0.0, "epochs": 9, "n_tokens": 100, "learning_rate": 0.5, "verbose": 0,
        "owner": "Owner",
    }  # fmt: skip
    validation = None if losses is None else lambda spec, weights: (next(given), 0.5)
    return Monitor(SPEC, validation, **settings | changes)


def run(watching, n_epochs=9):
    """Call a monitor each epoch with weights that say which, until it stops; return the epochs run."""
    for epoch in range(n_epochs):
        if not watching(epoch, 1.0, lambda epoch=epoch: {"epoch": np.array([epoch])}):
            return epoch + 1
    return n_epochs


@pytest.mark.parametrize(
    ("losses", "n_run", "best"),
    [
        ([5, 4, 3, 2, 1, 0, 0, 0, 0], 8, 5),
        ([1, 2, 3], 3, 0),
        ([5, 3, 4, 2, 3, 3], 6, 3),
        ([5, 5, 5], 3, 0),
        ([np.nan, np.nan, np.nan], 2, 0),
        ([np.nan, 4, 5, 5], 4, 1),
    ],
    ids=["falls, then flat", "rises", "falls again", "flat", "never a number", "a number later"],
)
def test_training_stops_after_epochs_without_gain_and_keeps_the_best(losses, n_run, best):
    watching = monitor([float(loss) for loss in losses])
    assert run(watching) == n_run
    assert watching.best_epoch == best and watching.weights["epoch"] == [best]
    assert len(watching.history["loss"]) == len(watching.history["val_loss"]) == n_run


def test_the_best_may_be_told_by_the_score():
    pairs = iter([(3.0, 0.5), (2.0, 0.4), (4.0, 0.6), (1.0, 0.6), (1.0, 0.1)])
    watching = Monitor(
        SPEC, lambda spec, weights: next(pairs), patience=2, tol=0.0, epochs=9, n_tokens=1,
        learning_rate=0.5, verbose=0, owner="Owner", by="score",
    )  # fmt: skip
    assert run(watching) == 5 and watching.best_epoch == 2


def test_patience_starts_anew_with_each_gain():
    watching = monitor([5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 6.0])
    assert run(watching) == 7 and watching.best_epoch == 4
    assert run(monitor([1.0] * 9, patience=5)) == 6


def test_a_gain_of_tol_or_less_lets_time_run_out_but_is_kept():
    watching = monitor([5.0, 4.9, 4.8, 4.7], tol=0.5)
    assert run(watching) == 3 and watching.best_epoch == 2
    assert run(monitor([5.0, 4.0, 3.0, 3.0, 3.0], tol=0.5)) == 5


def test_without_validation_the_last_weights_are_the_best_at_any_time():
    watching = monitor()
    for epoch in range(3):
        assert watching(epoch, 1.0, lambda epoch=epoch: {"epoch": np.array([epoch])})
        assert watching.weights["epoch"] == [epoch]
    assert watching.history == {"loss": [1.0] * 3}


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_is_an_error(loss):
    watching = monitor()
    with pytest.raises(
        FloatingPointError, match=r"Owner: the loss became .* in epoch 3 at learning_rate=0\.5"
    ):
        watching(2, loss, dict)
    assert watching.weights == {} and watching.history["loss"] == []


@pytest.mark.parametrize("losses", [None, [1.0]])
def test_weights_that_are_no_numbers_are_an_error(losses):
    watching = monitor(losses)
    with pytest.raises(FloatingPointError, match=r"the loss became nan in epoch 1"):
        watching(0, 1.0, lambda: {"bias": np.zeros(2), "kernel": np.array([0, np.inf])})
    assert watching.weights == {}


def test_one_line_an_epoch(capsys):
    run(monitor([5.0, 4.0, 4.0, 4.0], verbose=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(line.isascii() for line in lines)
    form = (
        r"\[Owner\] epoch 2/9, loss 1\.0000, val_loss 4\.0000, val_score 0\.5000, "
        r"[\d,]+ tokens/s, at most \d+ s left"
    )
    assert re.fullmatch(form, lines[1])
    run(monitor([5.0, 4.0, 4.0, 4.0]))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("verbose", "in_worker"), [(0, 0), (1, 0), (2, 3)])
def test_workers_are_silent_unless_told_otherwise(capsys, monkeypatch, verbose, in_worker):
    monkeypatch.setattr("skrnn.train.monitor.parent_process", lambda: "the process of the search")
    run(monitor([1.0, 2.0, 3.0], verbose=verbose))
    assert capsys.readouterr().out.count("epoch ") == in_worker


def test_validation_weighs_its_texts():
    weights = initial_weights(SPEC, np.random.default_rng(0))
    targets = np.array([[0.0], [1.0], [1.0]])

    def loss(*sample_weight):
        return Validation(IDS, targets, np.array(sample_weight), 1)(SPEC, weights)

    each = [loss(*row)[0] for row in np.eye(3)]
    assert len(set(each)) == 3
    assert loss(1, 1, 2)[0] == pytest.approx((each[0] + each[1] + 2 * each[2]) / 4, rel=1e-6)
    assert loss(0, 1, 0)[1] in (0.0, 1.0)


@pytest.mark.parametrize("head", ["language_model", "autoencoder"])
def test_validation_of_texts_is_per_token(head):
    spec = Spec(n_ids=6, embedding_dim=2, layer="gru", rnn_units=2, head=head, n_outputs=6)
    weights = initial_weights(spec, np.random.default_rng(0))
    loss, score = Validation(IDS, None, np.ones(3), 1)(spec, weights)
    assert score == -loss and np.log(6) * 0.7 < loss < np.log(6) * 1.3
    twice = Validation(IDS, None, np.full(3, 2.0), 1)(spec, weights)
    assert twice[0] == pytest.approx(loss)
