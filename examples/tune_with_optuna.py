"""
A search that drops poor candidates early, with Optuna
======================================================

Needs ``pip install optuna``. For example ``python examples/tune_with_optuna.py --trials 20``. A trial is
scored by the accuracy on texts that it was not trained on; one whose loss falls behind that of the others
after any epoch is ended there.
"""

import argparse

import keras
import optuna
from sklearn.model_selection import train_test_split

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings


class Report(keras.callbacks.Callback):
    """Tells a trial the loss of each epoch, and ends it where it is not worth going on."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        """Report, and end the trial by its exception."""
        self.trial.report(-logs["loss"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1500)
    options = parser.parse_args(arguments)
    X, y = load_docstrings(packages=["numpy", "python"], return_X_y=True)
    X, _, y, _ = train_test_split(X, y, train_size=options.rows, random_state=0, stratify=y)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

    def objective(trial):
        classifier = RNNTextClassifier(
            layer=trial.suggest_categorical("layer", ["simple_rnn", "gru"]),
            rnn_units=trial.suggest_int("rnn_units", 8, 64, log=True),
            learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
            epochs=4,
            early_stopping=False,
            callbacks=[Report(trial)],
            random_state=0,
        )
        return classifier.fit(X_train, y_train).score(X_test, y_test)

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.optimize(objective, n_trials=options.trials)
    print(f"best of {len(study.trials)}: accuracy {study.best_value:.3f} with {study.best_params}")
    return study


if __name__ == "__main__":
    main()
