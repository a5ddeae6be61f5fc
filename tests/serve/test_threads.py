"""Threads over batches."""

from threading import Barrier, get_ident

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skrnn.serve.batches import over_batches


def test_blas_has_one_thread_while_batches_run():
    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen = []
    with threadpool_limits(2, "blas"):  # the tests may run with one thread
        over_batches(lambda rows: seen.append(blas()), np.array([5] * 9000), 2)
        assert blas() and set(blas()) == {2}
    assert len(seen) > 1 and all(set(counts) <= {1} for counts in seen)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n_rows", [0, 1, 600])
def test_each_row_is_in_one_batch(n_rows, n_jobs):
    lengths = np.random.default_rng(0).integers(1, 9, n_rows)
    batches = []
    over_batches(batches.append, lengths, n_jobs, max_rows=7)
    assert sorted(np.concatenate([np.empty(0, int), *batches])) == list(range(n_rows))
    assert all(len(rows) <= 7 for rows in batches)


def test_one_job_runs_in_the_calling_thread():
    seen = set()
    over_batches(lambda rows: seen.add(get_ident()), np.ones(90, int), 1, max_rows=7)
    assert seen == {get_ident()}


@pytest.mark.parametrize(("n_jobs", "n_batches"), [(2, 2), (3, 12)])
def test_jobs_run_at_the_same_time(n_jobs, n_batches):
    together, seen = Barrier(n_jobs, timeout=10), set()  # fails if fewer threads wait at it

    def work(rows):
        seen.add(get_ident())
        together.wait()

    over_batches(work, np.ones(n_batches, int), n_jobs, max_rows=1)
    assert len(seen) == n_jobs


def test_an_error_in_a_thread_reaches_the_caller():
    def work(rows):
        raise RuntimeError("in a batch")

    with pytest.raises(RuntimeError, match="in a batch"):
        over_batches(work, np.ones(600, int), 2)
