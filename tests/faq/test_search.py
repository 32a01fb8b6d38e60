"""A saved matcher searched as the service does it, with weights and a threshold."""

import numpy as np
import pytest

from losslayer.faq import read_examples
from losslayer.faq.search import entries_of, evaluate, open_index, tune
from losslayer_serve.index import InputError, Ranking
from losslayer_serve.searcher import Searcher


@pytest.fixture
def saved(trained, tmp_path):
    """The folder of a matcher, to be changed."""
    trained.save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def unseen(trained, test_table):
    """Questions that were not trained on."""
    return read_examples(test_table, entries=trained.entries)


def test_untuned_hits_are_the_matchers(trained, saved, unseen):
    """The same entries, in the same order, with the same cosines; all are accepted."""
    encoder, index = open_index(saved)
    found = Searcher(encoder, index).ask(unseen.questions, 3)
    for hits, answers in zip(found, trained.ask(unseen.questions, 3), strict=True):
        assert [hit.id for hit in hits] == [answer.id for answer in answers]
        scores = [answer.score for answer in answers]
        assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-5)
        assert all(hit.accepted for hit in hits)
    assert entries_of(index) == trained.entries


def test_a_text_without_tokens(trained):
    """It has a vector, of length 1 as all."""
    vectors = trained.encode(["", "card"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_tune_is_stored_and_counts(saved, unseen):
    """The threshold of the precision that was asked for is there when the index is opened again."""
    encoder, index = open_index(saved)
    ranking, mrr = tune(encoder, index, unseen, 0.9)
    assert mrr[ranking.weight] == max(mrr.values())
    assert ranking.threshold.precision >= 0.9
    encoder, index = open_index(saved)
    assert index.ranking == ranking
    [hits] = Searcher(encoder, index).ask(["quite another matter"], 4)
    assert [hit.accepted for hit in hits] == [hit.score >= ranking.threshold.value for hit in hits]


def test_measures_by_hand(saved, unseen):
    """Counted from the hits of each question in a loop; a threshold that leaves half."""
    encoder, index = open_index(saved)
    first = [hits[0] for hits in Searcher(encoder, index).ask(unseen.questions, 1)]
    middle = float(np.median([hit.score for hit in first]))
    ids = [unseen.entries[place].id for place in unseen.right]
    ids[:3] = [next(e.id for e in unseen.entries if e.id != hit.id) for hit in first[:3]]
    place = {entry.id: number for number, entry in enumerate(unseen.entries)}
    wrong = np.array([place[id] for id in ids])
    examples = type(unseen)(unseen.questions, wrong, unseen.entries)
    threshold = tune(encoder, index, unseen, 0.01)[0].threshold._replace(value=middle)
    index.set_ranking(Ranking(1.0, threshold))
    accepted = [hit.score >= middle for hit in first]
    right = [hit.id == id for hit, id in zip(first, ids)]
    both = sum(a and r for a, r in zip(accepted, right))
    found = evaluate(encoder, index, examples)
    assert found["accuracy@1"] == pytest.approx(sum(right) / len(right))
    assert found["accepted"] == pytest.approx(sum(accepted) / len(accepted))
    assert found["precision"] == pytest.approx(both / sum(accepted))
    assert 0 < sum(accepted) < len(accepted)


def test_bad_precision(saved, unseen):
    """Named, and the index stays as it was."""
    encoder, index = open_index(saved)
    with pytest.raises(InputError, match="`target` must be in"):
        tune(encoder, index, unseen, 0.0)
    assert open_index(saved)[1].ranking == Ranking()
