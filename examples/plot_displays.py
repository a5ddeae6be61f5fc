"""
Pictures of a fitted estimator
==============================

Four displays, as scikit-learn has them: how a training went, what a prediction rests on, how texts lie to
each other as vectors, and, with text to text (see the example of translation), where a decoder looks.
"""

# %%
# A classifier
# ------------
# Sentences of documentation and the package they come from.
import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings
from skrnn.displays import EncodingDisplay, TokenImportanceDisplay, TrainingCurveDisplay

n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2000  # a small number for a quick look
X, y = load_docstrings(packages=["numpy", "pandas", "python"], return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=n_rows, test_size=300, random_state=0, stratify=y)
classifier = RNNTextClassifier(rnn_units=32, epochs=8, random_state=0).fit(X, y)
print(f"accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# The training
# ------------
# A tenth of the sentences is held out; the weights of the epoch in which they are told best are kept.
TrainingCurveDisplay.from_estimator(classifier)
plt.show()

# %%
# A prediction
# ------------
# Each word is left out once. A bar to the right: without the word the label would be less sure of itself.
display = TokenImportanceDisplay.from_estimator(
    classifier, "Return the rows of the DataFrame whose index is sorted along the given axis."
)
plt.show()
for token, importance in zip(display.tokens, display.importances, strict=True):
    print(f"{importance:6.2f}  {token}")

# %%
# The vectors
# -----------
# The vectors that the classifier reads its labels off, in two dimensions of many. `projection` takes other
# projections, such as ``TSNE()``.
EncodingDisplay.from_estimator(classifier, X_test, y_test)
plt.show()
