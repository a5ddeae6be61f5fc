import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.ragged import BOUNDARY, PAD, Ragged
from skrnn.serve.packing import pack, serving_batches
from skrnn.train.batches import _EDGES, add_noise, buckets, epoch

ragged = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), min_size=1, max_size=12)
counts_of = st.lists(st.integers(1, 600), min_size=1, max_size=200).map(np.array)


def sequences(rows):
    return Ragged.from_rows([np.array(row, np.int32) for row in rows])


def rows(sequences):
    return [row.tolist() for row in np.split(sequences.ids, sequences.offsets[1:-1])]


@given(ragged)
def test_rows_are_joined_and_taken(given):
    joined = sequences(given)
    assert rows(joined) == given and joined.ids.dtype == np.int32 and joined.offsets.dtype == np.int64
    assert joined.lengths.tolist() == [len(row) for row in given]
    order = np.array([0, *range(len(given) - 1, -1, -1)])  # any order, and a row twice
    assert rows(joined.take(order)) == [given[i] for i in order]


def test_no_rows():
    none = Ragged.from_rows([])
    assert len(none.ids) == 0 and none.offsets.tolist() == [0]
    assert none.take(np.array([], np.int64)).offsets.tolist() == [0]
    assert none.truncate(3, "middle").offsets.tolist() == [0]
    assert none.pad(4).shape == (0, 4) and serving_batches(none.lengths, 8, 8) == []


@given(ragged, st.integers(1, 13))
def test_truncation_keeps_the_other_side(given, length):
    def middle(row):
        tail = length // 2
        return row if len(row) <= length else row[: length - tail] + row[len(row) - tail :]

    joined = sequences(given)
    assert rows(joined.truncate(length, "end")) == [row[:length] for row in given]
    assert rows(joined.truncate(length, "start")) == [row[-length:] for row in given]
    assert rows(joined.truncate(length, "middle")) == [middle(row) for row in given]
    assert rows(joined) == given


@given(ragged)
def test_padding_is_on_the_right(given):
    for extra in (None, 13):
        matrix = sequences(given).pad(extra)
        width = extra or max(map(len, given))
        assert matrix.dtype == np.int32
        assert matrix.tolist() == [row + [PAD] * (width - len(row)) for row in given]


@given(ragged)
def test_boundaries(given):
    joined = sequences(given)
    assert rows(joined.prepend(BOUNDARY)) == [[BOUNDARY, *row] for row in given]
    assert rows(joined.append(BOUNDARY)) == [[*row, BOUNDARY] for row in given]


@given(ragged, st.floats(0, 0.95), st.integers(0, 99))
def test_noise_drops_ids_and_moves_them_by_less_than_four(given, share, seed):
    given = [list(range(i * 100, i * 100 + len(row))) for i, row in enumerate(given)]  # all different
    noisy = rows(add_noise(sequences(given), share, np.random.default_rng(seed)))
    assert len(noisy) == len(given)
    for before, after in zip(given, noisy, strict=True):
        assert after and set(after) <= set(before) and len(set(after)) == len(after)
        if not share:
            assert after == before
        for i, first in enumerate(after):
            assert all(first - second <= 3 for second in after[i:])


def test_noise_drops_the_given_share():
    given = sequences([range(1, 50)] * 400)
    kept = len(add_noise(given, 0.3, np.random.default_rng(0)).ids) / len(given.ids)
    assert 0.68 < kept < 0.72


@given(counts_of, st.sampled_from([1, 4, 32]), st.sampled_from([64, 2**15]))
def test_an_epoch_has_each_row_once(counts, batch_size, max_tokens):
    parts = buckets(counts, batch_size, max_tokens)
    assert sorted(np.concatenate([part.rows for part in parts]).tolist()) == list(range(len(counts)))
    drawn = epoch(parts, np.random.default_rng(0))
    assert sorted(np.concatenate([batch for batch, _ in drawn]).tolist()) == list(range(len(counts)))
    for batch, length in drawn:
        assert len(batch) <= batch_size and counts[batch].max() <= length
        assert len(batch) == 1 or len(batch) * length <= max_tokens
    again = epoch(parts, np.random.default_rng(1))
    assert len(again) == len(drawn)


def test_buckets_are_few_and_little_padded():
    counts = np.random.default_rng(0).lognormal(4, 1, 20000).astype(int).clip(1, 400)
    parts = buckets(counts, 32, 2**15)
    assert len({part.length for part in parts}) == len(parts) <= 20
    assert {part.length for part in parts} <= set(_EDGES.tolist())
    drawn = epoch(parts, np.random.default_rng(0))
    assert sum(len(batch) * length for batch, length in drawn) < 1.25 * counts.sum()


def test_batches_of_long_rows_are_smaller():
    (part,) = buckets(np.full(100, 400), 32, 4000)
    assert part.length >= 400 and part.batch_size == 4000 // part.length


def test_small_buckets_join_the_next_longer():
    parts = buckets(np.array([3] * 10 + [100] * 40), 4, 2**15)
    assert [len(part.rows) for part in parts] == [50] and parts[0].length >= 100
    parts = buckets(np.array([3] * 16 + [100] * 40), 4, 2**15)
    assert [len(part.rows) for part in parts] == [16, 40]


def test_rows_longer_than_all_edges():
    (part,) = buckets(np.array([10**9]), 32, 2**15)
    assert part.length >= 10**9 and part.batch_size == 1


def test_epochs_differ_and_seeds_do_not():
    parts = buckets(np.full(100, 5), 8, 2**15)
    first, again, other = (epoch(parts, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [b.tolist() for b, _ in first] == [b.tolist() for b, _ in again]
    assert [b.tolist() for b, _ in first] != [b.tolist() for b, _ in other]
    together = [{frozenset(batch.tolist()) for batch, _ in batches} for batches in (first, other)]
    assert not together[0] & together[1]


@given(ragged)
def test_packing_goes_through_time_without_padding(given):
    given = sorted(given, key=len, reverse=True)
    joined = sequences(given)
    packed = pack(joined)
    expected = [[row[t] for row in given if t < len(row)] for t in range(len(given[0]))]
    steps = np.split(packed.ids, packed.starts[1:-1])
    assert [step.tolist() for step in steps] == expected
    back = np.empty_like(packed.ids)
    back[packed.row_major] = packed.ids
    assert back.tolist() == joined.ids.tolist()


@given(counts_of, st.integers(1, 50), st.integers(1, 3000))
def test_serving_batches_have_each_row_once_the_longest_first(counts, max_rows, max_tokens):
    batches = serving_batches(counts, max_rows, max_tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(counts)))
    for batch in batches:
        own = counts[batch]
        assert (np.diff(own) <= 0).all() and len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * own[0] <= max_tokens


@pytest.mark.parametrize("side", ["end", "start", "middle"])
def test_what_is_short_enough_is_not_copied(side):
    given = sequences([[1, 2], [3]])
    assert given.truncate(2, side) is given
