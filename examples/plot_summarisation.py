"""
Summarisation: from long texts to short ones
============================================

The model reads the body of a text and predicts its headline. It is the
network of the translation example, trained on other pairs: the body is the
text of a docstring, and the headline is its first line. The docstrings come
from installed packages. To use your own pairs, such as e-mails and their
subjects, write one body and one headline per line, separated by a tab::

    python plot_summarisation.py FILE.tsv
"""

# %%
# The pairs
# ---------
# Each headline occurs only once, so no test headline is in the training set.
import ast
import importlib.util
import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from textwrap import shorten

import numpy as np

from skrnn import RNNTextSeq2Seq


def docstrings(package):
    folder = Path(importlib.util.find_spec(package).origin).parent
    for path in sorted(folder.rglob("*.py")):
        if "tests" in path.parts:
            continue
        with warnings.catch_warnings(action="ignore"):  # invalid escapes
            tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                docstring = ast.get_docstring(node)
                if docstring:
                    yield docstring


def docstring_pairs():
    bodies = {}
    for package in ("numpy", "pandas", "sklearn"):
        for docstring in docstrings(package):
            headline, _, body = (
                re.sub(r"\s+", " ", part)
                for part in docstring.partition("\n\n")
            )
            if 3 <= len(headline.split()) <= 15 and len(body.split()) >= 10:
                bodies[headline] = re.sub(r"-{3,}", "", body)
    return list(bodies.values()), list(bodies)


def read_pairs(path):
    with open(path, encoding="utf-8") as file:
        rows = [
            line.rstrip("\n").split("\t")[:2] for line in file if "\t" in line
        ]
    return [row[0] for row in rows], [row[1] for row in rows]


path = next((a for a in sys.argv[1:] if not a.isdigit()), None)
n_pairs = next((int(a) for a in sys.argv[1:] if a.isdigit()), None)
X, y = read_pairs(path) if path else docstring_pairs()
order = np.random.default_rng(0).permutation(len(X))[:n_pairs]
X, y = [X[i] for i in order], [y[i] for i in order]
n_train = len(X) * 9 // 10
X_train, y_train = X[:n_train], y[:n_train]
X_test, y_test = X[n_train:], y[n_train:]
print(f"{len(X_train)} training pairs, {len(X_test)} test pairs")
print(f"body:     {shorten(X[0], 70)}")
print(f"headline: {shorten(y[0], 70)}")

# %%
# Training
# --------
# The model reads the first 60 sub-words of each body, because docstrings
# start with the most important information.
model = RNNTextSeq2Seq(
    vocab_size=4000,
    sequence_length=60,
    embedding_dim=128,
    rnn_units=128,
    epochs=6,
    no_repeat_ngram_size=2,
    random_state=0,
    verbose=1,
)
model.fit(X_train, y_train)
predicted = model.predict(X_test)
rows = zip(X_test[:8], predicted[:8], y_test[:8], strict=True)
for body, text, headline in rows:
    print(f"body:      {shorten(body, 69)}")
    print(f"predicted: {text}")
    print(f"headline:  {headline.lower()}\n")

# %%
# Evaluation
# ----------
# ROUGE-1 (Lin 2004) measures how many words two headlines have in common. The
# baseline uses the first eight words of the body as the headline. This
# baseline is strong if a body starts with its subject.


def rouge_1(texts, references):
    scores = []
    for pair in zip(texts, references, strict=True):
        own, other = (
            Counter(re.findall(r"\w+", text.lower())) for text in pair
        )
        n_words = sum(own.values()) + sum(other.values())
        scores.append(2 * sum((own & other).values()) / max(1, n_words))
    return 100 * np.mean(scores)


first_words = [" ".join(body.split()[:8]) for body in X_test]
print(f"ROUGE-1: predicted headlines {rouge_1(predicted, y_test):.1f}")
print(f"ROUGE-1: first eight words {rouge_1(first_words, y_test):.1f}")

# %%
# Attention
# ---------
# Each row is a predicted token and each column a token of the body. Darker
# cells have more attention.
import matplotlib.pyplot as plt

from skrnn.displays import AttentionDisplay

AttentionDisplay.from_estimator(model, min(X_test, key=len))
plt.show()
