"""Questions with several right answers: each question counts for all of them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from losslayer.faq.entries import Examples
from losslayer.text import text_ids

# Held-out questions, below which their measures are noise.
FEWEST = 20


def all_right(questions: Sequence[str], right: np.ndarray) -> np.ndarray:
    """What is right for the question of each row, in this row or in another one.

    Questions are the same if their normalised texts are.

    Args:
        questions: Texts.
        right: Numbers >= 0 of what each row says is right, `(batch,)`.

    Returns:
        Integers, `(batch, num_right)`: each row's own, then the others in the order of the rows;
        its own again where there are fewer.

    Example:
        >>> all_right(["Is it free?", "Where?", "is it  free?"], np.array([4, 2, 7])).tolist()
        [[4, 7], [2, 2], [7, 4]]
    """
    numbers = text_ids(questions).tolist()
    known: dict[int, dict[int, None]] = defaultdict(dict)
    for number, one in zip(numbers, right.tolist()):
        known[number][one] = None
    found = np.repeat(right[:, None], max(map(len, known.values()), default=1), axis=1)
    for row, number in enumerate(numbers):
        others = [one for one in known[number] if one != right[row]]
        found[row, 1 : 1 + len(others)] = others
    return found


def held_out(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples | None]:
    """A share of the questions as a development split, and the rest.

    All rows of a question are on one side.

    Returns:
        Both; all, and None, if there would be too few questions to tell anything.
    """
    numbers = text_ids(examples.questions)
    distinct = np.unique(numbers)
    count = round(share * len(distinct))
    if count < FEWEST:
        return examples, None
    drawn = np.random.default_rng((seed, count)).permutation(distinct)[:count]
    held = np.isin(numbers, drawn)
    return _rows(examples, ~held), _rows(examples, held)


def _rows(examples: Examples, kept: np.ndarray) -> Examples:
    rows = np.flatnonzero(kept)
    questions = [examples.questions[row] for row in rows]
    return Examples(questions, examples.right[rows], examples.entries)
