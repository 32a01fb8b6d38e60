"""Sources sorted into batches of few shapes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from losslayer.seq2seq.symbols import PADDING

_LEAST = 8


class Batch(NamedTuple):
    """Which rows are run together, and how they are padded.

    Attributes:
        rows: Their numbers.
        size: Rows of the batch; what `rows` lacks is filled.
        time: The padded length.
    """

    rows: list[int]
    size: int
    time: int

    def padded(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """The sequences of its rows, `(size, time)` int32; rows that fill it repeat the first."""
        ids = np.full((self.size, self.time), PADDING, "int32")
        for place in range(self.size):
            own = sequences[self.rows[place if place < len(self.rows) else 0]]
            ids[place, : len(own)] = own
        return ids

    @property
    def real(self) -> np.ndarray:
        """Which rows fill nothing, `(size,)`."""
        return np.arange(self.size) < len(self.rows)


def bucket(length: int) -> int:
    """The padded length: 8, 16, 24, 32, and then two between each power of 2 and the next."""
    step = max(_LEAST, 1 << max(0, (length - 1).bit_length() - 2))
    return max(_LEAST, -(-length // step) * step)


def batches(lengths: Sequence[int], size: int) -> list[Batch]:
    """All rows, sorted by length, in batches of one shape per bucket.

    A row's padded length depends on nothing but the row, so its output does too.

    Args:
        lengths: Length of each row.
        size: Most rows of a batch.

    Returns:
        The batches, long ones first, so that memory runs out at once or never.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    by_time: dict[int, list[int]] = {}
    for row in order:
        by_time.setdefault(bucket(lengths[row]), []).append(row)
    found = []
    for time, rows in by_time.items():
        share = -(-len(rows) // -(-len(rows) // size))
        full = min(size, _rounded(share))
        found += [Batch(rows[i : i + full], full, time) for i in range(0, len(rows), full)]
    return found


def _rounded(rows: int) -> int:
    """Of few sizes, so that another call is not compiled again."""
    return 1 << (rows - 1).bit_length() if rows < _LEAST else -(-rows // _LEAST) * _LEAST
