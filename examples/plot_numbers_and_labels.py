"""
Regression, multilabel classification and training options
==========================================================

The texts are numbers in English words. A regressor predicts the value of each
number, and a classifier predicts three labels: even, above 8000 and prime.
Word order matters, and bag-of-words models ignore it: "two thousand and
seven" differs from "seven thousand and two". Further sections show callbacks,
decision thresholds, class weights, warm starts and `partial_fit`.
"""

# %%
# Texts and targets
# -----------------
import importlib.util
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextRegressor

# Pass a small number on the command line for a quick look.
n_numbers = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f" {ONES[n % 10]}" if n % 10 else "")
    name, size = ("thousand", 1000) if n >= 1000 else ("hundred", 100)
    rest = f" and {in_words(n % size)}" if n % size else ""
    return f"{in_words(n // size)} {name}{rest}"


numbers = np.random.default_rng(0).choice(10_000, n_numbers, replace=False)
texts = [in_words(int(n)) for n in numbers]
train, test, y_train, y_test = train_test_split(texts, numbers, random_state=0)
print(f"{len(train)} training texts, {len(test)} test texts")
print(f"for example {train[0]!r} ({y_train[0]})")

# %%
# Regression
# ----------
# Targets may have any unit. RNNTextRegressor standardises them for training
# and returns predictions in the original unit. `score` returns R2. With
# `verbose=1`, `fit` prints one line per epoch.
small = {
    "rnn_units": 32,
    "embedding_dim": 32,
    "learning_rate": 0.005,
    "random_state": 0,
}
regressor = RNNTextRegressor(epochs=6, dropout=0.0, verbose=1, **small)
regressor.fit(train, y_train)
baseline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), Ridge())
baseline.fit(train, y_train)
print(f"R2 of RNNTextRegressor: {regressor.score(test, y_test):.3f}")
print(f"R2 of TF-IDF + Ridge: {baseline.score(test, y_test):.3f}")

# %%
# Multilabel classification
# -------------------------
# The target is an indicator matrix with one column per label. Pass Keras
# callbacks to `callbacks=`. scikit-learn 1.9 adds callbacks of its own: here,
# ScoringMonitor records the score on the training texts after each epoch.
NAMES = ["even", "above 8000", "prime"]
n = np.arange(10_000)
no_divisor = [(n % d != 0) | (n == d) for d in range(2, 100)]
prime = (n > 1) & np.all(no_divisor, axis=0)
columns = [numbers % 2 == 0, numbers > 8000, prime[numbers]]
labels = np.stack(columns, axis=1).astype(int)
train, test, y_train, y_test = train_test_split(texts, labels, random_state=0)
X_fit, X_val, y_fit, y_val = train_test_split(train, y_train, random_state=0)
classifier = RNNTextClassifier(
    epochs=6,
    dropout=0.2,
    callbacks=[keras.callbacks.TerminateOnNaN()],
    **small,
)
has_sklearn_callbacks = importlib.util.find_spec("sklearn.callback") is not None
if has_sklearn_callbacks:
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="f1_micro")
    classifier.set_callbacks(monitor)
classifier.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
if has_sklearn_callbacks:
    logs = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    print("F1 per epoch:", [round(row["f1_micro"], 3) for row in logs])

# %%
# A threshold for each label
# --------------------------
# The words of a number say little about whether it is prime, so few
# probabilities exceed 0.5 and this threshold finds few primes. The best
# threshold is chosen on the held-out set.
thresholds = np.arange(0.05, 1, 0.05)
p_val = classifier.predict_proba(X_val)
p_test = classifier.predict_proba(test)


def f1_above(threshold, y, probabilities):
    return f1_score(y, probabilities > threshold, zero_division=0)


curves = [
    [f1_above(t, y_val[:, j], p_val[:, j]) for t in thresholds]
    for j in range(len(NAMES))
]
for j, name in enumerate(NAMES):
    best = thresholds[np.argmax(curves[j])]
    at_half = f1_above(0.5, y_test[:, j], p_test[:, j])
    at_best = f1_above(best, y_test[:, j], p_test[:, j])
    print(f"{name}: F1 {at_half:.2f} at 0.50, {at_best:.2f} at {best:.2f}")

# %%
# An imbalanced class
# -------------------
# One number in eight is prime. `class_weight="balanced"` gives both classes
# the same total weight in the loss. `TunedThresholdClassifierCV` instead moves
# the decision threshold of a trained classifier to the best F1 score. With
# `warm_start=True`, `fit` continues from the current weights, here for two
# more epochs.
is_prime = prime[numbers].astype(int)
X_fit, X_val, y_fit, y_val = train_test_split(
    texts, is_prime, random_state=0, stratify=is_prime
)
default = RNNTextClassifier(epochs=4, dropout=0.2, **small)
models = {
    "default": default,
    "balanced": clone(default).set_params(class_weight="balanced"),
    "tuned threshold": TunedThresholdClassifierCV(
        clone(default), scoring="f1", cv=2, random_state=0
    ),
}
for name, model in models.items():
    predicted = model.fit(X_fit, y_fit).predict(X_val)
    print(f"{name}: F1 {f1_score(y_val, predicted, zero_division=0):.2f}")
default.set_params(warm_start=True, epochs=2).fit(X_fit, y_fit)
predicted = default.predict(X_val)
print(f"two more epochs: F1 {f1_score(y_val, predicted, zero_division=0):.2f}")

# %%
# Training in chunks
# ------------------
# `partial_fit` trains for one epoch on each chunk. The vocabulary and the
# classes are given in advance, because one chunk may not contain all of them.
stream = RNNTextClassifier(
    vocabulary=sorted(regressor.vocabulary_), dropout=0.0, **small
)
for start in range(0, len(train), 500):
    chunk = slice(start, start + 500)
    stream.partial_fit(train[chunk], y_train[chunk, 0], classes=[0, 1])
    accuracy = stream.score(test, y_test[:, 0])
    print(f"even or odd after {start + 500} texts: accuracy {accuracy:.3f}")

# %%
# Plots
# -----
figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(11, 3.6), layout="constrained"
)
_, test, _, y_test = train_test_split(texts, numbers, random_state=0)
left.plot([0, 10_000], [0, 10_000], color="lightgray")
left.scatter(y_test, regressor.predict(test), s=6)
left.set(
    xlabel="number", ylabel="prediction", title="RNNTextRegressor, test texts"
)
for name, curve in zip(NAMES, curves, strict=True):
    middle.plot(thresholds, curve, label=name)
middle.set(
    xlabel="threshold",
    ylabel="F1",
    title="RNNTextClassifier, held-out texts",
    ylim=(0, 1.05),
)
middle.legend()
for name, model in {"numbers": regressor, "labels": classifier}.items():
    losses = np.array(model.history_["loss"])
    right.plot(np.arange(1, len(losses) + 1), losses / losses[0], label=name)
right.set(
    xlabel="epoch",
    ylabel="loss / loss of the first epoch",
    title="Training loss",
    ylim=(0, None),
)
right.legend()
plt.show()
