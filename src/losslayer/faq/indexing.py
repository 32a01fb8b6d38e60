"""Changing what a saved matcher can find: its index made anew, entries added, entries removed.

Each change is one generation of the index: whoever reads it has the old one or the new one whole.
"""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

import losslayer as ll
from losslayer.faq import store
from losslayer_serve.index import Entry, Index, Ranking, SearchIndexError

# What the encoder reads of an entry.
READ = ("answer", "title")
# Entries that are encoded at once.
CHUNK = 5000


class Change(NamedTuple):
    """What a change did.

    Attributes:
        added: Entries that are new.
        changed: Entries that were there and differ now.
        unchanged: Entries that were given and were there as they are.
        removed: Entries that are gone.
        encoded: Texts that were encoded.
        entries: Entries that there are now.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    encoded: int = 0
    entries: int = 0


def rebuild(
    path: str | PathLike[str],
    entries: Sequence[Entry],
    read: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Change, str]:
    """Write the index of a matcher anew, with these entries alone; a damaged one is replaced.

    Args:
        path: Of the matcher.
        entries: Ids differ; their `text` is chosen here.
        read: What the encoder reads of an entry: "answer" (its title, if it has none) or "title".
            Without it what it reads of the present entries; if they can't be read, answers.
        report: Called with lines of text about the progress.

    Returns:
        What changed, and a remark on how hits are scored: what `tune` chose is kept if it can be
        read.
    """
    encode, fingerprint = store.open_entry_encoder(path)
    folder = Path(path) / store.INDEX
    old: list[Entry] = []
    ranking = Ranking()
    remark = "Every answer is accepted until `losslayer faq tune` has chosen a threshold."
    try:
        index = Index.open(folder, fingerprint, prepare=False)
    except SearchIndexError as problem:
        remark = f"The old index can't be read ({problem}). {remark}"
    else:
        old, ranking = index.entries, index.ranking
        if ranking != Ranking():
            remark = "Weight and threshold are those chosen with the old entries: `tune` again."
    fresh = with_texts(entries, read or read_of(old))
    vectors = _vectors(encode, fresh, report)
    Index.create(folder, fingerprint, fresh, vectors, overwrite=True, ranking=ranking)
    gone = len({entry.id for entry in old} - {entry.id for entry in fresh})
    change = _compared(old, fresh)
    return change._replace(removed=gone, encoded=len(fresh), entries=len(fresh)), remark


def add(
    path: str | PathLike[str],
    entries: Sequence[Entry],
    read: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Change:
    """Add entries, or put them in the place of those with the same id.

    Where a field of an entry is empty, what was there stays. Only texts that have no vector yet are
    encoded. Arguments are those of `rebuild`.

    Raises:
        losslayer.ArgumentError: If a new entry has no title.
        losslayer_serve.index.SearchIndexError: If the index can't be read, or another process
            writes it.
    """
    encode, fingerprint = store.open_entry_encoder(path)
    index = Index.open(Path(path) / store.INDEX, fingerprint, prepare=False)
    known = {entry.id: entry for entry in index.entries}
    entries = [_over(known.get(entry.id), entry) for entry in entries]
    fresh = with_texts(entries, read or read_of(index.entries))
    change = _compared(index.entries, fresh)
    need = index.to_encode(fresh)
    index.update(fresh, _vectors(encode, [fresh[place] for place in need], report))
    return change._replace(encoded=len(need), entries=len(index))


def remove(path: str | PathLike[str], ids: Iterable[str]) -> Change:
    """Remove entries; an id that none has is an error, and nothing is removed then."""
    folder = Path(path) / store.INDEX
    index = Index.open(folder, prepare=False)
    before = len(index)
    index.remove(ids)
    return Change(removed=before - len(index), entries=len(index))


def read_of(entries: Sequence[Entry]) -> str:
    """What the encoder reads of these entries: "answer" or "title"."""
    return "answer" if not entries or any(entry.text for entry in entries) else "title"


def with_texts(entries: Sequence[Entry], read: str) -> list[Entry]:
    """The entries with the text that the encoder is to read."""
    return [entry._replace(text=entry.answer if read == "answer" else "") for entry in entries]


def _vectors(
    encode: Callable[[Sequence[str]], np.ndarray],
    entries: Sequence[Entry],
    report: Callable[[str], None],
) -> np.ndarray:
    """The vectors of entries, `(entry, dim)`, made some at a time so that progress can be told."""
    some = [encode([])]
    for start in range(0, len(entries), CHUNK):
        some.append(encode([entry.encoded for entry in entries[start : start + CHUNK]]))
        report(f"{min(start + CHUNK, len(entries)):,} of {len(entries):,} entries encoded")
    return np.concatenate(some)


def _over(old: Entry | None, new: Entry) -> Entry:
    """The new entry; where a field of it is empty, that of the old one."""
    if old is None and not new.title:
        raise ll.ArgumentError(
            f"add: a new entry must have a title. Received: {new.id!r} has none."
        )
    given = {name: value for name, value in new._asdict().items() if value}
    return old._replace(**given) if old else new


def _compared(old: Sequence[Entry], fresh: Sequence[Entry]) -> Change:
    known = {entry.id: entry for entry in old}
    added = sum(entry.id not in known for entry in fresh)
    same = sum(known.get(entry.id) == entry for entry in fresh)
    return Change(added=added, unchanged=same, changed=len(fresh) - added - same)
