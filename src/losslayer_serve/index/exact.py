"""Nearest vectors: the interface, and the search that compares with all of them."""

from typing import Protocol

import numpy as np

from losslayer_serve.index.rows import Rows

# Questions and rows that are compared at once: 8 MB of scores, however large the index is.
QUESTIONS = 64
BLOCK = 32_768
# Groups of scores for each one that is wanted: the more, the fewer are looked at twice.
GROUPS = 8


class Nearest(Protocol):
    """A search by cosine. Built from `Rows`; nothing is stored that these can't bring back."""

    def search(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """Rows near to each vector, nearest first.

        Args:
            vectors: Unit vectors, `(batch, dim)`.
            count: Rows per vector.

        Returns:
            Numbers of rows that count, `(batch, count)`; -1 where there are no more.
        """


class Exact:
    """Compares with all vectors; of those that are equally near the smaller row comes first."""

    def __init__(self, rows: Rows) -> None:
        self._shards = list(zip(rows.starts.tolist(), rows.shards))
        self._dead = np.ones(len(rows.entries), bool)
        self._dead[rows.live] = False

    def search(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """See `Nearest.search`."""
        found = np.full((len(vectors), count), -1)
        for start in range(0, len(vectors), QUESTIONS):
            for place, rows in enumerate(self._chunk(vectors[start : start + QUESTIONS], count)):
                found[start + place, : len(rows)] = rows
        return found

    def _chunk(self, vectors: np.ndarray, count: int) -> list[np.ndarray]:
        """The nearest rows of a few vectors."""
        best = [(np.empty(0, "float32"), np.empty(0, int)) for _ in vectors]
        for first, shard in self._shards:
            for start in range(0, len(shard), BLOCK):
                block = shard[start : start + BLOCK]
                rows = np.arange(first + start, first + start + len(block))
                scores = vectors @ block.T
                scores[:, self._dead[rows]] = -np.inf
                for place, new in enumerate(scores):
                    kept = largest(new, count)
                    # Earlier rows stand before later ones, so ties stay in the order of rows.
                    both = np.concatenate([best[place][0], new[kept]])
                    places = np.concatenate([best[place][1], rows[kept]])
                    kept = largest(both, count)
                    best[place] = both[kept], places[kept]
        return [rows[scores > -np.inf] for scores, rows in best]


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Places of the `count` largest of `scores`, largest first; of equal ones the first.

    Args:
        scores: `(entry,)`, no NaN.
        count: Places at most.
    """
    if count < len(scores):
        places = np.flatnonzero(scores >= _reached(scores, count))
        kept = scores[places]
        # The value alone: argpartition is several times slower, and which of equal ones it takes
        # is left to chance.
        least = np.partition(kept, len(kept) - count)[len(kept) - count]
        above, equal = places[kept > least], places[kept == least]
        places = np.concatenate([above, equal[: count - len(above)]])
    else:
        places = np.arange(len(scores))
    return places[np.lexsort((places, -scores[places]))]


def _reached(scores: np.ndarray, count: int) -> float:
    """A value that at least `count` of the scores reach, and few others do; found in one pass.

    In each of many groups one score reaches the group's maximum. So at least `count` reach what is
    the `count`-th largest of the maxima.
    """
    groups = GROUPS * count
    size = len(scores) // groups
    if size < 2:
        return -np.inf
    maxima = scores[: size * groups].reshape(size, groups).max(axis=0)
    return np.partition(maxima, groups - count)[groups - count]
