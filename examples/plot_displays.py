"""
Plots of a fitted estimator
===========================

skrnn has four displays, which work like those of scikit-learn. This example
shows three of them: the training curve, the importance of each token for a
prediction, and the encodings of texts. The translation example shows the
fourth, the attention of a decoder.
"""

# %%
# A classifier
# ------------
# The texts are sentences from documentation. The label is the package that a
# sentence comes from.
import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings
from skrnn.displays import (
    EncodingDisplay,
    TokenImportanceDisplay,
    TrainingCurveDisplay,
)

# Pass a small number on the command line for a quick look.
n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
X, y = load_docstrings(packages=["numpy", "pandas", "python"], return_X_y=True)
X, X_test, y, y_test = train_test_split(
    X, y, train_size=n_rows, test_size=300, random_state=0, stratify=y
)
classifier = RNNTextClassifier(rnn_units=32, epochs=8, random_state=0)
classifier.fit(X, y)
print(f"accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# The training curve
# ------------------
# By default, RNNTextClassifier trains on all texts and runs all epochs, so
# the plot shows the training loss only. With `early_stopping=True`, `fit`
# holds out a tenth of the texts and keeps the weights of the epoch with the
# lowest validation loss. The plot then also shows the validation loss, the
# validation score and this epoch.
TrainingCurveDisplay.from_estimator(classifier)
plt.show()

# %%
# The importance of each token
# ----------------------------
# Each token is removed once. A bar to the right means that the probability of
# the label is lower without the token.
display = TokenImportanceDisplay.from_estimator(
    classifier,
    "Return the rows of the DataFrame whose index is sorted along the given "
    "axis.",
)
plt.show()
for token, importance in zip(display.tokens, display.importances, strict=True):
    print(f"{importance:6.2f}  {token}")

# %%
# The encodings
# -------------
# The classifier predicts the label from the encoding of a text. PCA projects
# the encodings to two dimensions. Pass another transformer to `projection`,
# for example ``TSNE()``.
EncodingDisplay.from_estimator(classifier, X_test, y_test)
plt.show()
