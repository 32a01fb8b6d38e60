"""Padding: shapes, contents, and batches of similar length."""

import numpy as np
import pytest

from losslayer.text import length_batches, pad, padded_length


@pytest.mark.parametrize(
    ("length", "expected"), [(0, 8), (1, 8), (8, 8), (9, 16), (33, 40), (41, 44), (99, 44)]
)
def test_padded_length(length, expected):
    """Rounded up to a multiple, at least one and at most the longest."""
    assert padded_length(length, 8, longest=44) == expected


def test_pad_puts_zeros_behind():
    """Short rows get zeros behind them, long ones lose their end."""
    padded = pad([[5], [], [1, 2, 3, 4, 5]], multiple=2, longest=4)
    assert padded.tolist() == [[5, 0, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]]
    assert padded.dtype == np.int32
    assert pad([]).shape == (0, 16)


def test_batches_hold_similar_lengths_and_every_row_once():
    """All batches are full, no row comes twice, and padding is a small part."""
    lengths = np.random.default_rng(0).integers(1, 60, 1003)
    batches = length_batches(lengths, 32, np.random.default_rng(1))
    rows = np.concatenate(batches)
    assert {len(batch) for batch in batches} == {32}
    assert len(rows) == len(set(rows)) == 992
    longest = np.concatenate([np.full(32, lengths[batch].max()) for batch in batches])
    assert lengths[rows].sum() > 0.95 * longest.sum()
    assert any(np.diff([lengths[batch].max() for batch in batches]) < 0), "batches are in order"


def test_batches_depend_on_the_generator_alone():
    """One seed, one plan; another seed, another."""
    plans = [
        np.concatenate(length_batches(range(100), 8, np.random.default_rng(seed)))
        for seed in (3, 3, 4)
    ]
    assert plans[0].tolist() == plans[1].tolist() != plans[2].tolist()


def test_fewer_rows_than_a_batch():
    """A table smaller than a batch is one batch."""
    [batch] = length_batches([3, 1, 2], 8, np.random.default_rng(0))
    assert sorted(batch) == [0, 1, 2]
