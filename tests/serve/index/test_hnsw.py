"""The graph of neighbours: how much it finds, and that its cache is no more than that."""

import os
import sys

import numpy as np
import pytest

from losslayer_serve.index import Entry, Index, InputError, engines, hnsw
from losslayer_serve.index.exact import Exact

from .conftest import FINGERPRINT, some_entries, unit

pytest.importorskip("faiss")


def clustered(count, dim, clusters, seed=0):
    """Unit vectors around random centres, as texts about the same things have them."""
    centres = unit(clusters, dim, seed)
    vectors = centres[np.arange(count) % clusters] + 0.5 * unit(count, dim, seed + 1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall(index, questions, count):
    """Share of the truly nearest that the graph finds."""
    found = hnsw.HNSW(index.rows).search(questions, count)
    true = Exact(index.rows).search(questions, count)
    return np.mean([len(set(a) & set(b)) / count for a, b in zip(found.tolist(), true.tolist())])


@pytest.mark.parametrize("count", [4000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_recall(tmp_path, count):
    """At least 99 of 100 of the ten nearest, and 97 of the hundred nearest."""
    vectors = clustered(count + 200, 64, count // 20)
    entries = [Entry(f"e{n}", "title") for n in range(count)]
    index = Index.create(tmp_path / "index", FINGERPRINT, entries, vectors[:count])
    assert recall(index, vectors[count:], 10) >= 0.99
    assert recall(index, vectors[count:], 100) >= 0.97


def same(index, engine="hnsw"):
    """Whether an index of a few hundred entries answers as an exact one."""
    questions = unit(10, seed=7)
    texts = [""] * 10
    found = Index.open(index.folder, engine=engine).search(texts, questions, 20)
    return found == Index.open(index.folder, engine="exact").search(texts, questions, 20)


def test_the_cache_follows_the_shards(index, monkeypatch):
    """Read when it fits; added to for new rows; made anew after a compaction."""
    made = []
    monkeypatch.setattr(
        hnsw,
        "_write_cache",
        lambda *given, write=hnsw._write_cache: made.append(1) or write(*given),
    )
    read = lambda: hnsw._read_cache(index.folder / "cache", names(), index.rows)[1]
    names = lambda: [shard.vectors for shard in index.rows.generation.shards]
    assert read() == 0
    assert same(index)
    assert read() == 1
    assert same(index)
    assert len(made) == 1
    index.update(some_entries(50, first=100), unit(50, seed=1))
    index.remove([f"e{n}" for n in range(30)])
    assert read() == 1
    assert same(index)
    assert len(made) == read() == 2
    index.compact()
    assert read() == 0
    assert same(index)
    assert len(made) == 3


@pytest.mark.parametrize("name", ["hnsw.faiss", "hnsw.json"])
def test_a_damaged_cache_is_made_anew(index, name):
    """A flipped bit, half a file, no file: the answers are those of the shards."""
    assert same(index)
    path = index.folder / "cache" / name
    whole = path.read_bytes()
    for broken in (bytes([whole[0] ^ 1]) + whole[1:], whole[:-10], b"", b"null"):
        path.write_bytes(broken)
        assert same(index)
        assert len(path.read_bytes()) == len(whole)
    path.unlink()
    assert same(index)


def test_removed_entries_are_not_found(index):
    """Though the graph still has them, and they were the nearest."""
    assert same(index)
    vectors = index.rows.vectors(index.rows.live)
    index.remove(["e3"])
    opened = Index.open(index.folder, engine="hnsw")
    [hits] = opened.search(["a"], vectors[3:4], 99)
    assert len(hits) == 99
    assert "e3" not in [hit.id for hit in hits]
    index.remove([entry.id for entry in index.entries])
    assert Index.open(index.folder, engine="hnsw").search(["a"], vectors[:1], 3) == [[]]


def test_it_is_taken_for_many_entries(index, monkeypatch):
    """Beyond the limit, without a word about it."""
    monkeypatch.setattr(engines, "MOST_EXACT", 100)
    Index.open(index.folder)
    assert not (index.folder / "cache").exists()
    monkeypatch.setattr(engines, "MOST_EXACT", 99)
    Index.open(index.folder)
    assert (index.folder / "cache" / "hnsw.faiss").exists()


def test_a_folder_that_can_not_be_written_is_searched(index):
    """The graph is then made at each start."""
    if os.geteuid() == 0:
        (index.folder / "cache").write_text("in the way")  # root may write anywhere else
    else:
        index.folder.chmod(0o500)
    assert same(index)
    index.folder.chmod(0o700)


def test_without_faiss(index, monkeypatch):
    """Many entries are searched one by one, with a warning; asked for by name it is an error."""
    monkeypatch.setattr(engines, "MOST_EXACT", 99)
    monkeypatch.delitem(sys.modules, "losslayer_serve.index.hnsw")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.warns(UserWarning, match=r"100 entries are searched one by one. Install"):
        assert same(index, engine="auto")
    with pytest.raises(InputError, match=r"needs the package faiss. Install `losslayer\[faiss\]`"):
        Index.open(index.folder, engine="hnsw")
