"""What entries and vectors have to be, whoever brings them."""

from collections.abc import Sequence

import numpy as np

from losslayer_serve.index.entries import Entry
from losslayer_serve.index.errors import InputError


def check_vectors(owner: str, vectors: np.ndarray, count: int, dim: int | None = None) -> None:
    """Raise `InputError` unless `vectors` are `count` finite unit vectors of size `dim`."""
    vectors = np.asarray(vectors)
    size = "dim" if dim is None else str(dim)
    right = vectors.ndim == 2 and vectors.shape[1] > 0 and vectors.dtype.kind == "f"
    if not right or len(vectors) != count or vectors.shape[1] != (dim or vectors.shape[1]):
        raise InputError(
            f"{owner}: `vectors` must be floats of shape ({count}, {size}). "
            f"Received: {vectors.dtype} of shape {vectors.shape}."
        )
    lengths = np.linalg.norm(vectors.astype("float32"), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))  # this way round NaN is wrong too
    if len(wrong):
        raise InputError(
            f"{owner}: `vectors` must have length 1. Received: length {lengths[wrong[0]]:.6g} in "
            f"row {wrong[0]} ({len(wrong)} of {count} rows are wrong)."
        )


def check_entries(owner: str, entries: Sequence[Entry]) -> None:
    """Raise `InputError` unless ids are there, differ, and all texts can be written."""
    seen = set()
    for place, entry in enumerate(entries):
        rule = None
        if not all(isinstance(text, str) for text in entry):
            rule = "be made of texts"
        elif not entry.id or not entry.encoded:
            rule = "have an id and a title or text"
        elif entry.id in seen:
            rule = "have ids that differ"
        elif not all(map(_encodable, entry)):
            rule = "be valid Unicode (they hold half of a surrogate pair)"
        if rule:
            raise InputError(f"{owner}: `entries` must {rule}. Received: {place}: {entry!r}.")
        seen.add(entry.id)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
