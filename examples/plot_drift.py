"""
Drift of topics over time
=========================

The topics of a stream of texts change, for example those of the questions to
a help desk. The vectors of :class:`skrnn.RNNTextEncoder`, which needs no
labels, show when they change, and which texts are new.
"""

# %%
# Twelve months of texts
# ----------------------
# The texts are sentences from documentation, 300 for each month. From the
# ninth month on, sentences about pandas replace more and more of the others.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
n_texts = int(sys.argv[1]) if len(sys.argv) > 1 else 300
rng = np.random.default_rng(0)
usual, _ = load_docstrings(packages=["numpy", "python"], return_X_y=True)
new, _ = load_docstrings(packages=["pandas"], return_X_y=True)
usual, new = iter(rng.permutation(usual)), iter(rng.permutation(new))
months = {}
for month in range(1, 13):
    n_new = n_texts * max(0, month - 8) // 5
    texts = [next(usual) for _ in range(n_texts - n_new)]
    months[month] = texts + [next(new) for _ in range(n_new)]

# %%
# When the topics change
# ----------------------
# The encoder learns from the first three months. The next three are the
# reference: an encoder treats texts that it has learned from a little
# differently. A classifier then tries to tell a month from the reference. If
# nothing has changed, it guesses, and the area under the ROC curve is about
# 0.5.
encoder = make_pipeline(RNNTextEncoder(random_state=0), Normalizer())
encoder.fit(months[1] + months[2] + months[3])
reference = encoder.transform(months[4] + months[5] + months[6])
vectors = {month: encoder.transform(months[month]) for month in range(7, 13)}
classifier = LogisticRegression(class_weight="balanced")
drift = {}
for month, own in vectors.items():
    V = np.concatenate([reference, own])
    is_own = np.repeat([0, 1], [len(reference), len(own)])
    scores = cross_val_score(classifier, V, is_own, cv=5, scoring="roc_auc")
    drift[month] = scores.mean()
    print(f"month {month:2}: area under the curve {drift[month]:.2f}")

# %%
# What is new
# -----------
# The texts that the classifier finds most different from the reference are
# typical of the new topic.
scores = classifier.fit(V, is_own).decision_function(own)
for i in np.argsort(-scores)[:4]:
    print(f"  {months[12][i][:76]}")

# %%
# Topics over time
# ----------------
# KMeans finds topics in the texts of all these months. The right part of the
# picture shows their shares.
topics = KMeans(4, n_init=3, random_state=0)
topics.fit(np.concatenate([reference, *vectors.values()]))
shares = [
    np.bincount(topics.predict(own), minlength=4) / n_texts
    for own in vectors.values()
]
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.6), layout="constrained"
)
left.plot(list(drift), list(drift.values()), marker="o")
left.axhline(0.5, linestyle="--", color="grey")
left.set(xlabel="month", ylabel="area under the curve")
right.stackplot(list(drift), np.transpose(shares), alpha=0.8)
right.set(xlabel="month", ylabel="share of the texts of each topic")
plt.show()
