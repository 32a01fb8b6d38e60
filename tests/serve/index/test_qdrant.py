"""A Qdrant collection as the search, in the client's local mode."""

import pytest

from losslayer_serve.index import Entry, Index, Ranking

from .conftest import some_entries, unit

qdrant_client = pytest.importorskip("qdrant_client")
qdrant = pytest.importorskip("losslayer_serve.index.qdrant")


@pytest.fixture
def client():
    """A client that keeps its collections in memory."""
    client = qdrant_client.QdrantClient(":memory:")
    yield client
    client.close()


def test_it_follows_the_index(index, client, monkeypatch):
    """After each change the answers are those of an exact search; only what is new is sent."""
    sent = []
    upsert = client.upsert
    count = lambda name, batch, **given: sent.append(len(batch.ids)) or upsert(name, batch, **given)
    monkeypatch.setattr(client, "upsert", count)
    monkeypatch.setattr(qdrant, "BATCH", 32)
    index.set_ranking(Ranking(0.7))
    questions, texts = unit(10, seed=7), [f"title {n}" for n in range(10)]

    def sent_for_the_same_answers():
        opened = Index.open(index.folder, engine=lambda rows: qdrant.Qdrant(client, "faq", rows))
        found = opened.search(texts, questions, 10)
        assert found == Index.open(index.folder, engine="exact").search(texts, questions, 10)
        stored = client.count("faq").count
        assert stored == len(index)
        total = sum(sent)
        sent.clear()
        return total

    assert sent_for_the_same_answers() == 100
    assert sent_for_the_same_answers() == 0
    changed = [Entry("e1", "another title"), Entry("e2", "title 2", "another answer")]
    index.update([*changed, *some_entries(5, first=100)], unit(6, seed=1))
    assert sent_for_the_same_answers() == 6
    index.remove([f"e{n}" for n in range(50)])
    assert sent_for_the_same_answers() == 0
    index.compact()
    assert sent_for_the_same_answers() == 0


def test_points_of_a_newer_index_are_passed_over(index, client):
    """Who still searches older rows gets the hits that these have."""
    older = qdrant.Qdrant(client, "faq", index.rows)
    index.update([Entry("new", "new")], unit(1, seed=9))
    index.remove(["e1"])
    qdrant.Qdrant(client, "faq", index.rows)
    rows = older.search(unit(1, seed=9), 5)[0].tolist()
    assert rows[-1] == -1
    assert all(0 <= row < 100 and row != 1 for row in rows[:-1])
