"""
Grid search and prediction on Dask workers
==========================================

This script trains the candidates of a grid search in two worker processes on
this machine. The best pipeline then predicts the labels of a text column,
partition by partition. Install Dask and matplotlib first:
``pip install "dask[dataframe]" distributed matplotlib``. To use a cluster,
pass the address of its scheduler, and install skrnn on its workers::

    python examples/search_on_dask.py --scheduler tcp://HOST:PORT
"""

import argparse

import dask.dataframe as dd
import joblib
import matplotlib.pyplot as plt
from dask.distributed import Client
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings


def main():
    parser = argparse.ArgumentParser(
        description="Grid search and prediction on Dask workers"
    )
    parser.add_argument(
        "--scheduler",
        help="address of a scheduler; by default, start workers here",
    )
    parser.add_argument(
        "--rows", type=int, default=1500, help="number of sentences"
    )
    options = parser.parse_args()
    data = load_docstrings(packages=["numpy", "python"], as_frame=True)
    frame = data.frame.sample(options.rows, random_state=0, ignore_index=True)

    pipeline = make_pipeline(
        RNNTextEncoder(epochs=3, random_state=0, vocab_size=5000),
        LogisticRegression(max_iter=1000),
    )
    grid = {
        "rnntextencoder__rnn_units": [8, 16],
        "rnntextencoder__pooling": ["mean", "max"],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=-1)
    if options.scheduler:
        workers = {"address": options.scheduler}
    else:
        workers = {"n_workers": 2, "threads_per_worker": 1}
    with (
        Client(dashboard_address=None, **workers),
        joblib.parallel_config("dask"),
    ):
        search.fit(frame["text"], frame["target"])
        for parameters, score in zip(
            search.cv_results_["params"],
            search.cv_results_["mean_test_score"],
            strict=True,
        ):
            print(f"{score:.3f}  {parameters}")

        def predict(part):
            return part.assign(label=search.predict(part["text"]))

        parts = dd.from_pandas(frame[["text"]], npartitions=4)
        meta = {"text": str, "label": str}
        predicted = parts.map_partitions(predict, meta=meta).compute()
    n_different = (predicted["label"] != search.predict(frame["text"])).sum()
    print(
        f"{len(frame)} texts in {parts.npartitions} partitions: "
        f"{len(predicted)} labels, {n_different} differ from a single call"
    )

    _, axes = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
    names = [
        ", ".join(str(value) for value in parameters.values())
        for parameters in search.cv_results_["params"]
    ]
    bars = axes.barh(names, search.cv_results_["mean_test_score"])
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set(
        xlim=(0, 1),
        xlabel="accuracy, mean of two folds",
        ylabel="pooling, rnn_units",
    )
    axes.invert_yaxis()
    plt.show()


if __name__ == "__main__":  # Dask workers import this file
    main()
