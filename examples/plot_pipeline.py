"""
Pipelines, grid searches and column transformers
================================================

:class:`skrnn.RNNTextEncoder` turns texts into vectors. It can replace
TfidfVectorizer wherever scikit-learn accepts a transformer.
"""

import sys
import tempfile

import matplotlib.pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000

# %%
# The data are sentences in a DataFrame, with one number per text.
docstrings = load_docstrings(packages=["numpy", "python"], as_frame=True)
frame = docstrings.frame.sample(N_ROWS, random_state=0)
frame["n_letters"] = frame["text"].str.len()
train, test = train_test_split(frame, random_state=0, stratify=frame["target"])
print(train.head())

# %%
# **A pipeline.** The encoder is trained on the labels, and passes its vectors
# to any classifier.
pipeline = make_pipeline(
    RNNTextEncoder(rnn_units=16, epochs=4, random_state=0),
    LogisticRegression(max_iter=1000),
)
pipeline.fit(train["text"], train["target"])
accuracy = pipeline.score(test["text"], test["target"])
accuracies = {"pipeline": accuracy}
print(f"pipeline: accuracy {accuracy:.3f}")
print(f"vectors: {pipeline[0].transform(test['text']).shape}")

# %%
# **A grid search** over two parameters of the encoder, in two processes.
search = GridSearchCV(
    pipeline,
    {
        "rnntextencoder__rnn_units": [4, 16],
        "rnntextencoder__learning_rate": [0.002, 0.01],
    },
    cv=2,
    n_jobs=2,
)
search.fit(train["text"], train["target"])
for parameters, score in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    strict=True,
):
    print(f"{score:.3f}  {parameters}")
accuracy = search.score(test["text"], test["target"])
accuracies["grid search"] = accuracy
print(f"best: accuracy {accuracy:.3f}")

# %%
# **A fast search over many candidates.** An encoder with `objective="random"`
# is not trained and fits in seconds. HalvingGridSearchCV evaluates all
# candidates on few texts and the best of them on more. `memory` caches fitted
# encoders on disk, so candidates that differ only in `C` share one.
with tempfile.TemporaryDirectory() as folder:
    untrained = make_pipeline(
        RNNTextEncoder(objective="random", rnn_units=16, random_state=0),
        LogisticRegression(max_iter=1000),
        memory=folder,
    )
    grid = {
        "rnntextencoder__pooling": ["mean", "max"],
        "logisticregression__C": [0.1, 1, 10],
    }
    halving = HalvingGridSearchCV(untrained, grid, cv=2, random_state=0)
    halving.fit(train["text"].to_numpy(), train["target"].to_numpy())
    print(f"candidates: {halving.n_candidates_}, texts: {halving.n_resources_}")
    print(f"best: {halving.best_params_}")
    accuracy = halving.score(test["text"], test["target"])
    accuracies["untrained, halving"] = accuracy
    print(f"halving: accuracy {accuracy:.3f}")

# %%
# **Text and numbers.** The text column is selected by its name, the numeric
# columns by a list of names. The output is a DataFrame that keeps the index
# of the input.
columns = make_column_transformer(
    (RNNTextEncoder(rnn_units=4, epochs=4, random_state=0), "text"),
    (StandardScaler(), ["n_letters"]),
).set_output(transform="pandas")
mixed = make_pipeline(columns, LogisticRegression(max_iter=1000))
mixed.fit(train.drop(columns="target"), train["target"])
vectors = mixed[0].transform(test.drop(columns="target"))
print(vectors.iloc[:3, -3:])
accuracy = mixed.score(test.drop(columns="target"), test["target"])
accuracies["text and numbers"] = accuracy
print(f"text and numbers: accuracy {accuracy:.3f}")

# %%
# **The four models** on the same test texts. The line is the accuracy of the
# most frequent label.
figure, axes = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
bars = axes.barh(list(accuracies), list(accuracies.values()))
axes.bar_label(bars, fmt="%.3f", padding=3)
axes.axvline(
    test["target"].value_counts(normalize=True).max(), color="black", ls=":"
)
axes.set(xlim=(0, 1), xlabel="accuracy on test texts")
axes.invert_yaxis()
plt.show()
