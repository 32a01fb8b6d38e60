"""Two models on the same questions: what differs, and whether chance explains it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from losslayer.faq.evaluation import Result, values
from losslayer.faq.figures import SEED, bootstrap
from losslayer.text import TableError

FLIPS = 9999
CHUNK = 100


class Difference(NamedTuple):
    """A measure of two models, B minus A.

    Attributes:
        a: Of the first model.
        b: Of the second.
        difference: `b - a`.
        low: Lower end of its 95 % interval.
        high: Its upper end.
        p: How often a difference as large comes about where the two are no different.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        questions: How many were compared: those that an entry answers.
        differences: By name of the measure.
        gained: Pairs of results of which the second has the right entry first, the first hasn't.
        lost: The other way round.
    """

    questions: int
    differences: dict[str, Difference]
    gained: list[tuple[Result, Result]]
    lost: list[tuple[Result, Result]]


def compare(a: Sequence[Result], b: Sequence[Result]) -> Comparison:
    """Compare two models by what they found for the same questions.

    The intervals are those of a paired bootstrap: questions are drawn, and with them the results of
    both models.

    Raises:
        TableError: If the questions or their right entries differ, or no entry answers any.
    """
    pairs = list(zip(a, b))
    if len(a) != len(b):
        raise TableError(f"compare: the same questions are needed. Received: {len(a)} and {len(b)}")
    for one, other in pairs:
        if (one.question, one.entry) != (other.question, other.entry):
            raise TableError(
                "compare: the same questions are needed. Received: "
                f"{one.question!r:.60} ({one.entry}) and {other.question!r:.60} ({other.entry})"
            )
    ours, theirs = values(a), values(b)
    first = np.stack([*ours.values()], axis=1)
    second = np.stack([*theirs.values()], axis=1)
    if not len(first):
        raise TableError("compare: no entry answers any of these questions")
    change = second - first
    low, high = bootstrap(change)
    p = randomisation_test(change)
    rows = zip(ours, first.mean(axis=0), second.mean(axis=0), change.mean(axis=0), low, high, p)
    return Comparison(
        len(change),
        {name: Difference(*map(float, row)) for name, *row in rows},
        [pair for pair in pairs if pair[1].right and not pair[0].right],
        [pair for pair in pairs if pair[0].right and not pair[1].right],
    )


def randomisation_test(differences: np.ndarray, flips: int = FLIPS) -> np.ndarray:
    """Two-sided p-values of paired differences by Fisher's randomisation test.

    If the two models were no different, each question's difference could as well have the other
    sign. So signs are drawn at random, and

        p = (1 + number of draws with |mean| >= |mean observed|) / (1 + draws)

    For differences of -1, 0 and 1, as accuracy@1 has, this is McNemar's exact test, but for the
    drawing (Smucker, Allan, Carterette, CIKM 2007, compare such tests). The seed is fixed.

    Args:
        differences: `(question, column)`.
        flips: How often to draw.

    Returns:
        `(column,)`.
    """
    generator = np.random.default_rng(SEED)
    changed = differences[(differences != 0).any(axis=1)]
    observed = np.abs(changed.sum(axis=0))
    as_large = np.zeros(differences.shape[1])
    for start in range(0, flips, CHUNK):
        shape = (min(CHUNK, flips - start), len(changed))
        signs = 2.0 * generator.integers(2, size=shape) - 1
        # Sums that are equal on paper may differ in their last digits.
        as_large += (np.abs(signs @ changed) >= observed - 1e-9).sum(axis=0)
    return (1 + as_large) / (1 + flips)
