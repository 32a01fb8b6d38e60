"""Figures of many results, each with an interval that says how much chance is in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from losslayer.faq.evaluation import Result, values
from losslayer_serve.index.threshold import wilson

# Resamplings of the questions, their seed, and the share of them that an interval holds.
SAMPLES = 2000
SEED = 0
CONFIDENCE = 0.95
# Of scores between 0 and 1, all of one width.
BINS = 15


class Figure(NamedTuple):
    """A value; its interval, where it has one; and the number of questions it is of."""

    value: float
    low: float | None
    high: float | None
    questions: int


class Bin(NamedTuple):
    """Questions whose first hit has a score in one range.

    Attributes:
        low: Of the range.
        high: Of the range; belongs to the next one.
        questions: How many.
        score: The mean of their scores.
        right: The share of them whose first hit is right.
    """

    low: float
    high: float
    questions: int
    score: float
    right: float


def bootstrap(columns: np.ndarray, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap intervals of means over questions.

    Questions are drawn with replacement, as many as there are, and the mean is taken; of many such
    means the interval leaves out the smallest and largest 2.5 % (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13). The seed is fixed.

    Args:
        columns: `(question, column)`.
        samples: How often to draw.

    Returns:
        Lower and upper ends, `(column,)`.
    """
    generator = np.random.default_rng(SEED)
    count = len(columns)
    means = np.empty((samples, columns.shape[1]))
    for row in range(samples):
        drawn = np.bincount(generator.integers(count, size=count), minlength=count)
        means[row] = drawn @ columns / count
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


def figures(results: Sequence[Result]) -> dict[str, Figure]:
    """All figures of some results, by name.

    - accuracy@1, recall@5, recall@10, mrr, ndcg: means over the questions that an entry answers,
      with bootstrap intervals;
    - coverage: the share of all questions whose first hit is accepted, likewise;
    - precision: the share of right ones among these hits, with Wilson's interval (the bootstrap's
      has no width where all are right); a question that no entry answers counts as wrong;
    - refused: the share of the questions that no entry answers for which no hit is accepted,
      likewise;
    - ece: `expected_calibration_error`.

    A figure of no questions is left out.
    """
    found = {}
    if any(one.entry is not None for one in results):
        found.update(_means(values(results)))
    accepted = np.array([one.accepted for one in results], "float64")
    found.update(_means({"coverage": accepted}))
    taken = [one for one in results if one.accepted]
    unanswerable = [one for one in results if one.entry is None]
    if taken:
        found["precision"] = _share(sum(one.right for one in taken), len(taken))
    if unanswerable:
        refused = sum(not one.accepted for one in unanswerable)
        found["refused"] = _share(refused, len(unanswerable))
    ece = expected_calibration_error(calibration(results))
    found["ece"] = Figure(ece, None, None, len(results))
    return found


def by(results: Sequence[Result], column: str) -> dict[str, dict[str, Figure]]:
    """The rank figures for each value of `group` or `language`; empty where no question has one."""
    named: dict[str, list[Result]] = {}
    for one in results:
        if one.entry is not None:
            named.setdefault(getattr(one, column), []).append(one)
    if not any(named):
        return {}
    return {name: _means(values(some)) for name, some in sorted(named.items())}


def calibration(results: Sequence[Result]) -> list[Bin]:
    """For 15 ranges of the first hit's score: how many questions, and how many of them right.

    A score below 0 counts as 0. Ranges without a question are left out.
    """
    scores = np.clip([one.score for one in results], 0, 1)
    right = np.array([one.right for one in results])
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            int(at.sum()),
            float(scores[at].mean()),
            float(right[at].mean()),
        )
        for number in range(BINS)
        if (at := place == number).any()
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """How far scores are from being the probability that the first hit is right.

        ECE = sum over bins of (questions in the bin / questions) |share right - mean score|

    (Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.)
    """
    total = sum(one.questions for one in bins)
    return sum(one.questions * abs(one.right - one.score) for one in bins) / total


def _means(columns: dict[str, np.ndarray]) -> dict[str, Figure]:
    stacked = np.stack([*columns.values()], axis=1)
    low, high = bootstrap(stacked)
    return {
        name: Figure(float(mean), float(least), float(most), len(stacked))
        for name, mean, least, most in zip(columns, stacked.mean(axis=0), low, high)
    }


def _share(right: int, count: int) -> Figure:
    return Figure(right / count, *wilson(right, count, CONFIDENCE), count)


def shown(name: str, value: float) -> str:
    """A figure to read: shares in per cent, the others with three digits."""
    return f"{value:.3f}" if name in ("mrr", "ndcg", "ece") else f"{100 * value:.1f} %"
