"""
Clusters of texts and a map
===========================

KMeans groups the vectors of :class:`skrnn.RNNTextEncoder`, which needs no
labels, and EncodingDisplay draws a map of the texts.
"""

# %%
# Vectors without labels
# ----------------------
# The texts are sentences from documentation. The packages that they come from
# are only used to rate the clusters, by the adjusted Rand index: 0 means
# random clusters, and 1 means that the clusters are the packages. Vectors of
# length 1 let KMeans compare directions, as for TF-IDF.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings
from skrnn.displays import EncodingDisplay

# Pass a small number on the command line for a quick look.
n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
X, y = load_docstrings(packages=["numpy", "pandas", "python"], return_X_y=True)
rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
X, y = np.array(X, object)[rows], np.array(y)[rows]

models = {
    "RNNTextEncoder": make_pipeline(
        RNNTextEncoder(random_state=0), Normalizer()
    ),
    "TF-IDF + SVD": make_pipeline(
        TfidfVectorizer(sublinear_tf=True, stop_words="english"),
        TruncatedSVD(min(100, n_rows // 10), random_state=0),
        Normalizer(),
    ),
}
clusters = {}
for name, model in models.items():
    vectors = model.fit_transform(X)
    found = [
        KMeans(3, n_init=3, random_state=seed).fit_predict(vectors)
        for seed in range(5)
    ]
    clusters[name] = found[0]
    rand = np.mean([adjusted_rand_score(y, labels) for labels in found])
    print(f"{name}: adjusted Rand index {rand:.3f}")

# %%
# What the clusters are about
# ---------------------------
# The words whose share in a cluster is largest, relative to all texts, name
# the topic of the cluster.
words = TfidfVectorizer(use_idf=False, stop_words="english", min_df=5)
weights = words.fit_transform(X)
names, overall = words.get_feature_names_out(), weights.mean(axis=0).A1
for k in range(3):
    own = weights[clusters["RNNTextEncoder"] == k].mean(axis=0).A1
    top = np.argsort(overall - own)[:8]
    print(f"cluster {k}: {', '.join(names[top])}")

# %%
# A map of the texts
# ------------------
# TSNE places similar texts near each other. Colours stand for packages on the
# left, and for clusters on the right.
few = slice(min(800, n_rows))
figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 4.5), layout="constrained"
)
encoder, tsne = models["RNNTextEncoder"], TSNE(random_state=0, init="pca")
display = EncodingDisplay.from_estimator(
    encoder, X[few], y[few], projection=tsne, ax=left
)
EncodingDisplay(
    display.points, clusters["RNNTextEncoder"][few], projection_name="TSNE"
).plot(right)
left.set_title("packages")
right.set_title("clusters")
plt.show()
