"""Mining: the nearest wrong titles, against loops."""

import numpy as np
import pytest

from losslayer.faq import mining, ranking
from losslayer.faq.mining import nearest_wrong, share_of_new
from losslayer_serve.vectors import unit


def vectors(seed, count):
    return unit(np.random.default_rng(seed).normal(size=(count, 6))).astype("float32")


QUESTIONS, TITLES = vectors(0, 23), vectors(1, 11)
RIGHT = np.random.default_rng(2).integers(0, 11, (23, 3))


def by_hand(nearest, margin):
    rows = []
    for row, question in enumerate(QUESTIONS):
        scores = {place: float(question @ title) for place, title in enumerate(TITLES)}
        own = scores[RIGHT[row, 0]]
        left = [
            place
            for place in sorted(scores, key=scores.__getitem__, reverse=True)
            if place not in RIGHT[row] and (margin is None or scores[place] <= own + margin)
        ]
        rows.append((left + [-1] * nearest)[:nearest])
    return np.array(rows)


@pytest.mark.parametrize("block", [1, 5, 1000])
@pytest.mark.parametrize("margin", [None, 0.3, 0.0])
def test_nearest_wrong_against_a_loop(margin, block, monkeypatch):
    """Nothing right, nothing above the margin; -1 where there are fewer; any block of questions."""
    monkeypatch.setattr(mining, "_SCORES", block * len(TITLES))
    found = nearest_wrong(QUESTIONS, TITLES, RIGHT, 4, margin)
    assert found.dtype == "int32"
    np.testing.assert_array_equal(found, by_hand(4, margin))
    assert (found < 0).any() == (margin is not None)


def test_more_than_there_are():
    """As many places as titles at most."""
    found = nearest_wrong(QUESTIONS, TITLES, RIGHT, 99)
    np.testing.assert_array_equal(found, by_hand(11, None))


def test_share_of_new_against_sets(monkeypatch):
    """Of what is found now, what was not found before; places that are empty don't count."""
    generator = np.random.default_rng(3)
    before, now = (np.stack([generator.permutation(7)[:4] for _ in range(9)]) for _ in range(2))
    before[0], now[1, 2:], before[2, 1:], now[3] = -1, -1, -1, -1
    new = [len(set(row) - {-1} - set(old)) for row, old in zip(now, before, strict=True)]
    assert share_of_new(before, now) == pytest.approx(sum(new) / (now >= 0).sum())
    assert share_of_new(now, now) == 0
    assert share_of_new(before, np.full((9, 4), -1)) == 0


@pytest.mark.parametrize("block", [1, 4, 1000])
def test_first_ranks_against_a_loop(block, monkeypatch):
    """The place of the best of a question's right entries; of equal scores the first is first."""
    monkeypatch.setattr(ranking, "_SCORES", block * len(TITLES))
    titles = TITLES.copy()
    titles[[3, 9]] = titles[5]
    expected = []
    for row, question in enumerate(QUESTIONS):
        scores = (question[None] @ titles.T)[0]
        order = np.argsort(-scores, kind="stable").tolist()
        expected.append(1 + min(order.index(place) for place in RIGHT[row]))
    np.testing.assert_array_equal(ranking.first_ranks(QUESTIONS, titles, RIGHT), expected)
