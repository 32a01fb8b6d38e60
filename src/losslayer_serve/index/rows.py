"""The rows of an index: what all its shards hold, one after the other."""

from pathlib import Path

import numpy as np

from losslayer_serve.index.entries import Entry
from losslayer_serve.index.errors import DamagedIndexError
from losslayer_serve.index.generations import Generation, read_generation, read_root
from losslayer_serve.index.shards import open_shard

# How often a reader begins again because a writer has just deleted what it was about to read.
ATTEMPTS = 10


class Rows:
    """Vectors and entries by row; dead rows are those of removed or rewritten entries.

    Args:
        folder: Of the index.
        generation: What to read there.

    Attributes:
        shards: The vectors of each shard, `(row, dim)`, mapped from the disk.
        starts: The number of the first row of each shard, and of all rows.
        entries: The entry of each row, dead or not.
        digests: SHA-256 of the text whose vector it is, for each row.
        live: Numbers of the rows that count, increasing, `(entry,)`.
        row: The row of each id.
    """

    def __init__(self, folder: Path, generation: Generation) -> None:
        self.folder = folder
        self.generation = generation
        self.shards: list[np.ndarray] = []
        self.entries: list[Entry] = []
        self.digests: list[str] = []
        self.starts = np.cumsum([0, *(shard.rows for shard in generation.shards)])
        alive = np.ones(self.starts[-1], bool)
        for shard, start in zip(generation.shards, self.starts):
            opened = open_shard(folder, shard, generation.dim)
            self.shards.append(opened.vectors)
            self.entries += opened.entries
            self.digests += opened.digests
            alive[start + np.array(shard.dead, int)] = False
        self.live = np.flatnonzero(alive)
        self.row = {self.entries[row].id: row for row in self.live.tolist()}
        if len(self.row) < len(self.live):
            raise DamagedIndexError(f"{folder}: an id has two entries. Write the index anew")

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of some rows, `(row, dim)`."""
        found = np.empty((len(rows), self.generation.dim), "float32")
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        for shard in np.unique(shards):
            at = shards == shard
            found[at] = self.shards[shard][rows[at] - self.starts[shard]]
        return found


def read_rows(folder: Path) -> Rows:
    """The rows of the generation that counts, while others may be writing the next.

    Raises:
        DamagedIndexError: A file is missing or not what was written.
    """
    for attempt in range(ATTEMPTS):
        number, _ = read_root(folder)
        try:
            return Rows(folder, read_generation(folder))
        except DamagedIndexError:
            if attempt == ATTEMPTS - 1 or read_root(folder)[0] == number:
                raise
    raise AssertionError("unreachable")
