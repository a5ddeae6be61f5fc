import pickle
from itertools import pairwise

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.ragged import BOUNDARY, N_SPECIAL, PAD, UNKNOWN, Ragged

some_rows = st.lists(st.lists(st.integers(0, 99), max_size=12), max_size=12)


def as_lists(sequences):
    """Return the rows as lists, read off the two arrays and not with the methods under test."""
    bounds = sequences.offsets.tolist()
    return [sequences.ids[start:stop].tolist() for start, stop in pairwise(bounds)]


def test_reserved_ids_come_before_the_terms():
    assert (PAD, UNKNOWN, BOUNDARY, N_SPECIAL) == (0, 1, 2, 3)


@given(some_rows)
def test_from_rows_stores_ids_and_offsets(rows):
    sequences = Ragged.from_rows(rows)
    assert as_lists(sequences) == rows
    assert sequences.ids.dtype == np.int32 and sequences.offsets.dtype == np.int64
    assert len(sequences) == len(rows)
    assert sequences.lengths.tolist() == [len(row) for row in rows]


def test_from_rows_accepts_arrays_and_generated_ids():
    sequences = Ragged.from_rows([np.array([3, 4], np.int64), range(2), []])
    assert as_lists(sequences) == [[3, 4], [0, 1], []] and sequences.ids.dtype == np.int32


def test_from_lengths_divides_one_array():
    ids = np.array([5, 6, 7], np.int32)
    sequences = Ragged.from_lengths(ids, np.array([1, 0, 2]))
    assert as_lists(sequences) == [[5], [], [6, 7]]
    assert sequences.ids is ids and sequences.offsets.dtype == np.int64


@given(st.lists(some_rows, max_size=4))
def test_concatenate_keeps_the_order_of_parts_and_rows(parts):
    joined = Ragged.concatenate([Ragged.from_rows(rows) for rows in parts])
    assert as_lists(joined) == [row for rows in parts for row in rows]
    assert joined.ids.dtype == np.int32 and joined.offsets.dtype == np.int64


@given(some_rows)
def test_rows_are_read_one_by_one_and_together(rows):
    sequences = Ragged.from_rows(rows)
    assert [sequences.row(i).tolist() for i in range(len(rows))] == rows
    assert [row.tolist() for row in sequences.rows()] == rows


@given(some_rows.filter(len))
def test_take_selects_rows_in_any_order_and_more_than_once(rows):
    order = np.array([0, *range(len(rows) - 1, -1, -1)])
    sequences = Ragged.from_rows(rows)
    taken = sequences.take(order)
    assert as_lists(taken) == [rows[i] for i in order] and taken.ids.dtype == np.int32
    assert as_lists(sequences) == rows


def test_take_accepts_a_mask():
    taken = Ragged.from_rows([[3], [4, 5], [6]]).take(np.array([True, False, True]))
    assert as_lists(taken) == [[3], [6]]


def cut(row, length, side):
    """Return what is left of one row; the middle is cut so that the start keeps the odd id."""
    if len(row) <= length:
        return row
    head = {"end": length, "start": 0, "middle": (length + 1) // 2}[side]
    return row[:head] + row[len(row) - (length - head) :]


@pytest.mark.parametrize("side", ["end", "start", "middle"])
@given(some_rows, st.integers(1, 13))
def test_truncate_removes_one_side_of_long_rows(side, rows, length):
    sequences = Ragged.from_rows(rows)
    assert as_lists(sequences.truncate(length, side)) == [cut(row, length, side) for row in rows]
    assert as_lists(sequences) == rows


@pytest.mark.parametrize("side", ["end", "start", "middle"])
def test_truncate_does_not_copy_short_rows(side):
    sequences = Ragged.from_rows([[1, 2], [3]])
    assert sequences.truncate(2, side) is sequences


@given(some_rows)
def test_one_id_is_inserted_before_or_after_each_row(rows):
    sequences = Ragged.from_rows(rows)
    before, after = sequences.prepend(BOUNDARY), sequences.append(7)
    assert as_lists(before) == [[BOUNDARY, *row] for row in rows]
    assert as_lists(after) == [[*row, 7] for row in rows]
    assert before.ids.dtype == after.ids.dtype == np.int32


@given(some_rows, st.integers(0, 99))
def test_without_removes_every_copy_of_one_id(rows, removed):
    left = Ragged.from_rows(rows).without(removed)
    assert as_lists(left) == [[id_ for id_ in row if id_ != removed] for row in rows]
    assert left.offsets.dtype == np.int64


def test_without_does_not_copy_rows_that_lack_the_id():
    sequences = Ragged.from_rows([[1, 2], [3]])
    assert sequences.without(4) is sequences


@pytest.mark.parametrize("spare", [None, 0, 3])
@given(some_rows)
def test_pad_fills_on_the_right(spare, rows):
    width = max(map(len, rows), default=1) or 1  # at least one column
    length = None if spare is None else width + spare
    padded = Ragged.from_rows(rows).pad(length)
    width = length or width
    assert padded.dtype == np.int32 and padded.shape == (len(rows), width)
    assert padded.tolist() == [row + [PAD] * (width - len(row)) for row in rows]


def test_no_rows():
    none = Ragged.from_rows([])
    assert len(none) == 0 and none.rows() == [] and none.lengths.shape == (0,)
    assert none.ids.shape == (0,) and none.offsets.tolist() == [0]
    assert none.take(np.array([], np.int64)).offsets.tolist() == [0]
    assert none.truncate(3, "middle").offsets.tolist() == [0]
    assert none.pad(4).shape == (0, 4)


def test_pickle_and_hash_do_not_depend_on_cached_lengths():
    sequences, other = Ragged.from_rows([[3, 4], [5]]), Ragged.from_rows([[3, 4], [5]])
    before = joblib.hash(sequences), pickle.dumps(sequences)
    assert sequences.lengths.tolist() == [2, 1]  # cached from now on
    assert before == (joblib.hash(sequences), pickle.dumps(sequences))
    assert joblib.hash(sequences) == joblib.hash(other)
    restored = pickle.loads(before[1])
    assert as_lists(restored) == [[3, 4], [5]] and restored.ids.dtype == np.int32
