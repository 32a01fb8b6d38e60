"""Figures, intervals and calibration against loops and SciPy."""

import numpy as np
import pytest
from scipy import stats

from losslayer.faq.evaluation import Found, Result
from losslayer.faq.figures import (
    BINS,
    bootstrap,
    by,
    calibration,
    expected_calibration_error,
    figures,
    shown,
)
from losslayer_serve.index.threshold import wilson


def result(rank, score=0.5, accepted=True, entry="a", group="", language=""):
    """A result of which only this matters."""
    return Result("?", entry, group, language, 0, rank, accepted, [Found("h", "t", score)])


def random_results(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        result(
            None if rng.random() < 0.1 else int(rng.integers(1, 12)),
            score=float(rng.uniform(-0.2, 1.1)),
            accepted=bool(rng.random() < 0.5),
            group=str(rng.choice(["x", "y"])),
        )
        for _ in range(count)
    ]


def test_figures_by_hand():
    """Ranks 1, 2, none and a question that no entry answers."""
    results = [
        result(1),
        result(2, accepted=False),
        result(None),
        result(None, entry=None),
        result(None, entry=None, accepted=False),
    ]
    found = figures(results)
    assert found["accuracy@1"].value == pytest.approx(1 / 3)
    assert found["mrr"].value == pytest.approx((1 + 1 / 2) / 3)
    assert found["ndcg"].value == pytest.approx((1 + 1 / np.log2(3)) / 3)
    assert found["accuracy@1"].questions == 3
    assert found["coverage"].value == pytest.approx(3 / 5)
    assert found["precision"][:3] == pytest.approx((1 / 3, *wilson(1, 3)))
    assert found["refused"][:3] == pytest.approx((1 / 2, *wilson(1, 2)))
    assert found["refused"].questions == 2


def test_figures_of_no_questions_are_left_out():
    """No answer accepted: no precision. All have an entry: none to be refused; and the reverse."""
    assert not {"precision", "refused"} & figures([result(1, accepted=False)]).keys()
    assert figures([result(None, entry=None)]).keys() == {
        *("coverage", "precision", "refused", "ece")
    }


def test_bootstrap_is_scipys():
    """The same kind of interval from other draws: the ends differ by little of its width."""
    values = np.random.default_rng(1).exponential(size=(300, 2)) ** 2
    low, high = bootstrap(values, samples=20_000)
    for column in range(2):
        theirs = stats.bootstrap(
            (values[:, column],), np.mean, method="percentile", n_resamples=20_000
        ).confidence_interval
        width = theirs.high - theirs.low
        assert abs(low[column] - theirs.low) < 0.03 * width
        assert abs(high[column] - theirs.high) < 0.03 * width


def test_bootstrap_covers():
    """Of many samples' intervals about 95 in 100 hold the true mean."""
    rng = np.random.default_rng(0)
    samples = (rng.random((150, 200)) < 0.7).astype("float64")
    low, high = bootstrap(samples.T, samples=500)
    held = ((low <= 0.7) & (high >= 0.7)).mean()
    assert 0.9 <= held <= 0.99


def test_bootstrap_says_the_same_each_time():
    """And one question has no width."""
    values = np.random.default_rng(0).random((20, 3))
    for one, other in zip(bootstrap(values), bootstrap(values)):
        np.testing.assert_array_equal(one, other)
    low, high = bootstrap(np.array([[0.3]]))
    assert low == pytest.approx(0.3)
    assert high == pytest.approx(0.3)


def test_calibration_by_a_loop():
    """Bins, their mean score and share right; the error is their weighted distance."""
    results = random_results(400)
    bins = calibration(results)
    error = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [
            one
            for one in results
            if low <= min(max(one.score, 0), 1) < high or (number == BINS - 1 and one.score >= 1)
        ]
        [found] = [one for one in bins if one.low == low]
        assert found.questions == len(inside)
        score = np.mean([min(max(one.score, 0), 1) for one in inside])
        right = np.mean([one.rank == 1 for one in inside])
        assert (found.score, found.right) == pytest.approx((score, right))
        error += len(inside) / 400 * abs(right - score)
    assert expected_calibration_error(bins) == pytest.approx(error)
    assert figures(results)["ece"].value == pytest.approx(error)


def test_scores_that_are_probabilities_have_no_error():
    """Of a thousand with score 0.8, 800 are right."""
    results = [result(1 if n < 800 else 2, score=0.8) for n in range(1000)]
    assert expected_calibration_error(calibration(results)) == pytest.approx(0, abs=1e-12)


def test_groups_are_figures_of_their_questions():
    """Each value of the column by itself; nothing where no question has one."""
    results = random_results(50)
    found = by(results, "group")
    assert list(found) == ["x", "y"]
    for name, own in found.items():
        assert own["mrr"] == figures([one for one in results if one.group == name])["mrr"]
    assert by(results, "language") == {}


def test_shown():
    """Shares in per cent, means of quotients in digits."""
    assert (shown("accuracy@1", 0.5), shown("mrr", 0.5)) == ("50.0 %", "0.500")
