"""
A search, and texts in partitions, on Dask's workers
====================================================

Needs ``pip install "dask[dataframe]" distributed``. For example ``python examples/search_on_dask.py``: two
worker processes on this machine train the candidates of a grid search; with the address of a scheduler
(``--scheduler tcp://...``) those of a cluster do, where skrnn is installed too. The best pipeline then labels
a column of texts, partition by partition.
"""

import argparse

import dask.dataframe as dd
import joblib
from dask.distributed import Client
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--scheduler", help="address of a scheduler; without one, workers are started here")
    parser.add_argument("--rows", type=int, default=1500)
    options = parser.parse_args()
    frame = load_docstrings(packages=["numpy", "python"], as_frame=True).frame
    frame = frame.sample(options.rows, random_state=0, ignore_index=True)

    pipeline = make_pipeline(
        RNNTextEncoder(epochs=3, random_state=0, vocab_size=5000), LogisticRegression(max_iter=1000)
    )
    grid = {"rnntextencoder__rnn_units": [8, 16], "rnntextencoder__pooling": ["mean", "max"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=-1)
    where = {"address": options.scheduler} if options.scheduler else {"n_workers": 2, "threads_per_worker": 1}
    with Client(dashboard_address=None, **where), joblib.parallel_config("dask"):
        search.fit(frame["text"], frame["target"])
        for parameters, score in zip(
            search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
        ):
            print(f"{score:.3f}  {parameters}")

        def labelled(part):
            return part.assign(label=search.predict(part["text"]))

        parts = dd.from_pandas(frame[["text"]], npartitions=4)
        found = parts.map_partitions(labelled, meta={"text": str, "label": str}).compute()
    differ = (found["label"] != search.predict(frame["text"])).sum()
    print(f"{len(frame)} texts in {parts.npartitions} partitions: {len(found)} labels, {differ} differ")


if __name__ == "__main__":  # Dask's workers import this file
    main()
