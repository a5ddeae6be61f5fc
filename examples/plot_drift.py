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
# The texts are sentences from documentation, 150 for each month. From the
# seventh month on, sentences about pandas replace more and more of the others.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
n_texts = int(sys.argv[1]) if len(sys.argv) > 1 else 150
n_months, n_usual = 12, 6
rng = np.random.default_rng(0)
usual, _ = load_docstrings(packages=["numpy", "python"], return_X_y=True)
new, _ = load_docstrings(packages=["pandas"], return_X_y=True)
usual, new = iter(rng.permutation(usual)), iter(rng.permutation(new))
months = []
for month in range(n_months):
    n_new = n_texts * max(0, month + 1 - n_usual) // 10
    months.append(
        [next(usual) for _ in range(n_texts - n_new)]
        + [next(new) for _ in range(n_new)]
    )

# %%
# When the topics change
# ----------------------
# The encoder learns from the first three months. The drift of a month is the
# distance of its mean vector to the mean of these months. Random samples of
# the three months have a drift, too: 99 % of them are below the limit.
first = [text for month in months[:3] for text in month]
encoder = make_pipeline(RNNTextEncoder(random_state=0), Normalizer())
reference = encoder.fit_transform(first)
vectors = [encoder.transform(month) for month in months]
centre = reference.mean(axis=0)


def drift(sample):
    return np.linalg.norm(sample.mean(axis=0) - centre)


samples = [rng.integers(len(first), size=n_texts) for _ in range(500)]
limit = np.quantile([drift(reference[rows]) for rows in samples], 0.99)
drifts = [drift(month) for month in vectors]
print(f"limit: {limit:.3f}")
for month in range(3, n_months):
    is_new = "  new topics" if drifts[month] > limit else ""
    print(f"month {month + 1:2}: drift {drifts[month]:.3f}{is_new}")

# %%
# What is new
# -----------
# The mean of the last month minus that of the first three months is the
# direction of the change. The texts that lie farthest in this direction are
# typical of the new topic.
change = vectors[-1].mean(axis=0) - centre
for i in np.argsort(-(vectors[-1] @ change))[:4]:
    print(f"  {months[-1][i]}")

# %%
# Topics over time
# ----------------
# KMeans finds topics in the texts of all months. The right part of the picture
# shows their shares.
topics = KMeans(4, n_init=3, random_state=0).fit(np.concatenate(vectors))
shares = np.array(
    [np.bincount(topics.predict(v), minlength=4) / n_texts for v in vectors]
)
number = np.arange(1, n_months + 1)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.6), layout="constrained"
)
left.plot(number, drifts, marker="o")
left.axhline(limit, linestyle="--", color="grey", label="limit")
left.set(xlabel="month", ylabel="drift", ylim=(0, None))
left.legend()
right.stackplot(number, shares.T, alpha=0.8)
right.set(xlabel="month", ylabel="share of the texts of each topic")
plt.show()
