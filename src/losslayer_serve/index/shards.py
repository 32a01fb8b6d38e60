"""Shards: pairs of files with vectors and their entries, which never change once written.

shards/00000007-000.npy        unit vectors, float32, (row, dim)
shards/00000007-000.jsonl      their entries, one a line: an `Entry` and its SHA-256
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from losslayer_serve.files import sha256, whole_file
from losslayer_serve.index.entries import Entry
from losslayer_serve.index.files import checked

SHARD_ROWS = 50_000


@dataclass(frozen=True)
class Shard:
    """A pair of files: their common name, their SHA-256, and the rows that no longer count."""

    name: str
    rows: int
    vectors: str
    entries: str
    dead: tuple[int, ...] = ()

    def files(self, folder: Path) -> tuple[Path, Path]:
        """The file of the vectors and that of the entries, in an index's folder."""
        return folder / "shards" / f"{self.name}.npy", folder / "shards" / f"{self.name}.jsonl"

    def without(self, rows: Sequence[int]) -> "Shard":
        """The shard with further rows dead."""
        return replace(self, dead=tuple(sorted({*self.dead, *rows})))


class Opened(NamedTuple):
    """The content of a shard: vectors `(row, dim)`, entries, and the SHA-256 of their texts."""

    vectors: np.ndarray
    entries: list[Entry]
    digests: list[str]


def open_shard(folder: Path, shard: Shard, dim: int) -> Opened:
    """The content of a shard, its vectors mapped; both files are compared with their SHA-256.

    Raises:
        DamagedIndexError: With the name of the file that is not what was written.
    """
    arrays, lines = shard.files(folder)

    def vectors() -> np.ndarray:
        if sha256(arrays) != shard.vectors:
            raise ValueError("its SHA-256 is not the one that was stored")
        found = np.load(arrays, mmap_mode="r", allow_pickle=False)
        if found.shape != (shard.rows, dim) or found.dtype != np.float32:
            raise ValueError(f"{found.dtype} {found.shape}, not float32 {(shard.rows, dim)}")
        return found

    def records() -> tuple[list[Entry], list[str]]:
        content = lines.read_bytes()
        if hashlib.sha256(content).hexdigest() != shard.entries:
            raise ValueError("its SHA-256 is not the one that was stored")
        found = [json.loads(line) for line in content.splitlines()]
        if len(found) != shard.rows:
            raise ValueError(f"{len(found)} entries, not {shard.rows}")
        digests = [str(record.pop("sha256")) for record in found]
        return [Entry(**record) for record in found], digests

    return Opened(checked(arrays, vectors), *checked(lines, records))


def write_shards(
    folder: Path, number: int, entries: Sequence[Entry], vectors: np.ndarray
) -> tuple[Shard, ...]:
    """Write entries and their vectors `(entry, dim)`; they count when a generation names them.

    Args:
        folder: Of the index.
        number: Of the generation that will name them.
        entries: In the order of the rows.
        vectors: Unit vectors, `(entry, dim)`.
    """
    (folder / "shards").mkdir(exist_ok=True)
    shards = []
    for start in range(0, len(entries), SHARD_ROWS):
        rows = slice(start, start + SHARD_ROWS)
        shard = Shard(f"{number:08}-{start // SHARD_ROWS:03}", len(entries[rows]), "", "")
        arrays, lines = shard.files(folder)
        with whole_file(arrays) as file:
            np.save(file, np.ascontiguousarray(vectors[rows], "float32"), allow_pickle=False)
        with whole_file(lines) as file:
            for entry in entries[rows]:
                record = {**entry._asdict(), "sha256": entry.digest}
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        shards.append(replace(shard, vectors=sha256(arrays), entries=sha256(lines)))
    return tuple(shards)
