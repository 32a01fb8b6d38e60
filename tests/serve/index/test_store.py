"""The index on disk: what is written is what is read, and nothing else is ever read."""

import os
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

from losslayer_serve.index import (
    ChangedIndexError,
    DamagedIndexError,
    Entry,
    Index,
    InputError,
    LockedIndexError,
    OtherModelError,
    shards,
    writing,
)

from .conftest import FINGERPRINT, some_entries, unit


def content(index):
    """What an index holds: entries and vectors by id."""
    vectors = index.rows.vectors(index.rows.live)
    return {entry.id: (entry, vector.tobytes()) for entry, vector in zip(index.entries, vectors)}


def files(folder):
    """The files of a folder, with the moment of their last change."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_what_is_written_is_what_is_read(tmp_path):
    """Entries and vectors come back bit for bit, in their order; an empty index is one too."""
    entries, vectors = some_entries(20), unit(20)
    Index.create(tmp_path / "index", FINGERPRINT, entries, vectors)
    opened = Index.open(tmp_path / "index", FINGERPRINT)
    assert opened.entries == entries
    assert opened.fingerprint == FINGERPRINT
    assert np.array_equal(opened.rows.vectors(opened.rows.live), vectors)
    Index.create(tmp_path / "empty", FINGERPRINT, [], unit(0))
    empty = Index.open(tmp_path / "empty")
    assert len(empty) == 0
    assert empty.search(["a"], unit(1), 3) == [[]]
    empty.update(entries, vectors)
    assert Index.open(tmp_path / "empty").entries == entries


def test_changes_are_those_of_a_dict(tmp_path, monkeypatch):
    """Random additions, changes, removals and rankings, each read anew, against a plain dict."""
    monkeypatch.setattr(shards, "SHARD_ROWS", 7)
    monkeypatch.setattr(writing, "MOST_SHARDS", 12)
    rng = random.Random(0)
    index = Index.create(tmp_path / "index", FINGERPRINT, some_entries(30), unit(30))
    expected = content(index)
    for step in range(40):
        if rng.random() < 0.3 and expected:
            gone = rng.sample(sorted(expected), min(len(expected), rng.randint(1, 9)))
            index.remove(gone)
            for id in gone:
                del expected[id]
        else:
            numbers = rng.sample(range(60), rng.randint(1, 9))
            entries = [
                Entry(f"e{n}", f"title {n}", rng.choice("ab"), rng.choice(["", "x", "y"]))
                for n in numbers
            ]
            need = index.to_encode(entries)
            vectors = unit(len(need), seed=step)
            index.update(entries, vectors)
            fresh = {entries[place].id: vectors[at].tobytes() for at, place in enumerate(need)}
            for entry in entries:
                vector = fresh[entry.id] if entry.id in fresh else expected[entry.id][1]
                expected[entry.id] = (entry, vector)
        assert content(index) == expected
        assert content(Index.open(tmp_path / "index")) == expected
        assert len(index.rows.shards) <= 12
    assert len(files(tmp_path / "index")) == 2 + 2 * len(index.rows.shards)


def test_only_what_changed_is_written(index):
    """Old shards stay as they are; the new one holds the changed entries alone."""
    before = files(index.folder)
    entries = some_entries(100)
    entries[3] = entries[3]._replace(title="other")
    entries[4] = entries[4]._replace(answer="other")
    new = Entry("new", "new")
    assert index.to_encode([*entries, new]) == [3, 100]
    old = index.rows.vectors(np.array([4]))
    index.update([*entries, new], unit(2, seed=1))
    after = files(index.folder)
    assert {name: after[name] for name in before if "shards" in name} == {
        name: time for name, time in before.items() if "shards" in name
    }
    assert [len(vectors) for vectors in index.rows.shards] == [100, 3]
    assert np.array_equal(index.rows.shards[1][[0, 2]], unit(2, seed=1))
    assert np.array_equal(index.rows.shards[1][[1]], old)
    unchanged = files(index.folder)
    index.update(entries, unit(0))
    index.remove([])
    assert files(index.folder) == unchanged


def test_compaction(index):
    """It leaves one shard with what counts, in its order, and the files of no other."""
    index.remove([f"e{n}" for n in range(0, 40, 2)])
    before = content(index)
    index.compact()
    assert content(index) == before
    assert list(before) == list(content(index))
    assert [len(vectors) for vectors in index.rows.shards] == [80]
    assert len(files(index.folder)) == 4
    index.remove([f"e{n}" for n in range(41, 91)])  # more than half: by itself
    assert [len(vectors) for vectors in index.rows.shards] == [30]


def test_another_models_vectors_are_refused(index):
    """The message names the folder and both fingerprints; other sizes of vectors fail too."""
    with pytest.raises(OtherModelError, match=rf"index: .*{FINGERPRINT}.*Received: .*'other'"):
        Index.open(index.folder, "other")
    with pytest.raises(InputError, match=r"`vectors` must be floats of shape \(1, 16\)"):
        index.update([Entry("new", "new")], unit(1, dim=8))


def test_a_flipped_bit_is_refused(index):
    """Any bit of any file that counts, by the name of a file of the index."""
    index.update([Entry("new", "new")], unit(1, seed=1))
    rng = random.Random(0)
    names = list(files(index.folder))
    assert len(names) == 6
    for name in names:
        path = index.folder / name
        whole = path.read_bytes()
        for bit in rng.sample(range(8 * len(whole)), 100 if name == "index.json" else 20):
            broken = bytearray(whole)
            broken[bit // 8] ^= 1 << bit % 8
            path.write_bytes(broken)
            with pytest.raises(DamagedIndexError, match=f"{name}|generations/"):
                Index.open(index.folder)
        path.write_bytes(whole)
    assert len(Index.open(index.folder)) == 101


@pytest.mark.parametrize("name", ["generations/00000001.json", "shards/00000001-000.npy"])
def test_a_missing_or_short_file_is_refused(index, name):
    """By its name."""
    path = index.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedIndexError, match=name):
        Index.open(index.folder)
    path.unlink()
    with pytest.raises(DamagedIndexError, match=name):
        Index.open(index.folder)
    with pytest.raises(DamagedIndexError, match=r"no index is there"):
        Index.open(index.folder / "elsewhere")


def test_two_writers(index):
    """While another process writes, a change is refused; when that is killed, it goes."""
    code = (
        "import sys, pathlib\n"
        "from losslayer_serve.index.files import one_writer\n"
        "with one_writer(pathlib.Path(sys.argv[1])):\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, index.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        before = files(index.folder)
        with pytest.raises(LockedIndexError, match="another writer is changing this index"):
            index.remove(["e1"])
        assert files(index.folder) == before
        other.kill()
    index.remove(["e1"])
    assert len(Index.open(index.folder)) == 99


def test_a_change_made_elsewhere_is_not_undone(index):
    """Who opened the index before it has to open it again."""
    late = Index.open(index.folder)
    index.remove(["e1"])
    with pytest.raises(ChangedIndexError, match="Open it again"):
        late.update([Entry("new", "new")], unit(1))
    assert len(late) == 100
    assert late.search(["a"], unit(1), 100)  # what it has read it still has
    assert content(Index.open(index.folder)) == content(index)


def test_readers_see_whole_changes_while_one_writes(index):
    """Opened again and again while every entry gets the next number: always all have the same."""
    seen = []

    def write():
        for step in range(15):
            index.update([entry._replace(answer=str(step)) for entry in index.entries], unit(0))

    index.update([entry._replace(answer="-1") for entry in index.entries], unit(0))
    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        entries = Index.open(index.folder, prepare=False).entries
        [number] = {int(entry.answer) for entry in entries}
        assert len(entries) == 100
        seen.append(number)
    writer.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert index.entries[0].answer == "14"


def test_folders_of_others_are_left_alone(index, tmp_path):
    """Neither files nor folders that hold something else, nor an index without `overwrite`."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    (tmp_path / "file").touch()
    for name in ("photos", "file"):
        with pytest.raises(InputError, match=rf"{name}: exists and is no index"):
            Index.create(tmp_path / name, FINGERPRINT, some_entries(2), unit(2))
    assert os.listdir(tmp_path / "photos") == ["cat.jpg"]
    with pytest.raises(InputError, match="an index is there; nothing was changed"):
        Index.create(index.folder, FINGERPRINT, some_entries(2), unit(2))
    assert len(Index.open(index.folder)) == 100
    (index.folder / "index.json").write_text("damaged")
    again = Index.create(index.folder, "other", some_entries(2), unit(2), overwrite=True)
    assert len(again) == len(Index.open(index.folder, "other")) == 2
    assert len(files(index.folder)) == 4


