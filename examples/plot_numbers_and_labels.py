"""
Numbers, several labels, and what happens while it trains
=========================================================

Numbers as people write them are the texts: what they are worth is a number to learn, and what they are (even,
above 8000, prime) are several labels at once. The order of the words decides, which bags of words do not see:
"two thousand and seven" is not "seven thousand and two".
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

n_numbers = int(sys.argv[1]) if len(sys.argv) > 1 else 4000  # a small number for a quick look
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelt(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f" {ONES[n % 10]}" if n % 10 else "")
    name, size = ("thousand", 1000) if n >= 1000 else ("hundred", 100)
    return f"{spelt(n // size)} {name}" + (f" and {spelt(n % size)}" if n % size else "")


numbers = np.random.default_rng(0).choice(10_000, n_numbers, replace=False)
texts = [spelt(int(n)) for n in numbers]
train, test, y_train, y_test = train_test_split(texts, numbers, random_state=0)
print(f"{len(train)} texts such as {train[0]!r} ({y_train[0]}), {len(test)} to test on")

# %%
# A number for each text
# ----------------------
# Targets may have any unit: they are standardised inside, and predictions come in theirs. `score` is R2, and
# with `verbose=1` there is a line for each epoch.
small = {"rnn_units": 32, "embedding_dim": 32, "learning_rate": 0.005, "random_state": 0}
regressor = RNNTextRegressor(epochs=6, dropout=0.0, verbose=1, **small).fit(train, y_train)
bag = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), Ridge()).fit(train, y_train)
own, other = regressor.score(test, y_test), bag.score(test, y_test)
print(f"R2 of the network {own:.3f}, of TF-IDF and Ridge {other:.3f}")

# %%
# Several labels of each text
# ---------------------------
# An indicator matrix, a column a label. Keras' callbacks are given as `callbacks=`; scikit-learn's own, from
# 1.9 on, are told of each epoch too: here of the score on the training texts.
NAMES = ["even", "above 8000", "prime"]
n = np.arange(10_000)
prime = (n > 1) & np.all([(n % d != 0) | (n == d) for d in range(2, 100)], axis=0)
labels = np.stack([numbers % 2 == 0, numbers > 8000, prime[numbers]], axis=1).astype(int)
train, test, y_train, y_test = train_test_split(texts, labels, random_state=0)
fit_texts, held_texts, y_fit, y_held = train_test_split(train, y_train, random_state=0)
stop_at_once = keras.callbacks.TerminateOnNaN()
classifier = RNNTextClassifier(epochs=6, dropout=0.2, callbacks=[stop_at_once], **small)
if importlib.util.find_spec("sklearn.callback"):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="f1_micro")
    classifier.set_callbacks(monitor)
classifier.fit(fit_texts, y_fit, X_val=held_texts, y_val=y_held)
if importlib.util.find_spec("sklearn.callback"):
    print([round(row["f1_micro"], 3) for row in monitor.get_logs().data if row["task_name"] == "epoch"])

# %%
# A threshold for each label
# --------------------------
# Hardly a number is more probably prime than not, as far as its words tell: at one half few are found. The
# best threshold is chosen on texts that were not trained on.
steps = np.arange(0.05, 1, 0.05)
p = classifier.predict_proba(held_texts)
curves = [[f1_score(y_held[:, j], p[:, j] > t, zero_division=0) for t in steps] for j in range(3)]
found = classifier.predict_proba(test)
for j, name in enumerate(NAMES):
    best = steps[np.argmax(curves[j])]
    at_half, at_best = (f1_score(y_test[:, j], found[:, j] > t, zero_division=0) for t in (0.5, best))
    print(f"{name}: F1 {at_half:.2f} at 0.50, {at_best:.2f} at {best:.2f}")

# %%
# A rare label
# ------------
# One number in eight is prime. `class_weight="balanced"` weighs it in the loss as if it were as frequent as
# the others. `TunedThresholdClassifierCV` moves the threshold of a trained classifier instead, to where F1 is
# best. With `warm_start=True`, `fit` goes on from the weights it has: here for two more epochs.
rare = prime[numbers].astype(int)
fit_texts, held_texts, y_fit, y_held = train_test_split(texts, rare, random_state=0, stratify=rare)
plain = RNNTextClassifier(epochs=4, dropout=0.2, **small)
models = {
    "as it is": plain,
    "balanced": clone(plain).set_params(class_weight="balanced"),
    "tuned threshold": TunedThresholdClassifierCV(clone(plain), scoring="f1", cv=2, random_state=0),
}
for name, model in models.items():
    model.fit(fit_texts, y_fit)
    print(f"{name}: F1 {f1_score(y_held, model.predict(held_texts), zero_division=0):.2f}")
plain.set_params(warm_start=True, epochs=2).fit(fit_texts, y_fit)
print(f"two more epochs: F1 {f1_score(y_held, plain.predict(held_texts), zero_division=0):.2f}")

# %%
# Texts that come in chunks
# -------------------------
# `partial_fit` reads each chunk once; the vocabulary and the labels are given before, since a chunk need not
# have them all.
stream = RNNTextClassifier(vocabulary=sorted(regressor.vocabulary_), dropout=0.0, **small)
for start in range(0, len(train), 500):
    stream.partial_fit(train[start : start + 500], y_train[start : start + 500, 0], classes=[0, 1])
    accuracy = stream.score(test, y_test[:, 0])
    print(f"after {start + 500} texts: {accuracy:.3f} even or odd rightly")

# %%
# In pictures
# -----------
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
_, new, _, worth = train_test_split(texts, numbers, random_state=0)
left.plot([0, 10_000], [0, 10_000], color="lightgray")
left.scatter(worth, regressor.predict(new), s=6)
left.set(xlabel="number", ylabel="predicted", title="RNNTextRegressor, new texts")
for name, curve in zip(NAMES, curves, strict=True):
    middle.plot(steps, curve, label=name)
middle.set(xlabel="threshold", ylabel="F1", title="RNNTextClassifier, held-out texts", ylim=(0, 1.05))
middle.legend()
for name, model in {"numbers": regressor, "labels": classifier}.items():
    losses = np.array(model.history_["loss"])
    right.plot(np.arange(1, len(losses) + 1), losses / losses[0], label=name)
right.set(xlabel="epoch", ylabel="loss, of that of the first epoch", title="Training loss", ylim=(0, None))
right.legend()
plt.show()
