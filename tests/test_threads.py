"""The number of threads."""

import pytest

from skrnn import threads
from skrnn.threads import allotted_threads, n_threads


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_n_cores", lambda: 4)


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (3, 3), (-1, 4), (-2, 3), (-9, 1), (None, 4)])
def test_negative_numbers_of_threads_count_from_the_cores(n_jobs, expected):
    assert n_threads(n_jobs) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2", 2), ("2,1", 2), (" 2 ", 2), ("3, 2", 3), ("02", 2), ("9", 4), ("9" * 5000, 4)],
)
def test_a_worker_process_uses_the_threads_it_was_allotted(value, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert n_threads(None) == allotted_threads() == expected


@pytest.mark.parametrize(
    "value", ["", " ", ",", ",2", "abc", "0", "00", "-1", "+2", "1e9", "2.0", "\u00b2", "\u0662"]
)
def test_unusable_numbers_of_threads_are_ignored(value, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert allotted_threads() is None
    assert n_threads(None) == 4