@pytest.mark.parametrize(
    ("entries", "vectors", "message"),
    [
        ([Entry("a", "b")] * 2, unit(2), r"`entries` must have ids that differ. Received: 1: "),
        ([Entry("", "b")], unit(1), "must have an id and a title or text"),
        ([Entry("a", "")], unit(1), "must have an id and a title or text"),
        ([Entry("a", "\ud800")], unit(1), "half of a surrogate pair"),
        ([Entry("a", 3)], unit(1), "be made of texts"),
        ([Entry("a", "b")], unit(1) * 2, r"must have length 1. Received: length 2 in row 0"),
        ([Entry("a", "b")], unit(1) * np.nan, r"must have length 1. Received: length nan"),
        ([Entry("a", "b")], unit(2), r"shape \(1, \w+\). Received: float32 of shape \(2, 16\)"),
        ([Entry("a", "b")], np.ones((1, 16), int), "must be floats"),
    ],
)
def test_what_can_not_be_stored_is_refused(index, tmp_path, entries, vectors, message):
    """With the name of the argument and what was received; nothing is written."""
    before = files(index.folder)
    with pytest.raises(InputError, match=rf"Index\.update: .*{message}"):
        index.update(entries, vectors)
    with pytest.raises(InputError, match=rf"Index\.create: .*{message}"):
        Index.create(tmp_path / "new", FINGERPRINT, entries, vectors)
    with pytest.raises(InputError, match="'x', which no entry has .1 of 2 are unknown"):
        index.remove(["e1", "x"])
    assert files(index.folder) == before
    assert not (tmp_path / "new").exists()
