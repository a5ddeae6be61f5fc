import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skrnn.ragged import Ragged
from skrnn.train.batches import _EDGES, add_noise, buckets, epoch, halves

some_rows = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), min_size=1, max_size=12)
some_lengths = st.lists(st.integers(1, 600), min_size=1, max_size=200).map(np.array)


@given(some_rows, st.floats(0, 0.95), st.integers(0, 99))
def test_noise_drops_ids_and_moves_the_others_by_at_most_three_places(rows, share, seed):
    rows = [list(range(i * 100, i * 100 + len(row))) for i, row in enumerate(rows)]  # all ids differ
    noisy = add_noise(Ragged.from_rows(rows), share, np.random.default_rng(seed))
    assert len(noisy) == len(rows)
    for before, after in zip(rows, [row.tolist() for row in noisy.rows()], strict=True):
        assert after and set(after) <= set(before) and len(set(after)) == len(after)
        if not share:
            assert after == before
        for i, first in enumerate(after):
            assert all(first - second <= 3 for second in after[i:])


def test_noise_drops_the_given_share():
    sequences = Ragged.from_rows([range(1, 50)] * 400)
    noisy = add_noise(sequences, 0.3, np.random.default_rng(0))
    assert 0.68 < len(noisy.ids) / len(sequences.ids) < 0.72


@given(some_lengths, st.sampled_from([1, 4, 32]), st.sampled_from([64, 2**15]))
def test_an_epoch_contains_each_row_once(lengths, batch_size, max_tokens):
    parts = buckets(lengths, batch_size, max_tokens)
    assert sorted(np.concatenate([part.rows for part in parts]).tolist()) == list(range(len(lengths)))
    batches = epoch(parts, np.random.default_rng(0))
    assert sorted(np.concatenate([rows for rows, _ in batches]).tolist()) == list(range(len(lengths)))
    for rows, length in batches:
        assert len(rows) <= batch_size and lengths[rows].max() <= length
        assert len(rows) == 1 or len(rows) * length <= max_tokens
    assert len(epoch(parts, np.random.default_rng(1))) == len(batches)


def test_buckets_are_few_and_need_little_padding():
    lengths = np.random.default_rng(0).lognormal(4, 1, 20000).astype(int).clip(1, 400)
    parts = buckets(lengths, 32, 2**15)
    assert len({part.length for part in parts}) == len(parts) <= 20
    assert {part.length for part in parts} <= set(_EDGES.tolist())
    batches = epoch(parts, np.random.default_rng(0))
    assert sum(len(rows) * length for rows, length in batches) < 1.25 * lengths.sum()


def test_batches_of_long_rows_are_smaller():
    (part,) = buckets(np.full(100, 400), 32, 4000)
    assert part.length >= 400 and part.batch_size == 4000 // part.length


def test_small_buckets_join_the_next_longer_one():
    parts = buckets(np.array([3] * 10 + [100] * 40), 4, 2**15)
    assert [len(part.rows) for part in parts] == [50] and parts[0].length >= 100
    parts = buckets(np.array([3] * 16 + [100] * 40), 4, 2**15)
    assert [len(part.rows) for part in parts] == [16, 40]


def test_rows_longer_than_all_edges():
    (part,) = buckets(np.array([10**9]), 32, 2**15)
    assert part.length >= 10**9 and part.batch_size == 1


def test_epochs_differ_and_a_seed_repeats_them():
    parts = buckets(np.full(100, 5), 8, 2**15)
    first, again, other = (epoch(parts, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [rows.tolist() for rows, _ in first] == [rows.tolist() for rows, _ in again]
    assert [rows.tolist() for rows, _ in first] != [rows.tolist() for rows, _ in other]
    together = [{frozenset(rows.tolist()) for rows, _ in batches} for batches in (first, other)]
    assert not together[0] & together[1]


def test_halves_are_cut_in_the_middle_and_one_id_is_repeated():
    texts = Ragged.from_rows([range(3, 3 + n) for n in (1, 2, 3, 10, 400)])
    parts = halves(texts, np.random.default_rng(0))
    assert len(parts) == 10 and parts.row(0).tolist() == parts.row(1).tolist() == [3]
    for i in range(1, 5):
        first, second = parts.row(2 * i), parts.row(2 * i + 1)
        assert np.concatenate([first, second]).tolist() == texts.row(i).tolist()
        longest = np.ceil(0.7 * texts.lengths[i])
        assert 1 <= len(first) <= longest and 1 <= len(second) <= longest
    others = halves(texts, np.random.default_rng(1))
    assert others.lengths.tolist() != parts.lengths.tolist()
    many = halves(Ragged.from_rows([range(100)] * 300), np.random.default_rng(0)).lengths
    assert 30 <= many.min() < 35 and 65 < many.max() <= 70
