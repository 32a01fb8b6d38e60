"""Padding: from lists of token ids to few array shapes with little waste."""

from collections.abc import Sequence

import numpy as np

# A compiled model is compiled once per length, for seconds: lengths are rounded up to few.
BUCKET = 16


def padded_length(length: int, multiple: int = BUCKET, longest: int | None = None) -> int:
    """The length to which sequences of up to `length` tokens are padded.

    `length` rounded up to a multiple of `multiple`, at least one multiple and at
    most `longest`.
    """
    rounded = max(1, -(-length // multiple)) * multiple
    return rounded if longest is None else min(rounded, longest)


def pad(
    sequences: Sequence[Sequence[int] | np.ndarray],
    multiple: int = BUCKET,
    longest: int | None = None,
) -> np.ndarray:
    """Put token ids into one array, zeros behind the shorter ones.

    Args:
        sequences: One list of token ids per row.
        multiple: The array's `time` is a multiple of this.
        longest: What goes beyond this many tokens is cut off the end.

    Returns:
        int32, `(batch, time)`.
    """
    time = padded_length(max(map(len, sequences), default=0), multiple, longest)
    padded = np.zeros((len(sequences), time), "int32")
    for row, sequence in zip(padded, sequences, strict=True):
        kept = sequence[:time]
        row[: len(kept)] = kept
    return padded
