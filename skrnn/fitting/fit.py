"""How an estimator is fitted: it reads texts, trains a network, and returns the fitted attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from skrnn.compat import CallbackSupportMixin, check_feature_names, with_callbacks
from skrnn.fitting.samples import Samples, check_sample_weight, generator, weights_of
from skrnn.fitting.start import Start, StartMixin
from skrnn.parameters import estimator, warn_of_unused
from skrnn.serve import n_threads
from skrnn.spec import Spec, Weights
from skrnn.targets import HEADS, Head, Regression
from skrnn.text import check_texts, column_name
from skrnn.train import Checkpoint, Examples, Job, Monitor, Validation, reported, train_network
from skrnn.train.recipe import (
    MAX_TOKENS,
    MAX_TOKENS_PREDICTED,
    Recipe,
    Schedule,
    auto_batch_size,
    auto_dropout,
    auto_epochs,
)


@estimator
class FitMixin(StartMixin, CallbackSupportMixin):
    """Reading and fitting. A subclass says with `_head_for` what stage 5 learns."""

    # -- reading -------------------------------------------------------------------------------

    def _read(self, X: Any, *, reset: bool = False, min_texts: int = 0, name: str = "X") -> list[str]:
        """Return texts as a list of str. At a `reset` the name of the column may be new."""
        texts = check_texts(
            X, owner=type(self).__name__, missing=self.missing, name=name, any_type=self._reads_any_type()
        )
        if not reset and hasattr(X, "columns") and hasattr(self, "feature_names_in_"):
            check_feature_names(self, X, reset=False)
        if len(texts) < min_texts:
            raise ValueError(
                f"{name} of {type(self).__name__} has {len(texts)} texts ({len(texts)} sample(s)) while a "
                f"minimum of {min_texts} is required."
            )
        return texts

    def _reads_any_type(self) -> bool:
        """Return whether a function of the user splits the texts; then they need not be str."""
        return callable(self.analyzer) or callable(getattr(vars(self).get("encoder"), "analyzer", None))

    def _head_for(self, y: Any, texts: list[str]) -> Head:
        """Return the head that learns the targets of a new fit."""
        raise NotImplementedError

    def _samples(self, head: Head, texts: list[str], y: Any, sample_weight: Any, name: str) -> Samples:
        """Return texts with encoded targets and weights; `name` is that of the targets."""
        owner = type(self).__name__
        targets = head.encode(y, texts, owner=owner, name=name)
        weights = check_sample_weight(sample_weight, len(texts), owner=owner, name=weights_of(name))
        return Samples(texts, targets, weights)

    # -- fitting -------------------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> dict[str, Any]:
        """Fit on texts and return the fitted attributes; the estimator does not change."""
        owner = type(self).__name__
        warn_of_unused(self, has_held_out=X_val is not None)
        texts = self._read(X, reset=True, min_texts=1)
        rng = generator(self.random_state)
        head = self._head_for(y, texts)
        train = self._samples(head, texts, y, sample_weight, "y")
        held_out = None
        if X_val is not None:
            texts_val = self._read(X_val, reset=True, min_texts=1, name="X_val")
            held_out = self._samples(head, texts_val, y_val, sample_weight_val, "y_val")
        elif y_val is not None or sample_weight_val is not None:
            name = "sample_weight_val" if y_val is None else "y_val"
            raise ValueError(f"{name} of {owner}.fit needs X_val, which is None. Pass the texts as X_val.")
        elif self._holds_out(len(texts)) and head.is_trained:
            train, held_out = train.split(self.validation_fraction, rng, owner=owner, stratify=head.exclusive)
        if held_out is not None:
            self._check_held_out(head, held_out)
        if not train.weights.any():
            raise ValueError(f"class_weight of {owner} gives every text a weight of 0.")
        return self._train(head, train.balanced(), held_out, rng, (X, y, sample_weight))

    def _check_held_out(self, head: Head, held_out: Samples) -> None:
        """Raise an error if the score or the loss of the held-out texts is not defined."""
        owner = type(self).__name__
        if not held_out.weights.any():
            raise ValueError(f"class_weight of {owner} gives every text of X_val a weight of 0.")
        if self.early_stopping == "score" and isinstance(head, Regression) and len(held_out.texts) < 2:
            raise ValueError(
                f"early_stopping='score' of {owner} needs 2 held-out texts or more: the score of one number "
                "is not defined. Set early_stopping=True, or hold out more texts."
            )

    def _holds_out(self, n_texts: int) -> bool:
        """Return whether early stopping holds out a share of the texts."""
        return n_texts >= 100 if self.early_stopping == "auto" else bool(self.early_stopping)

    @with_callbacks
    def _train(
        self,
        head: Head,
        train: Samples,
        held_out: Samples | None,
        rng: np.random.Generator,
        data: tuple[Any, Any, Any],
    ) -> dict[str, Any]:
        """Train and return the fitted attributes. `data` is what `fit` got: X, y and sample_weight."""
        start = self._start(head, train, rng)
        whole = self._with_ngrams(head, start)
        ngrams = self._fit_ngrams(head, whole)
        validation = self._validation(start, held_out) if held_out is not None and head.is_trained else None
        recipe = self._recipe(start.spec, n_tokens=start.n_tokens, n_texts=len(train.texts))
        monitor = self._monitor(whole, recipe, validation)

        def fitted() -> dict[str, Any]:
            return self._fitted(head, whole, monitor)

        if not head.is_trained:
            monitor.weights = start.weights
            return fitted()
        self._check_training_parameters()
        self._write(f"training on {start.n_tokens:,} tokens")
        with reported(monitor, self, recipe.epochs, data, fitted) as after_epoch:
            train_network(
                Job(
                    start.spec,
                    replace(recipe, seed=int(rng.integers(2**31))),
                    start.weights | ngrams,  # the network has none; they stay as they are
                    start.examples,
                    after_epoch,
                    wanted_by=f"{type(self).__name__}.fit",
                    callbacks=self.callbacks or (),
                    checkpoint=None if self.checkpoint is None else Checkpoint(self.checkpoint, monitor),
                    history=monitor.history,
                    after_step=monitor.after_step,
                    after_training=monitor.finish,
                )
            )
        return fitted()

    def _train_chunk(self, head: Head, chunk: Samples) -> dict[str, Any]:
        """Train for one epoch on a chunk and return the fitted attributes; the estimator does not change."""
        rng = generator(self.random_state)
        is_fitted = self.__sklearn_is_fitted__()
        if is_fitted:
            start = self._continued(chunk)
        else:
            start = self._with_ngrams(head, self._start(head, chunk, rng, is_chunk=True))
        new = {"seed": int(rng.integers(2**31)), "n_chunks": 0, "state": {}, "optimizer": self.optimizer}
        progress: dict[str, Any] = new | vars(self).get("_progress", {})
        recipe = self._recipe(start.spec, n_tokens=start.n_tokens, n_texts=len(chunk.texts))
        seed = int(np.random.default_rng([progress["seed"], progress["n_chunks"]]).integers(2**31))
        recipe = replace(recipe, epochs=1, schedule="constant", seed=seed)
        monitor = self._monitor(start, recipe, None)
        state: dict[str, np.ndarray] = {}
        if not head.is_trained:
            monitor.weights = start.weights
        else:
            same_optimizer = progress["optimizer"] == self.optimizer
            state = train_network(
                Job(
                    start.spec,
                    recipe,
                    start.weights,
                    start.examples,
                    monitor,
                    wanted_by=f"{type(self).__name__}.partial_fit",
                    callbacks=self.callbacks or (),
                    optimizer_state=progress["state"] if same_optimizer else {},
                    after_step=monitor.after_step,
                    after_training=monitor.finish,
                )
            )
        monitor.history["loss"][:0] = vars(self).get("loss_curve_", [])
        progress |= {"n_chunks": progress["n_chunks"] + 1, "state": state, "optimizer": self.optimizer}
        return {**self._fitted(head, start, monitor), "_progress": progress}

    def _validation(self, start: Start, held_out: Samples) -> Validation:
        """Return the scorer of held-out texts."""
        sequences = start.tokens.encode(held_out.texts, start.sequence_length, start.truncation)
        examples = Examples(sequences, held_out.targets, held_out.weights)
        return Validation(examples, n_threads(self.n_jobs))

    def _monitor(self, start: Start, recipe: Recipe, validation: Validation | None) -> Monitor:
        return Monitor(
            start.spec,
            validation,
            patience=self.n_iter_no_change,
            tol=self.tol,
            epochs=recipe.epochs,
            n_tokens=start.n_tokens,
            learning_rate=self.learning_rate,
            verbose=int(self.verbose),
            owner=type(self).__name__,
            by_score=self.early_stopping == "score",
        )

    def _check_training_parameters(self) -> None:
        """Raise an error if the checkpoint or the callbacks cannot be used."""
        if self.checkpoint is not None and self.random_state is None:
            raise ValueError(
                f"checkpoint of {type(self).__name__} needs a random_state: a fit without a seed cannot be "
                "resumed. Set random_state, for example to 0."
            )
        for callback in self.callbacks or ():
            if not hasattr(callback, "set_model"):
                raise TypeError(
                    f"callbacks of {type(self).__name__} must be keras.callbacks.Callback instances. Got "
                    f"{callback!r}."
                )

    def _fitted(self, head: Head, start: Start, monitor: Monitor) -> dict[str, Any]:
        """Return all attributes that a fit sets."""
        history = monitor.history
        attributes = self._attributes(head, start, monitor.weights) | {
            "n_features_in_": 1,
            "n_iter_": len(history["loss"]),
            "loss_curve_": history["loss"],
            "history_": history,
            "_made_with": self._plain_parameters(),
        }
        if monitor.validation is not None:
            attributes["validation_scores_"] = history["val_score"]
            attributes["best_validation_score_"] = history["val_score"][monitor.best_epoch]
        return attributes

    def _attributes(self, head: Head, start: Start, weights: Weights) -> dict[str, Any]:
        """Return the attributes that a prediction needs."""
        return {
            **start.attributes,
            "_head": head,
            "_tokens": start.tokens,
            "_spec": start.spec,
            "_weights": weights,
            "_truncation": start.truncation,
            "vocabulary_": start.tokens.vocabulary,
            "sequence_length_": start.sequence_length,
        }

    def _assign(self, X: Any, attributes: dict[str, Any]) -> None:
        """Replace all fitted attributes at once, so that a fit that fails earlier changes nothing."""
        derived = ("_forward", "_progress")  # what the next fit must not find
        for name in [name for name in vars(self) if name.endswith("_") or name in derived]:
            delattr(self, name)
        for name, value in attributes.items():
            setattr(self, name, value)
        check_feature_names(self, X, reset=True)
        self._column_name = column_name(X)

    # -- recipe and state -----------------------------------------------------------------------

    def _recipe(self, spec: Spec, *, n_tokens: int, n_texts: int) -> Recipe:
        """Return how to train; the values of "auto" depend on the number of tokens and texts."""
        head = spec.head
        return Recipe(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=cast(Schedule, self.schedule),
            epochs=auto_epochs(n_tokens, n_texts, head) if self.epochs == "auto" else int(self.epochs),
            batch_size=auto_batch_size(n_texts, head) if self.batch_size == "auto" else int(self.batch_size),
            max_tokens=MAX_TOKENS_PREDICTED if HEADS[head].predicts_ids else MAX_TOKENS,
            dropout=auto_dropout(spec.n_ids, head) if self.dropout == "auto" else float(self.dropout),
            recurrent_dropout=float(self.recurrent_dropout),
            frozen=self._frozen(),
        )
