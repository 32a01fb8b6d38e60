"""A saved matcher searched as the service does it, with weights and a threshold."""

import numpy as np
import pytest

from losslayer.faq import open_searcher
from losslayer.faq.asked import Asked, read_asked
from losslayer.faq.evaluation import evaluate
from losslayer.faq.figures import figures
from losslayer.faq.search import open_index, tune
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
    return read_asked(test_table, trained.entries)


def texts(asked):
    return [one.question for one in asked]


def test_untuned_hits_are_the_matchers(trained, saved, unseen):
    """The same entries, in the same order, with the same cosines; all are accepted."""
    searcher = open_searcher(saved)
    found = searcher.ask(texts(unseen), 3)
    for hits, answers in zip(found, trained.ask(texts(unseen), 3), strict=True):
        assert [hit.id for hit in hits] == [answer.id for answer in answers]
        scores = [answer.score for answer in answers]
        assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-5)
        assert all(hit.accepted for hit in hits)
    assert searcher.index.entries == trained.entries


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


def test_questions_without_an_entry_raise_the_threshold(saved, unseen):
    """Each can only be answered wrongly, so the lowest score that does is above all of theirs."""
    encoder, index = open_index(saved)
    nothing = [Asked("quite another matter", None), Asked("the weather", None)]
    ranking, _ = tune(encoder, index, [*unseen, *nothing], 1.0)
    best = [hits[0].score for hits in Searcher(encoder, index).ask(texts(nothing), 1)]
    assert ranking.threshold.questions == len(unseen) + 2
    assert ranking.threshold.value is None or ranking.threshold.value > max(best)


def test_figures_by_hand(saved, unseen):
    """Counted from the hits of each question in a loop; a threshold that leaves half."""
    encoder, index = open_index(saved)
    first = [hits[0] for hits in Searcher(encoder, index).ask(texts(unseen), 1)]
    middle = float(np.median([hit.score for hit in first]))
    ids = [one.entry for one in unseen]
    ids[:3] = [next(e.id for e in index.entries if e.id != hit.id) for hit in first[:3]]
    asked = [one._replace(entry=id) for one, id in zip(unseen, ids)]
    threshold = tune(encoder, index, unseen, 0.01)[0].threshold._replace(value=middle)
    index.set_ranking(Ranking(1.0, threshold))
    accepted = [hit.score >= middle for hit in first]
    right = [hit.id == id for hit, id in zip(first, ids)]
    both = sum(a and r for a, r in zip(accepted, right))
    found = figures(evaluate(Searcher(encoder, index), asked))
    assert found["accuracy@1"].value == pytest.approx(sum(right) / len(right))
    assert found["coverage"].value == pytest.approx(sum(accepted) / len(accepted))
    assert found["precision"].value == pytest.approx(both / sum(accepted))
    assert 0 < sum(accepted) < len(accepted)


def test_bad_precision(saved, unseen):
    """Named, and the index stays as it was."""
    encoder, index = open_index(saved)
    with pytest.raises(InputError, match="`target` must be in"):
        tune(encoder, index, unseen, 0.0)
    assert open_index(saved)[1].ranking == Ranking()
