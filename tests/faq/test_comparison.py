"""Two models compared, against SciPy and a whole enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from losslayer.faq.comparison import compare, randomisation_test
from losslayer.faq.evaluation import Result
from losslayer.text import TableError


def results(ranks, entry="a"):
    return [Result(f"q{row}", entry, "", "", row, rank, True, []) for row, rank in enumerate(ranks)]


def test_a_comparison_by_hand():
    """Differences are means of B minus A; those that changed sides are listed with both."""
    found = compare(results([1, 2, 1, 4]), results([1, 1, 2, None]))
    assert found.questions == 4
    mrr = found.differences["mrr"]
    assert (mrr.a, mrr.b) == pytest.approx(((1 + 1 / 2 + 1 + 1 / 4) / 4, (1 + 1 + 1 / 2) / 4))
    assert mrr.difference == pytest.approx(mrr.b - mrr.a)
    assert found.differences["accuracy@1"].difference == 0
    assert [one.question for one, _ in found.gained] == ["q1"]
    assert [one.question for one, _ in found.lost] == ["q2"]
    assert found.gained[0][1].rank == 1


def test_the_same_model_is_no_different():
    """No difference, an interval without width, p = 1."""
    found = compare(results([1, 2, 3]), results([1, 2, 3])).differences["mrr"]
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_all_signs_tried():
    """The share of all 2^10 signs whose mean is as large, which random ones come near."""
    differences = np.random.default_rng(3).normal(0.4, 1, 10)
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=10)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
    [found] = randomisation_test(differences[:, None])
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (30, 14), (5, 5)])
def test_accuracy_is_mcnemars(better, worse):
    """The exact binomial test of how many of the changed questions got better."""
    exact = stats.binomtest(better, better + worse).pvalue
    a = [2] * better + [1] * worse + [1] * 40
    b = [1] * better + [2] * worse + [1] * 40
    found = compare(results(a), results(b)).differences["accuracy@1"].p
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999) + 2e-4)


def test_chance_is_found_significant_as_often_as_it_should():
    """Of many pairs of equal models about 5 in 100 have p <= 0.05."""
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(60, 200))
    p = randomisation_test(differences, flips=999)
    assert 0.01 <= (p <= 0.05).mean() <= 0.1


def test_the_interval_is_that_of_the_pairs():
    """Two models that differ by the same step on each question: the interval has no width."""
    found = compare(results([2, 2, 2, 2]), results([1, 1, 1, 1])).differences["mrr"]
    assert (found.low, found.high) == (0.5, 0.5)


def test_other_questions_are_refused():
    """Other texts, other right entries, other numbers, none with an answer."""
    with pytest.raises(TableError, match="the same questions are needed. Received: 2 and 1"):
        compare(results([1, 1]), results([1]))
    with pytest.raises(TableError, match=r"Received: 'q0' \(a\) and 'q0' \(b\)"):
        compare(results([1]), results([1], entry="b"))
    with pytest.raises(TableError, match="no entry answers any"):
        compare(results([None], entry=None), results([None], entry=None))
