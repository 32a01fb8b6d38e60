"""Searching: the order and the scores of plain loops."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from losslayer_serve.index import Entry, Index, InputError, Ranking, exact, shards
from losslayer_serve.index.exact import Exact, largest
from losslayer_serve.index.lexical import Lexical

from .conftest import FINGERPRINT, some_entries, unit


def by_hand(scores, top):
    """Places by score, then by place, with Python's sort."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:top]


@pytest.mark.parametrize("count", [1, 2, 5, 49, 50, 60])
@pytest.mark.parametrize("length", [50, 3001])
def test_largest(count, length):
    """In the order of a sort, ties included, also where the last place is one of many equal."""
    rng = np.random.default_rng(0)
    for values in (1, 2, 5, 1000, 10**6):
        scores = rng.integers(0, values, length).astype("float32")
        assert largest(scores, count).tolist() == by_hand(scores, count)
        scores[rng.random(length) < 0.9] = -np.inf
        assert largest(scores, count).tolist() == by_hand(scores, count)
    assert largest(np.sort(scores), count).tolist() == by_hand(np.sort(scores), count)
    assert largest(np.zeros(0, "float32"), 3).tolist() == []


def test_exact(tmp_path, monkeypatch):
    """Of several shards, blocks and chunks of questions, with dead rows and equal vectors."""
    monkeypatch.setattr(shards, "SHARD_ROWS", 40)
    monkeypatch.setattr(exact, "BLOCK", 16)
    monkeypatch.setattr(exact, "QUESTIONS", 3)
    # Axes and their negatives: products are exact, and many are equal.
    signs = (-1) ** (np.arange(100) // 9)[:, None]
    vectors = np.eye(8, dtype="float32")[np.arange(100) % 8] * signs.astype("float32")
    index = Index.create(tmp_path / "index", FINGERPRINT, some_entries(100), vectors)
    index.remove(f"e{n}" for n in (0, 3, 39, 40, 41, 99))
    questions = np.eye(8, dtype="float32")
    live = index.rows.live
    for count in (1, 7, 94, 100):
        found = Exact(index.rows).search(questions, count)
        for question, rows in zip(questions, found):
            cosines = [sum(a * b for a, b in zip(question, vectors[row])) for row in live]
            expected = [live[place] for place in by_hand(cosines, count)]
            assert rows.tolist() == expected + [-1] * (count - len(expected))


@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_search(index, weight):
    """Scores and order of the formula, for hits of every number, after changes too."""
    index.remove(["e5", "e6"])
    index.update([Entry("new", "title 7 title", "答案", "x")], unit(1, seed=9))
    index.set_ranking(Ranking(weight))
    texts = ["title 7", "答案 number 3", "", "nothing of this"]
    vectors = unit(4, seed=5)
    entries = index.entries
    stored = index.rows.vectors(index.rows.live)
    words = Lexical(["\n".join(dict.fromkeys((e.title, e.answer, e.text))) for e in entries])
    for opened in (index, Index.open(index.folder)):
        for top in (1, 3, 99, 200):
            for text, vector, hits in zip(texts, vectors, opened.search(texts, vectors, top)):
                lexical = words.scores(text)
                scores = [
                    weight * float((vector * other).sum()) + (1 - weight) * float(shared)
                    for other, shared in zip(stored, lexical)
                ]
                expected = by_hand(scores, top)
                assert [hit.id for hit in hits] == [entries[place].id for place in expected]
                found = [hit.score for hit in hits]
                np.testing.assert_allclose(found, [scores[p] for p in expected], atol=1e-6)
                assert [hit[:3] for hit in hits] == [entries[place][:3] for place in expected]
                assert all(hit.accepted for hit in hits)
        cosine, lexical = opened.scores(texts, vectors)
        np.testing.assert_allclose(cosine, vectors @ stored.T, atol=1e-6)
        assert np.array_equal(lexical, [words.scores(text) for text in texts])


def test_equal_entries_come_in_their_order(tmp_path):
    """Equal vectors have equal scores, wherever they stand; the first written comes first."""
    vectors = np.repeat(unit(3, dim=301), 85, axis=0)
    index = Index.create(tmp_path / "index", FINGERPRINT, some_entries(255), vectors)
    [hits] = index.search(["a"], vectors[85:86], 85)
    assert [hit.id for hit in hits] == [f"e{n}" for n in range(85, 170)]
    assert len({hit.score for hit in hits}) == 1


def test_candidates_of_both_kinds(tmp_path):
    """With more entries than are scored, what is far by meaning is found by its words."""
    vectors = unit(2000, dim=8)
    entries = [Entry(f"e{n}", "common words") for n in range(2000)]
    far = int(np.argmin(vectors @ vectors[0]))
    entries[far] = Entry("far", "common zebra")
    index = Index.create(tmp_path / "index", FINGERPRINT, entries, vectors)
    ranked = Ranking(0.1)
    assert index.search(["zebra"], vectors[:1], 1)[0][0].id == "e0"
    assert index.search(["zebra"], vectors[:1], 1, ranking=ranked)[0][0].id == "far"


def test_many_threads_search_at_once(index):
    """And all find the same."""
    index.set_ranking(Ranking(0.5))
    vectors = unit(20, seed=3)
    texts = [f"title {n}" for n in range(20)]
    expected = index.search(texts, vectors, 5)
    fresh = Index.open(index.folder, prepare=False)
    found = []
    run = lambda: found.append(fresh.search(texts, vectors, 5))
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize(
    ("texts", "vectors", "top", "message"),
    [
        (["a"], unit(1), 0, r"`top` must be an integer >= 1. Received: top=0"),
        (["a"], unit(1), True, r"`top` must be an integer >= 1. Received: top=True"),
        (["a"], unit(2), 1, r"floats of shape \(1, 16\). Received: float32 of shape \(2, 16\)"),
        (["a"], unit(1, dim=8), 1, r"floats of shape \(1, 16\)"),
        (["a"], unit(1) * np.inf, 1, "must have length 1"),
        (["a"], unit(1) * 3, 1, "must have length 1"),
    ],
)
def test_what_can_not_be_searched_is_refused(index, texts, vectors, top, message):
    """With the name of the argument and what was received."""
    with pytest.raises(InputError, match=message):
        index.search(texts, vectors, top)


def test_an_unknown_engine_is_refused(index):
    """By its name."""
    with pytest.raises(InputError, match="`engine` must be .* Received: engine='fast'"):
        Index.open(index.folder, engine="fast")


def test_no_engine_of_keras_is_imported(index):
    """To search by vectors and words, with every kind of engine, none of them is needed."""
    index.set_ranking(Ranking(0.5))
    code = (
        "import sys, numpy as np\n"
        "from losslayer_serve.index import Index\n"
        "import losslayer_serve.index.qdrant\n"
        "index = Index.open(sys.argv[1], engine='hnsw')\n"
        "assert index.search(['title 3'], np.eye(16)[:1], 3)\n"
        "found = {'keras', 'jax', 'torch', 'tensorflow', 'losslayer'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, index.folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
