"""Weight and threshold: what plain loops over all of them choose."""

import numpy as np
import pytest
from scipy.stats import binomtest

from losslayer_serve.index import (
    Entry,
    Index,
    InputError,
    Ranking,
    choose_ranking,
    choose_threshold,
    choose_weight,
)
from losslayer_serve.index.fusion import ranks
from losslayer_serve.index.threshold import wilson

from .conftest import FINGERPRINT, unit


def test_ranks():
    """By sorting, with scores of which many are equal."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (50, 12)).astype("float32")
    right = rng.integers(0, 12, 50)
    for row, place, found in zip(scores, right, ranks(scores, right)):
        order = sorted(range(12), key=lambda entry: (-row[entry], entry))
        assert found == order.index(place) + 1


def test_the_weight_with_the_best_mrr():
    """On scores of which each alone is worse than both together; the largest of equal ones."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, 30, 200)
    own = np.eye(30)[right]
    cosine = 0.5 * own + 0.3 * rng.normal(size=(200, 30))
    lexical = np.clip(0.3 * own + 0.2 * rng.normal(size=(200, 30)), 0, 1)
    weight, mrr = choose_weight(cosine, lexical, right)
    assert list(mrr) == [n / 20 for n in range(21)]
    for tried, found in mrr.items():
        ranks = []
        for row in range(200):
            score = [tried * c + (1 - tried) * b for c, b in zip(cosine[row], lexical[row])]
            order = sorted(range(30), key=lambda entry: (-score[entry], entry))
            ranks.append(1 + order.index(right[row]))
        assert found == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert mrr[weight] == max(mrr.values()) > max(mrr[0.0], mrr[1.0]) + 0.02
    assert choose_weight(own, own, right)[0] == 1.0
    assert choose_weight(own, own, right, grid=(0.2, 0.6))[0] == 0.6
    # Questions without a right entry are left out.
    more = np.vstack([cosine, lexical[:5]]), np.vstack([lexical, cosine[:5]])
    assert choose_weight(*more, np.append(right, [-1] * 5)) == (weight, mrr)
    with pytest.raises(InputError, match="`right` must name"):
        choose_weight(own, own, np.full(200, -1))


@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("target", [0.5, 0.8, 0.9, 0.95, 1.0])
def test_the_lowest_threshold_that_reaches_the_target(target, cautious):
    """By trying every score, with many equal ones."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scores = rng.integers(0, 30, 80) / 30
        correct = rng.random(80) < scores**0.5
        reached = []
        for value in sorted(set(scores)):
            right, accepted = int(correct[scores >= value].sum()), int((scores >= value).sum())
            low = binomtest(right, accepted).proportion_ci(0.95, "wilson").low
            if (low if cautious else right / accepted) >= target:
                reached.append((value, right / accepted, accepted))
        found = choose_threshold(scores, correct, target, cautious=cautious)
        assert (found.target, found.questions, found.confidence) == (target, 80, 0.95)
        if reached:
            assert (found.value, found.precision, found.accepted) == reached[0]
        else:
            assert (found.value, found.accepted) == (None, 0)


def test_the_interval_is_wilsons():
    """Against SciPy's."""
    for count in (1, 2, 7, 50, 1000):
        for right in {0, 1, count // 2, count - 1, count}:
            for confidence in (0.5, 0.95, 0.99):
                expected = binomtest(right, count).proportion_ci(confidence, "wilson")
                np.testing.assert_allclose(wilson(right, count, confidence), expected, atol=1e-12)


def test_no_threshold_reaches_the_target():
    """It says so, and nothing is accepted; the same without any question."""
    for scores in ([0.9, 0.8], []):
        found = choose_threshold(scores, [False] * len(scores), 0.9)
        assert found.value is None
        assert str(found).startswith("no score reaches a precision of 90.0% on these")
        assert not Ranking(1.0, found).accepts(1e9)
    text = str(choose_threshold([0.9, 0.8], [True, False], 0.9))
    assert text.startswith("scores from 0.9000 on are accepted: 1 of 2 questions, 100.0% of them")


@pytest.mark.parametrize(
    ("scores", "correct", "target", "message"),
    [
        ([1.0], [True, False], 0.9, "must be of one length"),
        ([np.nan], [True], 0.9, "scores finite"),
        ([1.0], [True], 0.0, "`target` must be in"),
        ([1.0], [True], 95, "`target` must be in .* Received: target=95"),
    ],
)
def test_wrong_arguments(scores, correct, target, message):
    """With the name of the argument."""
    with pytest.raises(InputError, match=message):
        choose_threshold(scores, correct, target)


def test_chosen_stored_and_returned(tmp_path):
    """An index keeps its ranking, and its hits tell what is accepted, at the threshold too."""
    rng = np.random.default_rng(0)
    vectors = unit(40)
    entries = [Entry(f"e{n}", f"title {n}") for n in range(40)]
    index = Index.create(tmp_path / "index", FINGERPRINT, entries, vectors)
    right = rng.integers(0, 40, 150)
    asked = vectors[right] + 0.9 * unit(150, seed=1)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    asked[100:] = unit(50, seed=2)  # these have no answer
    texts = [f"about {n}" if rng.random() < 0.6 else "about it" for n in right[:100]]
    texts += ["something else"] * 50
    ids = [*(f"e{n}" for n in right[:100]), *[None] * 50]
    ranking, mrr = choose_ranking(index, texts, asked, ids, 0.95)
    places = np.array([*right[:100], *[-1] * 50])
    assert (ranking.weight, mrr) == choose_weight(*index.scores(texts, asked), places)
    assert 0 < ranking.weight < 1
    index.set_ranking(ranking)
    opened = Index.open(index.folder)
    assert opened.ranking == ranking
    hits = [hits[0] for hits in opened.search(texts, asked, 3)]
    accepted = [hit.accepted for hit in hits]
    assert sum(accepted) == ranking.threshold.accepted
    assert min(hit.score for hit in hits if hit.accepted) == ranking.threshold.value
    right_ones = sum(hit.accepted and hit.id == id for hit, id in zip(hits, ids))
    assert right_ones / sum(accepted) == ranking.threshold.precision >= 0.95
    opened.update([Entry("new", "new")], unit(1, seed=3))
    assert opened.ranking == ranking
    # Where no threshold reaches the target: stored, and nothing accepted.
    hopeless, _ = choose_ranking(opened, texts, asked, [*ids[1:], ids[0]], 1.0, cautious=True)
    opened.set_ranking(hopeless)
    found = Index.open(index.folder).search(texts, asked, 3)
    assert not any(hit.accepted for hits in found for hit in hits)
    for wrong in (["x", *ids[1:]], ids[1:], [None] * 150):
        with pytest.raises(InputError, match="`right` must hold"):
            choose_ranking(index, texts, asked, wrong, 0.95)
