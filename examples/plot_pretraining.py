"""
Learning without labels
=======================

An encoder that restores texts from its vectors, or predicts their next words, learns without any label. Its
vectors then stand near each other where texts are alike, and a classifier that starts from it needs fewer
labels. Sizes: ``python plot_pretraining.py [MADE_UP_SENTENCES [SENTENCES_OF_DOCSTRINGS]]``.
"""

# %%
# Sentences
# ---------
# Made up, of few words, so that one machine learns them in a minute; the sentences of the test are new.
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextEncoder
from skrnn.datasets import load_docstrings

sizes = [int(argument) for argument in sys.argv[1:]]
n_sentences, n_docstrings = [*sizes, 3000, 8000][:2] if len(sizes) != 1 else [sizes[0], 8000]
TIMES = ["today", "yesterday", "every morning", "at night"]
WHO = {
    "animals": ["cat", "dog", "horse", "bird", "mouse"],
    "people": ["girl", "boy", "teacher", "farmer", "doctor"],
}
WHAT = {
    "animals": ["sees a mouse", "eats the corn", "runs home", "sleeps in the barn"],
    "people": ["reads a book", "buys a car", "walks to school", "writes a letter"],
}


def made_up(n):
    rng = np.random.default_rng(0)
    subjects = rng.choice(list(WHO), n)
    texts = []
    for subject in subjects:
        parts = ["the", rng.choice(["old", "young", "small", "big"]), rng.choice(WHO[subject])]
        parts += [rng.choice(WHAT[subject]), rng.choice(TIMES)]
        texts.append(" ".join(parts))
    unique, first = np.unique(texts, return_index=True)
    return unique.tolist(), subjects[first]


texts, subjects = made_up(n_sentences)
train, test, _, subjects_of_test = train_test_split(texts, subjects, test_size=0.2, random_state=0)
print(f"{len(train)} sentences to train on, {len(test)} new ones, such as {test[0]!r}")

# %%
# Restored from a vector
# ----------------------
# The text goes into one vector; the decoder writes it again from nothing else.
autoencoder = RNNTextEncoder(
    objective="autoencoder", rnn_units=64, embedding_dim=32, n_components=32, activation="linear",
    dropout=0.05, learning_rate=0.005, epochs=40, early_stopping=False, random_state=0,
)  # fmt: skip
autoencoder.fit(train)
vectors = autoencoder.transform(test)
written = autoencoder.inverse_transform(vectors)
print(
    f"{np.mean([a == b for a, b in zip(test, written, strict=True)]):.3f} of the new sentences are restored"
)
for text, found in list(zip(test, written, strict=True))[:3]:
    print(f"  {text!r} -> {found!r}")

# %%
# Between two texts, and near one
# -------------------------------
# A vector between those of two sentences is a sentence as well. The vectors were made without labels, yet
# those of animals and those of people mostly stand apart.
start, stop = 0, int(np.flatnonzero(subjects_of_test != subjects_of_test[0])[0])
steps = np.linspace(0, 1, 7)
between = autoencoder.inverse_transform([(1 - t) * vectors[start] + t * vectors[stop] for t in steps])
likeness = cosine_similarity(vectors[:1], vectors)[0]
nearest = np.argsort(-likeness)[:6]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", width_ratios=[1.15, 1])
left.axis("off")
left.set_title("Between two vectors, and the nearest to one", loc="left")
lines = ["way", *(f"{t:.2f}   {text}" for t, text in zip(steps, between, strict=True))]
lines += ["", "cosine", *(f"{likeness[i]:.2f}   {test[i]}" for i in nearest)]
left.text(0, 0.97, "\n".join(lines), va="top", family="monospace", fontsize=9, transform=left.transAxes)
points = PCA(2, random_state=0).fit_transform(vectors)
for subject, colour in zip(WHO, ["tab:blue", "tab:orange"], strict=True):
    chosen = subjects_of_test == subject
    right.scatter(*points[chosen].T, s=14, alpha=0.7, color=colour, label=subject)
path = (
    PCA(2, random_state=0)
    .fit(vectors)
    .transform(np.array([(1 - t) * vectors[start] + t * vectors[stop] for t in steps], np.float32))
)
right.plot(*path.T, "k.-", linewidth=1, label="between two")
right.set(xlabel="first principal component", ylabel="second", title="Vectors of new sentences")
right.legend()

# %%
# Fewer labels
# ------------
# Sentences from the docstrings of installed packages, labelled by package. An encoder first reads all of
# them, without their labels; then some of the labels are learned, from there and from scratch. The language
# model is trained; the "random" encoder is not: it has got which words stand near which.
X, y = load_docstrings(packages=["numpy", "pandas", "sklearn", "scipy"], return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=min(n_docstrings, len(X) * 4 // 5), test_size=min(n_docstrings // 4, len(X) // 5),
    random_state=0, stratify=y,
)  # fmt: skip
SIZE = {"rnn_units": 32, "embedding_dim": 64, "learning_rate": 0.005, "random_state": 0}
counted = RNNTextEncoder(objective="random", **SIZE).fit(X_train)
reader = RNNTextEncoder(objective="language_model", epochs=6, dropout=0.2, early_stopping=False, **SIZE)
reader.fit(X_train)
print(f"perplexity of new sentences: {reader.perplexity(X_test):.0f} of {len(reader.vocabulary_)} words")

models = {
    "TF-IDF + logistic regression": make_pipeline(
        TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    ),
    "from scratch": RNNTextClassifier(epochs=40, **SIZE),
    "from a language model": RNNTextClassifier(encoder=reader, epochs=40, **SIZE),
    "from counted neighbours": RNNTextClassifier(encoder=counted, epochs=40, **SIZE),
}
counts = [n for n in (50, 200, 800, 3200) if n <= len(X_train)] or [len(X_train) // 2]
scores = {name: [] for name in models}
for n in counts:
    for name, model in models.items():
        scores[name].append(model.fit(X_train[:n], y_train[:n]).score(X_test, y_test))
        print(f"{n:5d} labels, {name}: accuracy {scores[name][-1]:.3f}")

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for name, style in zip(models, ["s:", "o--", "o-", "D-"], strict=True):
    axes.plot(counts, scores[name], style, label=name)
axes.set(
    xscale="log",
    xlabel="labels",
    ylabel="accuracy on new sentences",
    title="What reading without labels brings",
)
axes.set_xticks(counts, [str(n) for n in counts], minor=False)
axes.minorticks_off()
axes.legend()
plt.show()
