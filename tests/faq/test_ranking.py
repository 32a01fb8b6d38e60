"""Measures against numbers worked out by hand."""

import numpy as np
import pytest

from losslayer.faq import examples
from losslayer.faq.ranking import baselines, chance, measures


def test_measures_by_hand():
    """Ranks 1, 2, 6, 10: one of four is first, two are among five, MRR is a mean of quotients."""
    found = measures(np.array([1, 2, 6, 10]))
    assert found["accuracy@1"] == 0.25
    assert found["recall@5"] == 0.5
    assert found["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 10) / 4, rel=1e-12)


def test_chance_is_the_mean_of_all_places():
    """Of 77 entries one is right, five are among five."""
    found = chance(77)
    assert found["accuracy@1"] == pytest.approx(1 / 77)
    assert found["recall@5"] == pytest.approx(5 / 77)
    assert found["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 78)) / 77)


def test_baselines_find_an_entry_by_title_or_questions():
    """A word that is only in a training question is found there and not by the titles."""
    train = examples(
        ["where is my card", "card lost", "send euros", "currency please"],
        ["card", "card", "exchange", "exchange"],
    )
    test = examples(["card where", "euros"], ["card", "exchange"])
    found = baselines(train, test)
    assert found["BM25, titles"]["accuracy@1"] == 0.5
    assert found["BM25, single questions"]["accuracy@1"] == 1.0
    assert found["BM25, all questions of an entry"]["accuracy@1"] == 1.0
    assert found["chance"]["accuracy@1"] == 0.5


def test_a_question_without_words():
    """It has a rank all the same: all scores are 0, and the first entry comes first."""
    train = examples(["a card", "euros"], ["card", "exchange"])
    found = baselines(train, examples(["???", "👍"], ["card", "exchange"]))
    assert found["BM25, titles"]["accuracy@1"] == 0.5
