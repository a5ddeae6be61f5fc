"""
Translation: texts to texts
===========================

An encoder reads a text, a decoder writes another, one token after the other, looking back at the first by
attention. The pairs here are made up on the spot: dates as people write them, and as machines want them.
Your own pairs, one a line, the two texts parted by a tab: ``python plot_translation.py FILE.tsv``.
"""

# %%
# The pairs
# ---------
# Dates in five ways of writing; what they become is ISO 8601. Dates of the test are in no training pair.
import datetime
import sys

import numpy as np

from skrnn import RNNTextSeq2Seq

WAYS = ["%d %B %Y", "%B %d, %Y", "%a %d %b %y", "%d.%m.%Y", "%A, %d %B %Y"]


def made_up_pairs(n):
    rng = np.random.default_rng(0)
    days = rng.permutation(365 * 60)[:n]
    dates = [datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day)) for day in days]
    return [date.strftime(rng.choice(WAYS)) for date in dates], [date.isoformat() for date in dates]


def pairs_of(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file if "\t" in line]
    return [row[0] for row in rows], [row[1] for row in rows]


path = next((argument for argument in sys.argv[1:] if not argument.isdigit()), None)
n_pairs = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 3000)
X, y = pairs_of(path) if path else made_up_pairs(n_pairs)
n_train = len(X) * 9 // 10
for source, target in zip(X[:5], y[:5], strict=True):
    print(f"{source!r} -> {target!r}")

# %%
# Five lines
# ----------
# Characters for dates; words of a language are better cut into sub-words, which is the default.
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
model.fit(X[:n_train], y[:n_train])
written = model.predict(X[n_train:])
right = np.mean([text == target for text, target in zip(written, y[n_train:], strict=True)])
print(f"{right:.3f} of {len(written)} new texts are translated without a fault")
for source, text in list(zip(X[n_train:], written, strict=True))[:5]:
    print(f"{source!r} -> {text!r}")

# %%
# The second best
# ---------------
# Beam search keeps several beginnings; the numbers are log-probabilities.
for text, value in model.predict_n_best(X[n_train : n_train + 1], n_best=3)[0]:
    print(f"{value:8.2f}  {text}")

# %%
# Where it looks
# --------------
# A row for each token that is written, a column for each that is read; the darker, the more attention. To
# write the year the decoder looks at the end of the source, then at the month, then at the day.
import matplotlib.pyplot as plt

from skrnn.displays import AttentionDisplay

AttentionDisplay.from_estimator(model, X[n_train])
plt.show()
