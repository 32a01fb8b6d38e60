"""Batches by their place: the order is a function of the seed and the epoch."""

import numpy as np
import pytest

import losslayer as ll
from losslayer.core.batches import ArrayBatches, DatasetBatches, split


def rows(batches):
    """The rows of an epoch, batch by batch."""
    return [batches[step][0].tolist() for step in range(batches.num_batches)]


def test_order_depends_on_seed_and_epoch():
    """Each epoch has all rows in an order of its own, and any epoch can be gone back to."""
    batches = ArrayBatches(np.arange(10), batch_size=4)
    first = rows(batches)
    assert sorted(np.concatenate(first)) == list(range(10))
    assert [len(batch) for batch in first] == [4, 4, 2]
    batches.on_epoch_end()  # Keras calls it before the first epoch too
    assert rows(batches) == first
    batches.on_epoch_begin()
    batches.on_epoch_end()
    second = rows(batches)
    assert second != first
    batches.begin(0)
    assert rows(batches) == first
    batches.begin(1)
    assert rows(ArrayBatches(np.arange(10), batch_size=4, seed=1)) != first
    assert rows(batches) == second
    in_blocks = rows(ArrayBatches(np.arange(10), batch_size=4, shuffle="batch"))
    assert sorted(in_blocks) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_start_within_an_epoch():
    """Batches before it are not read: the first that counts stands in for them."""
    whole, batches = (
        ArrayBatches(np.arange(10), batch_size=4),
        ArrayBatches(np.arange(10), batch_size=4),
    )
    batches.begin(0, start=2)
    expected = rows(whole)
    assert rows(batches) == [expected[2]] * 3


def test_epochs_across_passes():
    """With `steps`, an epoch goes on where the last one ended."""
    batches = ArrayBatches(np.arange(6), batch_size=2, shuffle=False, steps=2)
    found = []
    for epoch in range(3):
        batches.begin(epoch)
        found += rows(batches)
    assert found == [[0, 1], [2, 3], [4, 5]] * 2
    again = DatasetBatches(batches, shuffle=False, steps=3)
    assert again.num_batches == 3


def test_split_and_types():
    """The last rows are split off, as Keras does; floats are Keras's; columns of a table too."""

    class Column:
        def to_numpy(self):
            return np.arange(10.0)

    first, second = split({"a": Column(), "b": None}, 0.25)
    assert first["a"].shape == (7, 1)
    assert second["a"][:, 0].tolist() == [7, 8, 9]
    assert second["a"].dtype == "float32"
    assert first["b"] is None
    with pytest.raises(ll.ArgumentError, match="leave rows on both sides"):
        split([np.zeros(1)], 0.5)
