"""
Translation: from texts to texts
================================

An encoder reads a text. A decoder generates another text token by token, and
at each step its attention selects parts of the source. This example generates
its own pairs: dates as people write them, and the same dates in ISO 8601. To
use your own pairs, write one pair per line, separated by a tab::

    python plot_translation.py FILE.tsv
"""

# %%
# The pairs
# ---------
# The source dates have five formats. No date of the test set occurs in the
# training set.
import datetime
import sys

import numpy as np

from skrnn import RNNTextSeq2Seq

FORMATS = ["%d %B %Y", "%B %d, %Y", "%a %d %b %y", "%d.%m.%Y", "%A, %d %B %Y"]


def generate_pairs(n):
    rng = np.random.default_rng(0)
    start = datetime.date(1970, 1, 1)
    days = rng.permutation(365 * 60)[:n]
    dates = [start + datetime.timedelta(days=int(day)) for day in days]
    sources = [date.strftime(rng.choice(FORMATS)) for date in dates]
    return sources, [date.isoformat() for date in dates]


def read_pairs(path):
    with open(path, encoding="utf-8") as file:
        rows = [
            line.rstrip("\n").split("\t")[:2] for line in file if "\t" in line
        ]
    return [row[0] for row in rows], [row[1] for row in rows]


path = next((a for a in sys.argv[1:] if not a.isdigit()), None)
n_pairs = next((int(a) for a in sys.argv[1:] if a.isdigit()), 3000)
X, y = read_pairs(path) if path else generate_pairs(n_pairs)
n_train = len(X) * 9 // 10
X_train, y_train = X[:n_train], y[:n_train]
X_test, y_test = X[n_train:], y[n_train:]
for source, target in zip(X[:5], y[:5], strict=True):
    print(f"{source!r} -> {target!r}")

# %%
# Training
# --------
# Dates are read and written character by character. For natural language,
# sub-words work better; they are the default.
model = RNNTextSeq2Seq(
    analyzer="subword" if path else "char",
    rnn_units=256 if path else 64,
    embedding_dim=256 if path else 32,
    dropout=0.3 if path else 0.1,
    learning_rate=0.003 if path else 0.01,
    epochs=10,
    random_state=0,
    verbose=1,
)
model.fit(X_train, y_train)
predicted = model.predict(X_test)
share = np.mean([a == b for a, b in zip(predicted, y_test, strict=True)])
print(f"{share:.3f} of {len(X_test)} test texts are translated correctly")
for source, text in list(zip(X_test, predicted, strict=True))[:5]:
    print(f"{source!r} -> {text!r}")

# %%
# Alternative translations
# ------------------------
# Beam search finds several candidates for each text. The numbers are the scores
# that rank them: log-probabilities divided by the number of tokens.
for text, score in model.predict_n_best(X_test[:1], n_best=3)[0]:
    print(f"{score:8.2f}  {text}")

# %%
# Attention
# ---------
# Each row is a target token and each column a source token. Darker cells have
# more attention. The decoder attends to the end of the source while it writes
# the year, then to the month and then to the day.
import matplotlib.pyplot as plt

from skrnn.displays import AttentionDisplay

AttentionDisplay.from_estimator(model, X_test[0])
plt.show()
