"""Batches of rows of about the same length."""

from collections.abc import Sequence

import numpy as np


def length_batches(
    lengths: Sequence[int], batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Row numbers of batches whose rows have about the same length.

    Rows of one length are in random order and so are the batches. All batches are
    full: the rows that fill no batch (fewer than `batch_size`, others each time)
    are left out, unless there are no more rows than that.

    Args:
        lengths: Length of each row.
        batch_size: Rows in a batch.
        generator: The source of randomness.

    Returns:
        One array of row numbers per batch.
    """
    rows = generator.permutation(len(lengths))
    full = len(rows) // batch_size
    if full == 0:
        return [rows]
    rows = rows[: full * batch_size]
    rows = rows[np.argsort(np.asarray(lengths)[rows], kind="stable")]
    batches = np.split(rows, full)
    return [batches[place] for place in generator.permutation(full)]
