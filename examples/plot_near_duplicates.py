"""
Search for near-duplicates
==========================

Two texts are near-duplicates if they differ in a few words or letters.
:class:`skrnn.RNNTextEncoder` without targets turns texts into vectors in
seconds, and NearestNeighbors finds the nearest vectors.
"""

# %%
# Texts and queries
# -----------------
# The texts are sentences from documentation. A query is one of them in which
# two words are dropped, or swapped with their neighbours.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
X, _ = load_docstrings(return_X_y=True)
texts = list(dict.fromkeys(X))[:n_rows]
rng = np.random.default_rng(0)


def edited(text):
    words = text.split()
    for _ in range(2):
        i = rng.integers(len(words) - 1)
        if rng.random() < 0.5 and len(words) > 3:
            del words[i]
        else:
            words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


originals = [i for i, text in enumerate(texts) if len(text.split()) > 3][:500]
queries = [edited(texts[i]) for i in originals]

# %%
# The nearest text
# ----------------
# The distance is the cosine distance. The table shows how often the nearest
# text is the original.
encoder = make_pipeline(RNNTextEncoder(random_state=0), Normalizer())
tfidf = TfidfVectorizer(sublinear_tf=True)
distances = {}
for name, model in {"RNNTextEncoder": encoder, "TF-IDF": tfidf}.items():
    search = NearestNeighbors(n_neighbors=2, metric="cosine")
    search.fit(model.fit_transform(texts))
    distances[name], nearest = search.kneighbors(model.transform(queries))
    share = np.mean(nearest[:, 0] == originals)
    print(f"{name}: recall@1 {share:.3f}")
    for query, i in list(zip(queries, nearest[:, 0], strict=True))[:2]:
        print(f"  {query}\n    -> {texts[i]}")

# %%
# A threshold
# -----------
# The distance to the original is much smaller than the distance to the
# nearest other text. A threshold between the two finds duplicates.
to_original, to_other = distances["RNNTextEncoder"].T
figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
bins = np.linspace(0, 1, 41)
axes.hist(to_original, bins, alpha=0.7, label="nearest text")
axes.hist(to_other, bins, alpha=0.7, label="second nearest text")
axes.set(xlabel="cosine distance", ylabel="queries")
axes.legend()
plt.show()
