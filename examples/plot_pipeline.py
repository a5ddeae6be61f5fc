"""
Texts in pipelines, searches and column transformers
=====================================================

:class:`skrnn.RNNTextEncoder` turns texts into vectors and takes TfidfVectorizer's place wherever
scikit-learn takes a transformer.
"""

import sys
import tempfile

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000  # a small number for a quick look

# %%
# The sentences as a frame, with a number beside each text.
docstrings = load_docstrings(packages=["numpy", "python"], as_frame=True)
frame = docstrings.frame.sample(N_ROWS, random_state=0)
frame["n_letters"] = frame["text"].str.len()
train, test = train_test_split(frame, random_state=0, stratify=frame["target"])
print(train.head())

# %%
# **A pipeline.** The encoder is trained with the labels it is given, and its vectors go on to any
# classifier.
pipeline = make_pipeline(
    RNNTextEncoder(rnn_units=16, epochs=4, random_state=0), LogisticRegression(max_iter=1000)
)
pipeline.fit(train["text"], train["target"])
print(f"pipeline: accuracy {pipeline.score(test['text'], test['target']):.3f}")
print(f"vectors: {pipeline[0].transform(test['text']).shape}")

# %%
# **A grid search** over the parameters of the encoder, in two processes.
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
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{score:.3f}  {parameters}")
print(f"best: accuracy {search.score(test['text'], test['target']):.3f}")

# %%
# **Many candidates for little.** An untrained encoder costs seconds. Halving gives every candidate a few
# texts and the better ones more, and `memory` keeps fitted encoders on the disk, for all that differ in
# `C` alone.
with tempfile.TemporaryDirectory() as folder:
    untrained = make_pipeline(
        RNNTextEncoder(objective="random", rnn_units=16, random_state=0),
        LogisticRegression(max_iter=1000),
        memory=folder,
    )
    grid = {"rnntextencoder__pooling": ["mean", "max"], "logisticregression__C": [0.1, 1, 10]}
    halving = HalvingGridSearchCV(untrained, grid, cv=2, random_state=0)
    halving.fit(train["text"].to_numpy(), train["target"].to_numpy())
    print(f"candidates: {halving.n_candidates_}, texts: {halving.n_resources_}, best: {halving.best_params_}")
    print(f"halving: accuracy {halving.score(test['text'], test['target']):.3f}")

# %%
# **Text and numbers.** The column of texts is given by name, the numbers as a list of names; the
# output is a frame with named columns and the index of the input.
columns = make_column_transformer(
    (RNNTextEncoder(rnn_units=4, epochs=4, random_state=0), "text"),
    (StandardScaler(), ["n_letters"]),
).set_output(transform="pandas")
mixed = make_pipeline(columns, LogisticRegression(max_iter=1000))
mixed.fit(train.drop(columns="target"), train["target"])
vectors = mixed[0].transform(test.drop(columns="target"))
print(vectors.iloc[:3, -3:])
print(f"text and numbers: accuracy {mixed.score(test.drop(columns='target'), test['target']):.3f}")

# %%
# The frame that comes out is an ordinary one.
print(np.round(vectors.describe().loc[["mean", "std"]].iloc[:, -3:], 2))
