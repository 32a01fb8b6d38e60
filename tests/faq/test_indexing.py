"""Entries added to a saved matcher, changed and removed, and its index made anew."""

import asyncio

import numpy as np
import pytest

import losslayer as ll
from losslayer.faq import Entry, indexing, open_searcher
from losslayer.faq.indexing import Change
from losslayer.faq.search import open_index
from losslayer_serve.index import DamagedIndexError, Index, InputError, Ranking, choose_threshold
from losslayer_serve.live import Live

REFUND = Entry("refund", "get my money back", "Write to us.", group="money")


@pytest.fixture
def saved(trained, tmp_path):
    """The folder of a matcher with four entries, to be changed."""
    trained.save(tmp_path / "m")
    return tmp_path / "m"


def ids(path):
    return [entry.id for entry in Index.open(path / "index").entries]


def test_an_entry_that_is_added_is_found(saved):
    """By the vector that the encoder of entries gives its title; nothing else is encoded."""
    assert indexing.add(saved, [REFUND]) == Change(added=1, encoded=1, entries=5)
    searcher = open_searcher(saved)
    assert searcher.ask(["get my money back"], 5)[0][0].id == "refund"
    index = searcher.index
    [row] = [row for row in index.rows.live if index.rows.entries[row].id == "refund"]
    encode, _ = indexing.store.open_entry_encoder(saved)
    np.testing.assert_array_equal(
        index.rows.vectors(np.array([row])), encode(["get my money back"])
    )


def test_only_what_changed_is_encoded(saved, trained):
    """A new answer isn't, where titles are read; a new title is; what is empty stays."""
    first, second, third, _ = trained.entries
    changed = [
        Entry(first.id, first.title, "An answer."),
        Entry(second.id, "another title"),
        Entry(third.id, third.title),
    ]
    found = indexing.add(saved, changed)
    assert found == Change(changed=2, unchanged=1, encoded=1, entries=4)
    known = {entry.id: entry for entry in Index.open(saved / "index").entries}
    assert known[first.id].answer == "An answer."
    indexing.add(saved, [Entry(first.id, "", "", group="cards")])
    known = {entry.id: entry for entry in Index.open(saved / "index").entries}
    assert known[first.id] == first._replace(answer="An answer.", group="cards")


def test_answers_are_read_where_they_were(saved, trained):
    """`read` says what the encoder reads; without it what it reads of the entries there."""
    change, _ = indexing.rebuild(saved, [REFUND], read="answer")
    assert change == Change(added=1, removed=4, encoded=1, entries=1)
    indexing.add(saved, [Entry("x", "title", "Reset it."), Entry("y", "no answer")])
    entries = Index.open(saved / "index").entries
    assert [entry.encoded for entry in entries] == ["Write to us.", "Reset it.", "no answer"]
    assert indexing.add(saved, [Entry("x", "another title", "")]).encoded == 0
    assert indexing.read_of(trained.entries) == "title"


def test_a_new_entry_needs_a_title(saved):
    """Nothing is added otherwise, nor if an id comes twice."""
    with pytest.raises(ll.ArgumentError, match="must have a title. Received: 'x' has none"):
        indexing.add(saved, [REFUND, Entry("x", "", "An answer.")])
    with pytest.raises(InputError, match="ids that differ"):
        indexing.add(saved, [REFUND, REFUND])
    assert "refund" not in ids(saved)


def test_removed_entries_are_not_found(saved):
    """All of them, or with an unknown id none."""
    with pytest.raises(InputError, match="'nothing', which no entry has"):
        indexing.remove(saved, ["top_up", "nothing"])
    assert indexing.remove(saved, ["top_up", "lost_phone"]) == Change(removed=2, entries=2)
    assert sorted(hit.id for hit in open_searcher(saved).ask(["top up"], 9)[0]) == sorted(
        ids(saved)
    )


def test_all_entries_removed(saved):
    """A question then has no hits; entries can be added again."""
    indexing.remove(saved, ids(saved))
    assert open_searcher(saved).ask(["top up"], 3) == [[]]
    indexing.add(saved, [REFUND])
    assert open_searcher(saved).ask(["top up"], 3)[0][0].id == "refund"


def test_an_index_made_anew(saved, trained):
    """Has the vectors that the training gave; weight and threshold are kept."""
    threshold = choose_threshold([0.9, 0.1], [True, False], 1.0)
    Index.open(saved / "index").set_ranking(Ranking(0.6, threshold))
    change, remark = indexing.rebuild(saved, [*trained.entries, REFUND])
    assert change == Change(added=1, unchanged=4, encoded=5, entries=5)
    assert "chosen with the old entries" in remark
    _, index = open_index(saved)
    assert index.ranking == Ranking(0.6, threshold)
    vectors = index.rows.vectors(index.rows.live)[:4]
    np.testing.assert_allclose(vectors, trained.vectors, atol=1e-5)


def test_a_damaged_index_is_replaced(saved, trained):
    """`add` refuses it with the name of the file; `rebuild` says so and writes it anew."""
    [path] = (saved / "index" / "shards").glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedIndexError, match=path.name):
        indexing.add(saved, [REFUND])
    change, remark = indexing.rebuild(saved, trained.entries, read="title")
    assert remark.startswith("The old index can't be read")
    assert change.added == change.entries == 4
    np.testing.assert_allclose(
        open_index(saved)[1].rows.vectors(np.arange(4)), trained.vectors, atol=1e-5
    )


def test_a_running_service_takes_a_change_up(saved):
    """It watches the file that is written last; the new entry is found without a restart."""

    async def served():
        watch = saved / "index" / "index.json"
        live = Live(lambda: open_searcher(saved), watch, seconds=0.05)
        task = asyncio.create_task(live.run())
        assert len(live.searcher) == 4
        await asyncio.to_thread(indexing.add, saved, [REFUND])
        async with asyncio.timeout(60):
            while live.ask(["get my money back"], 1)[0][0].id != "refund":
                await asyncio.sleep(0.05)
        task.cancel()
        assert live.reloads == {"done": 1, "failed": 0}

    asyncio.run(served())
