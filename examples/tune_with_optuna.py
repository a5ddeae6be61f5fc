"""
Hyperparameter search with early pruning, using Optuna
======================================================

The score of a trial is the accuracy on a held-out set. After each epoch,
Optuna compares the training loss with that of earlier trials and prunes poor
trials. Install Optuna and matplotlib, then run, for example,
``python examples/tune_with_optuna.py --trials 20``.
"""

import argparse

import keras
import matplotlib.pyplot as plt
import optuna
from sklearn.model_selection import train_test_split

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings


class PruningCallback(keras.callbacks.Callback):
    """Report the loss of each epoch to a trial, and prune poor trials."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        """Report the loss, and raise TrialPruned if the trial is poor."""
        self.trial.report(-logs["loss"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def plot(study):
    complete = optuna.trial.TrialState.COMPLETE
    _, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for layer in ("simple_rnn", "gru"):
        trials = [
            trial
            for trial in study.trials
            if trial.state == complete and trial.params["layer"] == layer
        ]
        units = [trial.params["rnn_units"] for trial in trials]
        accuracies = [trial.value for trial in trials]
        axes.plot(units, accuracies, "o", label=layer)
    n_pruned = len(study.get_trials(states=[optuna.trial.TrialState.PRUNED]))
    axes.set(
        xscale="log",
        xlabel="rnn_units",
        ylabel="accuracy on held-out texts",
        title=f"{len(study.trials)} trials, {n_pruned} of them pruned",
    )
    axes.set_xticks([8, 16, 32, 64], ["8", "16", "32", "64"])
    axes.minorticks_off()
    axes.legend()
    plt.show()


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Hyperparameter search with early pruning, using Optuna"
    )
    parser.add_argument(
        "--trials", type=int, default=20, help="number of trials"
    )
    parser.add_argument(
        "--rows", type=int, default=1500, help="number of sentences"
    )
    options = parser.parse_args(arguments)
    X, y = load_docstrings(packages=["numpy", "python"], return_X_y=True)
    X, _, y, _ = train_test_split(
        X, y, train_size=options.rows, random_state=0, stratify=y
    )
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, random_state=0, stratify=y
    )

    def objective(trial):
        classifier = RNNTextClassifier(
            layer=trial.suggest_categorical("layer", ["simple_rnn", "gru"]),
            rnn_units=trial.suggest_int("rnn_units", 8, 64, log=True),
            learning_rate=trial.suggest_float(
                "learning_rate", 1e-3, 1e-2, log=True
            ),
            epochs=4,
            early_stopping=False,
            callbacks=[PruningCallback(trial)],
            random_state=0,
        )
        return classifier.fit(X_train, y_train).score(X_test, y_test)

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.optimize(objective, n_trials=options.trials)
    print(f"best of {len(study.trials)}: accuracy {study.best_value:.3f}")
    print(study.best_params)
    plot(study)


if __name__ == "__main__":
    main()
