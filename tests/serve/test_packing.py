import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.ragged import Ragged
from skrnn.serve.batches import pack, serving_batches

some_rows = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), min_size=1, max_size=12)
some_lengths = st.lists(st.integers(1, 600), min_size=1, max_size=200).map(np.array)


@given(some_rows)
def test_a_step_holds_the_rows_that_have_not_ended(rows):
    rows = sorted(rows, key=len, reverse=True)
    packed = pack(Ragged.from_rows(rows))
    steps = np.split(packed.ids, packed.starts[1:-1])
    expected = [[row[t] for row in rows if t < len(row)] for t in range(len(rows[0]))]
    assert [step.tolist() for step in steps] == expected
    assert packed.ids.dtype == np.int32 and packed.starts.dtype == np.int64
    assert packed.starts[-1] == len(packed.ids)


@given(some_rows)
def test_values_of_steps_return_to_their_rows(rows):
    rows = sorted(rows, key=len, reverse=True)
    sequences = Ragged.from_rows(rows)
    packed = pack(sequences)
    values = np.stack([packed.ids, -packed.ids], axis=1).astype(np.float32)  # (n_tokens, 2)
    restored = packed.to_row_major(values)
    assert restored.dtype == np.float32
    assert restored.tolist() == [[id_, -id_] for id_ in sequences.ids.tolist()]
    assert [part[:, 0].tolist() for part in packed.split(values)] == rows


@given(some_lengths, st.integers(1, 50), st.integers(1, 3000))
def test_serving_batches_hold_each_row_once_from_long_to_short(lengths, max_rows, max_tokens):
    batches = serving_batches(lengths, max_rows, max_tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    in_order = lengths[np.concatenate(batches)]
    assert (np.diff(in_order) <= 0).all()
    for batch in batches:
        assert len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= max_tokens


def test_serving_batches_are_as_large_as_the_limits_allow():
    sizes = [len(batch) for batch in serving_batches(np.full(10, 5), 4, 100)]
    assert sizes == [4, 4, 2]
    sizes = [len(batch) for batch in serving_batches(np.full(10, 5), 100, 15)]
    assert sizes == [3, 3, 3, 1]


def test_rows_of_equal_length_keep_their_order():
    lengths = np.random.default_rng(0).integers(1, 4, 200)  # too many for NumPy's insertion sort
    (batch,) = serving_batches(lengths, 200, 600)
    assert batch.tolist() == sorted(range(200), key=lambda row: (-lengths[row], row))


@pytest.mark.parametrize("length", [0, 1])
def test_empty_rows_count_as_one_token(length):
    sizes = [len(batch) for batch in serving_batches(np.full(10, length), 100, 8)]
    assert sizes == [8, 2]


def test_no_rows_are_no_batches():
    assert serving_batches(np.array([], np.int64), 8, 8) == []
