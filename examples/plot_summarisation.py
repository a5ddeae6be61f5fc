"""
Summarisation: long texts to short ones
=======================================

The body of a text goes in, its headline comes out: the network of the example of translation with other
pairs. Here a body is what a docstring says of a function, and the headline is the docstring's first line; the
docstrings are those of the packages installed beside skrnn. Your own pairs, a body and a headline a line,
parted by a tab (mails and their subjects, say): ``python plot_summarisation.py FILE.tsv``.
"""

# %%
# The pairs
# ---------
# A headline that occurs twice is kept once, so that none of the test is in the training pairs.
import ast
import importlib.util
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from skrnn import RNNTextSeq2Seq


def docstrings(package):
    folder = Path(importlib.util.find_spec(package).origin).parent
    for path in sorted(folder.rglob("*.py")):
        if "tests" not in path.parts:
            with warnings.catch_warnings(action="ignore"):  # other people's escape sequences
                tree = ast.parse(path.read_text("utf-8"))
            definitions = (
                node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
            )
            yield from filter(None, map(ast.get_docstring, definitions))


def pairs_of_docstrings():
    bodies = {}
    for docstring in (text for package in ("numpy", "pandas", "sklearn") for text in docstrings(package)):
        headline, _, body = (re.sub(r"\s+", " ", part) for part in docstring.partition("\n\n"))
        if 3 <= len(headline.split()) <= 15 and len(body.split()) >= 10:
            bodies[headline] = re.sub(r"-{3,}", "", body)
    return list(bodies.values()), list(bodies)


def pairs_of(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file if "\t" in line]
    return [row[0] for row in rows], [row[1] for row in rows]


path = next((argument for argument in sys.argv[1:] if not argument.isdigit()), None)
n_pairs = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), None)
X, y = pairs_of(path) if path else pairs_of_docstrings()
chosen = np.random.default_rng(0).permutation(len(X))[:n_pairs]
X, y = [X[i] for i in chosen], [y[i] for i in chosen]
n_train = len(X) * 9 // 10
print(f"{n_train} pairs to learn from, {len(X) - n_train} to test with")
print(f"{X[0][:200]!r} -> {y[0]!r}")

# %%
# Training
# --------
# What stands after the first 80 sub-words of a body is not read: the gist comes first.
model = RNNTextSeq2Seq(
    vocab_size=4000,
    sequence_length=80,
    embedding_dim=128,
    rnn_units=128,
    epochs=12,
    no_repeat=2,
    random_state=0,
    verbose=1,
)
model.fit(X[:n_train], y[:n_train])
written = model.predict(X[n_train:])
for body, text, headline in list(zip(X[n_train:], written, y[n_train:], strict=True))[:8]:
    print(f"{body[:100]}...\n    wrote {text}\n    goal  {headline.lower()}")


# %%
# How good it is
# --------------
# ROUGE-1 (Lin 2004) counts the words that both headlines have. It stands beside that of the first eight words
# of the body, which are hard to beat where bodies begin with what they are about.
def rouge_1(texts, goals):
    scores = []
    for text, goal in zip(texts, goals, strict=True):
        own, other = (Counter(re.findall(r"\w+", words.lower())) for words in (text, goal))
        scores.append(2 * sum((own & other).values()) / max(1, sum(own.values()) + sum(other.values())))
    return 100 * np.mean(scores)


first_words = [" ".join(body.split()[:8]) for body in X[n_train:]]
print(f"ROUGE-1: written {rouge_1(written, y[n_train:]):.1f}")
print(f"ROUGE-1: first eight words {rouge_1(first_words, y[n_train:]):.1f}")

# %%
# Where it looks
# --------------
# A row for each token that is written, a column for each that is read; the darker, the more attention.
import matplotlib.pyplot as plt

from skrnn.displays import AttentionDisplay

shortest = min(X[n_train:], key=len)
AttentionDisplay.from_estimator(model, shortest)
plt.show()
