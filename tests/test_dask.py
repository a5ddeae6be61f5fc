"""Dask: grid searches on its workers, and texts in partitions."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextEncoder

distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
dd = pytest.importorskip("dask.dataframe", reason="needs dask[dataframe]")

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets that close, and of Dask

TEXTS = ["good film", "bad film", "a very good film indeed", "very bad", "so good", "so bad"] * 4
LABELS = ["b", "a", "b", "a", "b", "a"] * 4
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "random_state": 0}


@pytest.fixture
def client():
    """Return a client of two worker processes on this machine."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def encoder_search(n_jobs=None):
    pipeline = make_pipeline(RNNTextEncoder(objective="random", **TINY), LogisticRegression())
    grid = {"rnntextencoder__pooling": ["last", "max", "mean"], "rnntextencoder__rnn_units": [2, 3]}
    return GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise")


def scores(search):
    return search.cv_results_["mean_test_score"]


def test_a_grid_search_on_dask_equals_the_serial_one(client):
    serial = encoder_search().fit(TEXTS, LABELS)
    with joblib.parallel_config("dask"):
        distributed_search = encoder_search(-1).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(scores(distributed_search), scores(serial))
    np.testing.assert_array_equal(distributed_search.predict_proba(TEXTS), serial.predict_proba(TEXTS))


@pytest.mark.slow
def test_a_grid_search_survives_the_loss_of_a_worker(client):
    """One of the two worker processes is killed while both train."""
    grid = {"rnn_units": [2, 3, 4], "learning_rate": [0.01, 0.03]}

    def search(n_jobs=None):
        return GridSearchCV(
            RNNTextClassifier(**TINY), grid, cv=2, n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise"
        )

    serial = search().fit(TEXTS, LABELS)
    before, killed = set(client.run(os.getpid).values()), []

    def kill():
        while len([1 for calls in client.processing().values() if calls]) < 2:
            time.sleep(0.1)
        time.sleep(2)  # so that it loads TensorFlow or trains
        killed.append(min(before))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with joblib.parallel_config("dask"):
        distributed_search = search(-1).fit(TEXTS, LABELS)
    killer.join()
    assert killed and killed[0] not in client.run(os.getpid).values()
    np.testing.assert_array_equal(scores(distributed_search), scores(serial))
    np.testing.assert_array_equal(distributed_search.predict_proba(TEXTS), serial.predict_proba(TEXTS))


@pytest.mark.parametrize("n_partitions", [1, 3])
def test_encoding_by_partitions_equals_encoding_all_texts(n_partitions):
    series = pd.Series(TEXTS, index=range(100, 100 + len(TEXTS)), name="text")
    encoder = RNNTextEncoder(objective="random", **TINY).fit(series).set_output(transform="pandas")
    parts = dd.from_pandas(series, npartitions=n_partitions)
    parts = dd.concat([parts, parts[parts == "no such text"]])  # adds empty partitions
    found = parts.map_partitions(encoder.transform, meta=encoder.transform(series[:0])).compute()
    pd.testing.assert_frame_equal(found, encoder.transform(series), rtol=1e-5)


def test_a_pipeline_classifies_the_partitions_of_a_frame():
    frame = pd.DataFrame({"text": TEXTS, "n": 1})
    model = make_pipeline(RNNTextEncoder(objective="random", **TINY), LogisticRegression()).fit(TEXTS, LABELS)
    found = dd.from_pandas(frame, npartitions=3).map_partitions(
        lambda part: part.assign(label=model.predict(part["text"])),
        meta={"text": str, "n": int, "label": str},
    )
    assert found.compute()["label"].tolist() == model.predict(TEXTS).tolist()
