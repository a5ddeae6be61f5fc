"""
Pretraining without labels
==========================

An autoencoder learns to restore texts from their vectors, and a language
model learns to predict the next token. Neither needs labels. Similar texts
get similar vectors, and a classifier that starts from such an encoder needs
fewer labels. Set the number of sentences on the command line::

    python plot_pretraining.py [GENERATED_SENTENCES [DOCSTRING_SENTENCES]]
"""

# %%
# Sentences
# ---------
# The sentences are generated from a small vocabulary, so that training takes
# about a minute. The test sentences do not occur in the training set.
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

n_sentences = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
n_docstrings = int(sys.argv[2]) if len(sys.argv) > 2 else 4000
ADJECTIVES = ["old", "young", "small", "big"]
NOUNS = {
    "animals": ["cat", "dog", "horse", "bird", "mouse"],
    "people": ["girl", "boy", "teacher", "farmer", "doctor"],
}
VERBS = {
    "animals": [
        "sees a mouse", "eats the corn", "runs home", "sleeps in the barn",
    ],
    "people": [
        "reads a book", "buys a car", "walks to school", "writes a letter",
    ],
}  # fmt: skip
TIMES = ["today", "yesterday", "every morning", "at night"]


def generate_sentences(n):
    rng = np.random.default_rng(0)
    subjects = rng.choice(list(NOUNS), n)
    texts = []
    for subject in subjects:
        parts = ["the", rng.choice(ADJECTIVES), rng.choice(NOUNS[subject])]
        parts += [rng.choice(VERBS[subject]), rng.choice(TIMES)]
        texts.append(" ".join(parts))
    unique, first = np.unique(texts, return_index=True)
    return unique.tolist(), subjects[first]


texts, subjects = generate_sentences(n_sentences)
train, test, _, test_subjects = train_test_split(
    texts, subjects, test_size=0.2, random_state=0
)
print(f"{len(train)} training sentences, {len(test)} test sentences")

# %%
# Restore a text from its vector
# ------------------------------
# The encoder compresses each sentence to one vector. The decoder generates
# the sentence from this vector alone.
autoencoder = RNNTextEncoder(
    objective="autoencoder",
    rnn_units=64,
    embedding_dim=32,
    n_components=32,
    activation="linear",
    dropout=0.05,
    learning_rate=0.005,
    epochs=40,
    early_stopping=False,
    random_state=0,
)
autoencoder.fit(train)
vectors = autoencoder.transform(test)
restored = autoencoder.inverse_transform(vectors)
share = np.mean([a == b for a, b in zip(test, restored, strict=True)])
print(f"{share:.3f} of the test sentences are restored")
for text, output in list(zip(test, restored, strict=True))[:3]:
    print(f"  {text!r}\n    -> {output!r}")

# %%
# Interpolation and nearest neighbours
# ------------------------------------
# The decoder also turns a vector between those of two sentences into a
# sentence. The encoder has seen no labels, but its vectors mostly separate
# animals from people.
start = 0
stop = int(np.flatnonzero(test_subjects != test_subjects[0])[0])
steps = np.linspace(0, 1, 7)
path = [(1 - t) * vectors[start] + t * vectors[stop] for t in steps]
between = autoencoder.inverse_transform(path)
similarity = cosine_similarity(vectors[:1], vectors)[0]
nearest = np.argsort(-similarity)[:6]

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), layout="constrained", width_ratios=[1.15, 1]
)
left.axis("off")
left.set_title("Interpolation and nearest neighbours", loc="left")
lines = ["step"]
lines += [f"{t:.2f}   {text}" for t, text in zip(steps, between, strict=True)]
lines += ["", "cosine similarity"]
lines += [f"{similarity[i]:.2f}   {test[i]}" for i in nearest]
left.text(
    *(0, 0.97, "\n".join(lines)),
    va="top",
    family="monospace",
    fontsize=9,
    transform=left.transAxes,
)
pca = PCA(2, random_state=0)
points = pca.fit_transform(vectors)
for subject, colour in zip(NOUNS, ["tab:blue", "tab:orange"], strict=True):
    x, y = points[test_subjects == subject].T
    right.scatter(x, y, s=14, alpha=0.7, color=colour, label=subject)
x, y = pca.transform(np.array(path, np.float32)).T
right.plot(x, y, "k.-", linewidth=1, label="interpolation")
right.set(
    xlabel="first principal component",
    ylabel="second principal component",
    title="Vectors of the test sentences",
)
right.legend()

# %%
# Train a classifier with few labels
# ----------------------------------
# The texts are sentences from docstrings, and the label is the package. Two
# encoders are fitted to all training sentences without labels. One is trained
# as a language model. The other has `objective="random"`: its network is not
# trained, but its word vectors are computed from co-occurrence counts. A
# classifier then learns a part of the labels, starting from one of the
# encoders or from scratch.
X, y = load_docstrings(
    packages=["numpy", "pandas", "sklearn", "scipy"], return_X_y=True
)
X_train, X_test, y_train, y_test = train_test_split(
    X,
    y,
    train_size=min(n_docstrings, len(X) * 4 // 5),
    test_size=min(n_docstrings // 4, len(X) // 5),
    random_state=0,
    stratify=y,
)
small = {
    "rnn_units": 32,
    "embedding_dim": 64,
    "learning_rate": 0.005,
    "random_state": 0,
}
word_vectors = RNNTextEncoder(objective="random", **small).fit(X_train)
language_model = RNNTextEncoder(
    objective="language_model",
    epochs=6,
    dropout=0.2,
    early_stopping=False,
    **small,
)
language_model.fit(X_train)
print(
    f"perplexity on test sentences: {language_model.perplexity(X_test):.0f} "
    f"with {len(language_model.vocabulary_)} words"
)

models = {
    "TF-IDF + LogisticRegression": make_pipeline(
        TfidfVectorizer(sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ),
    "from scratch": RNNTextClassifier(epochs=40, **small),
    "from the language model": RNNTextClassifier(
        encoder=language_model, epochs=40, **small
    ),
    "from word vectors": RNNTextClassifier(
        encoder=word_vectors, epochs=40, **small
    ),
}
counts = [n for n in (50, 200, 800) if n <= len(X_train)]
counts = counts or [len(X_train) // 2]
scores = {name: [] for name in models}
for n in counts:
    for name, model in models.items():
        model.fit(X_train[:n], y_train[:n])
        scores[name].append(model.score(X_test, y_test))
        print(f"{n:5d} labels, {name}: accuracy {scores[name][-1]:.3f}")

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for name, style in zip(models, ["s:", "o--", "o-", "D-"], strict=True):
    axes.plot(counts, scores[name], style, label=name)
axes.set(
    xscale="log",
    xlabel="training labels",
    ylabel="accuracy on test sentences",
    title="Effect of pretraining without labels",
)
axes.set_xticks(counts, [str(n) for n in counts], minor=False)
axes.minorticks_off()
axes.legend()
plt.show()
