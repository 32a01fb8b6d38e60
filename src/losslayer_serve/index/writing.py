"""Changes of an index: each is one generation, which counts whole or not at all."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from losslayer_serve.index.checks import check_entries, check_vectors
from losslayer_serve.index.entries import Entry
from losslayer_serve.index.errors import ChangedIndexError, InputError
from losslayer_serve.index.files import one_writer
from losslayer_serve.index.generations import ROOT, Generation, commit, next_number, read_root
from losslayer_serve.index.rows import Rows
from losslayer_serve.index.shards import write_shards

# Beyond either of these a change rewrites the whole index: so many shards, or such a share of rows
# that are dead.
MOST_SHARDS = 64
MOST_DEAD = 0.5


def create(
    folder: Path,
    fingerprint: str,
    entries: Sequence[Entry],
    vectors: np.ndarray,
    ranking: dict[str, Any],
    overwrite: bool,
) -> None:
    """Write a new index; see `Index.create`."""
    check_entries("Index.create", entries)
    check_vectors("Index.create", vectors, len(entries))
    ours = (folder / ROOT).is_file()
    if ours and not overwrite:
        raise InputError(f"{folder}: an index is there; nothing was changed. Give overwrite=True")
    if not ours and folder.exists() and not (folder.is_dir() and _only_left_over(folder)):
        raise InputError(
            f"{folder}: exists and is no index (it holds no {ROOT}); nothing was changed. "
            "Give another place"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with one_writer(folder):
        number = next_number(folder)
        shards = write_shards(folder, number, entries, vectors)
        commit(folder, Generation(number, fingerprint, vectors.shape[1], shards, ranking))


def to_encode(rows: Rows, entries: Sequence[Entry]) -> list[int]:
    """Places of the entries whose text has no vector yet: new ones, and those reworded."""
    known = {id: rows.digests[row] for id, row in rows.row.items()}
    return [place for place, entry in enumerate(entries) if known.get(entry.id) != entry.digest]


def update(rows: Rows, entries: Sequence[Entry], vectors: np.ndarray) -> None:
    """Add entries, or put them in the place of those with the same id; see `Index.update`."""
    check_entries("Index.update", entries)
    fresh = to_encode(rows, entries)
    check_vectors("Index.update", vectors, len(fresh), rows.generation.dim)
    changed = [
        place
        for place, entry in enumerate(entries)
        if entry.id not in rows.row or rows.entries[rows.row[entry.id]] != entry
    ]
    old = {place: rows.row[entries[place].id] for place in changed if entries[place].id in rows.row}
    stored = np.empty((len(entries), rows.generation.dim), "float32")
    stored[list(old)] = rows.vectors(np.array(list(old.values()), int))
    stored[fresh] = vectors
    if changed:
        _write(rows, list(old.values()), [entries[place] for place in changed], stored[changed])


def remove(rows: Rows, ids: Iterable[str]) -> None:
    """Remove entries; see `Index.remove`."""
    ids = list(dict.fromkeys(ids))
    unknown = [id for id in ids if id not in rows.row]
    if unknown:
        raise InputError(
            f"Index.remove: `ids` must be those of entries. Received: {unknown[0]!r}, "
            f"which no entry has ({len(unknown)} of {len(ids)} are unknown); nothing was removed."
        )
    if ids:
        _write(rows, [rows.row[id] for id in ids], [], np.empty((0, rows.generation.dim)))


def compact(rows: Rows) -> None:
    """Write all rows that count anew, in their order, as few shards."""
    with _next(rows) as number:
        entries = [rows.entries[row] for row in rows.live.tolist()]
        shards = write_shards(rows.folder, number, entries, rows.vectors(rows.live))
        commit(rows.folder, replace(rows.generation, number=number, shards=shards))


def fragmented(rows: Rows) -> bool:
    """Whether it is time to compact."""
    dead = len(rows.entries) - len(rows.live)
    return len(rows.shards) > MOST_SHARDS or dead > MOST_DEAD * len(rows.entries)


def set_ranking(rows: Rows, ranking: dict[str, Any]) -> None:
    """Store how hits are scored and accepted."""
    with _next(rows) as number:
        commit(rows.folder, replace(rows.generation, number=number, ranking=ranking))


@contextmanager
def _next(rows: Rows) -> Iterator[int]:
    """The number of the next generation, while nobody else writes."""
    with one_writer(rows.folder):
        if read_root(rows.folder)[0] != rows.generation.number:
            raise ChangedIndexError(
                f"{rows.folder}: this index was changed after it was opened; nothing was changed. "
                "Open it again"
            )
        yield next_number(rows.folder)


def _write(rows: Rows, dead: Sequence[int], entries: Sequence[Entry], vectors: np.ndarray) -> None:
    """One generation with some rows dead and others new."""
    with _next(rows) as number:
        shards = []
        of = np.searchsorted(rows.starts, dead, side="right") - 1
        for place, shard in enumerate(rows.generation.shards):
            gone = np.asarray(dead, int)[of == place] - rows.starts[place]
            shards.append(shard.without(gone.tolist()))
        new = write_shards(rows.folder, number, entries, vectors)
        commit(rows.folder, replace(rows.generation, number=number, shards=(*shards, *new)))


def _only_left_over(folder: Path) -> bool:
    """Whether a folder is empty but for what a writer that was killed has left."""
    names = {path.name for path in folder.iterdir()}
    return not names or {"lock"} <= names <= {"lock", "shards", "generations", "cache"}
