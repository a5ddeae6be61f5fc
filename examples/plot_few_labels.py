"""
Few labels
==========

Often there are many texts, but only some of them have labels.
:class:`skrnn.RNNTextEncoder` learns word vectors from all texts without
labels, and LogisticRegression learns from the vectors of the labelled ones.
"""

# %%
# The texts are sentences from documentation, and the label is the package
# that a sentence comes from. Both sides see all training texts without
# labels; TF-IDF counts its document frequencies on them.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
X, y = load_docstrings(return_X_y=True)
X, X_test, y, y_test = train_test_split(
    X,
    np.array(y),
    train_size=n_rows,
    test_size=min(n_rows, 2000),
    random_state=0,
    stratify=y,
)
encoder = make_pipeline(RNNTextEncoder(random_state=0), Normalizer())
tfidf = TfidfVectorizer(sublinear_tf=True)
names = {"RNNTextEncoder": encoder, "TF-IDF": tfidf}
inputs = {
    name: (model.fit_transform(X), model.transform(X_test))
    for name, model in names.items()
}

# %%
# Each model learns from the first 50, 100, ... labels.
counts = [n for n in (50, 100, 200, 400, 800) if n <= n_rows]
scores = {name: [] for name in inputs}
for n in counts:
    for name, (vectors, vectors_test) in inputs.items():
        classifier = LogisticRegression(C=10, max_iter=1000)
        classifier.fit(vectors[:n], y[:n])
        scores[name].append(classifier.score(vectors_test, y_test))
        print(f"{n:4d} labels, {name}: accuracy {scores[name][-1]:.3f}")

# %%
# The fewer labels there are, the more the vectors help.
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
for name, values in scores.items():
    axes.plot(counts, values, "o-", label=name)
axes.set(xscale="log", xlabel="labels", ylabel="accuracy on test sentences")
axes.set_xticks(counts, [str(n) for n in counts])
axes.minorticks_off()
axes.legend()
plt.show()
