"""Rows of token ids and numbers, from columns or from anything that gives rows by number."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

import losslayer as ll

# Seconds without a sign of life, at most.
_PATIENCE = 3.0


class Rows:
    """The rows of a source, checked as they are read; the source of `TokenBatches`.

    Args:
        source: Columns by name, or what has a length and gives row `i`, a dict, as `source[i]`.
        texts: Names of the columns of token ids; or None, those that look it in the first row.
    """

    def __init__(self, source: Mapping[str, Sequence] | Any, texts: Sequence[str] | None) -> None:
        self.source = _Columns(source) if isinstance(source, Mapping) else source
        if len(self.source) == 0:
            raise ll.ArgumentError("TokenBatches: `source` must have rows. Received: none.")
        first = self.read(0)
        if texts is None:
            texts = [name for name, value in first.items() if _are_ids(value)]
        if not texts or any(name not in first for name in texts):
            raise ll.ArgumentError(
                f"TokenBatches: `texts` must name columns of token ids, of {tuple(first)}. "
                f"Received: texts={tuple(texts)}. Texts become token ids with "
                "losslayer.text.Tokenizer."
            )
        self.texts = tuple(texts)
        for name in first.keys() - set(texts):
            if np.asarray(first[name]).dtype.kind not in "biuf":
                raise ll.ArgumentError(
                    f"TokenBatches: `source` must hold token ids and numbers. Received: column "
                    f"'{name}' begins with {first[name]!r:.80}. Leave it out."
                )

    def __len__(self) -> int:
        return len(self.source)

    def read(self, number: int) -> Mapping[str, Any]:
        """A row, by name."""
        row = self.source[int(number)]
        if not isinstance(row, Mapping):
            raise ll.ArgumentTypeError(
                f"TokenBatches: `source` must give each row as a dict by name. Received: row "
                f"{number} is {row!r:.80}."
            )
        return row

    def lengths(self) -> np.ndarray:
        """The length of the longest text of each row; reads them all."""
        lengths = np.zeros(len(self), "int64")
        for number in _with_progress(range(len(lengths))):
            row = self.read(number)
            lengths[number] = max(len(self.ids(name, row, number)) for name in self.texts)
        return lengths

    def ids(self, name: str, row: Mapping[str, Any], number: int) -> np.ndarray:
        """The token ids of a row in a column."""
        value = row.get(name)
        if not _are_ids(value):
            raise ll.ArgumentError(
                f"TokenBatches: `source` must hold a list of integers in each row of '{name}'. "
                f"Received: {value!r:.80} in row {number}."
            )
        return np.asarray(value)

    def stacked(self, name: str, values: list) -> np.ndarray:
        """The numbers of rows in a column that is no text."""
        try:
            array = np.stack(values)
        except ValueError:
            shapes = sorted({np.shape(value) for value in values})
            raise ll.ArgumentError(
                f"TokenBatches: `source` must hold one shape in all rows of '{name}', which is no "
                f"text. Received: {shapes}. Texts are named by texts=."
            ) from None
        return array.astype(keras.config.floatx()) if array.dtype == "float64" else array


class _Columns:
    """Columns by name as a source of rows."""

    def __init__(self, columns: Mapping[str, Sequence]) -> None:
        self.columns = dict(columns)
        counts = {name: len(column) for name, column in self.columns.items()}
        if len(set(counts.values())) > 1:
            raise ll.ArgumentError(
                f"TokenBatches: `source` must have as many rows in each column. Received: {counts}."
            )
        self.count = max(counts.values(), default=0)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {name: column[number] for name, column in self.columns.items()}


def _are_ids(value: Any) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return False
    return array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0)


def _with_progress(numbers: range) -> Iterator[int]:
    """The numbers; if they take long, a line now and then says how far they are."""
    said = time.monotonic()
    for number in numbers:
        if time.monotonic() - said > _PATIENCE:
            said = time.monotonic()
            print(f"TokenBatches: read {number} of {len(numbers)} rows", file=sys.stderr)
        yield number
