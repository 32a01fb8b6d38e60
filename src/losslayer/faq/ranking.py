"""How well scores rank the right entry, and the scores of simple methods."""

from collections.abc import Callable

import numpy as np

from losslayer.faq.entries import Examples
from losslayer_serve.index.lexical import Lexical

# Scores that are in memory at a time: 64 MB of float32.
_SCORES = 2**24


def ranks(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The place of the right entry, 1 for the first, when entries are sorted by score.

    Of entries with the same score, the one with the smaller number comes first.

    Args:
        scores: `(batch, entry)`, larger is nearer.
        right: Number of the right entry, `(batch,)`.

    Returns:
        Integers, `(batch,)`.
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    before = np.arange(scores.shape[1]) < right[:, None]
    return 1 + ((scores > own) | ((scores == own) & before)).sum(axis=1)


def first_ranks(questions: np.ndarray, entries: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The place of the first right entry, when entries are sorted by cosine.

    Only a block of questions is scored at a time.

    Args:
        questions: Unit vectors, `(batch, dim)`.
        entries: Unit vectors, `(entry, dim)`.
        right: Numbers of the right entries, `(batch, num_right)`; any may stand there repeatedly.

    Returns:
        Integers, `(batch,)`.
    """
    right = np.sort(right, axis=1)
    block = max(1, _SCORES // len(entries))
    found = []
    for start in range(0, len(questions), block):
        rows = slice(start, start + block)
        scores = questions[rows] @ entries.T
        best = np.take_along_axis(scores, right[rows], axis=1).argmax(axis=1)
        first = np.take_along_axis(right[rows], best[:, None], axis=1)[:, 0]
        found.append(ranks(scores, first))
    return np.concatenate(found)


def measures(rank: np.ndarray) -> dict[str, float]:
    """accuracy@1, recall@5 and mean reciprocal rank of ranks that begin with 1."""
    return {
        "accuracy@1": float(np.mean(rank == 1)),
        "recall@5": float(np.mean(rank <= 5)),
        "mrr": float(np.mean(1.0 / rank)),
    }


def chance(entries: int) -> dict[str, float]:
    """What a random order of the entries has on average."""
    return measures(np.arange(1, entries + 1))


def baselines(train: Examples, test: Examples) -> dict[str, dict[str, float]]:
    """Measures on `test` of methods that learn nothing, by name.

    BM25 finds an entry by its title, by its single nearest training question, or
    by all its training questions put together.
    """
    titles = Lexical([entry.title for entry in train.entries])
    order = np.argsort(train.right, kind="stable")
    starts = np.searchsorted(train.right[order], np.arange(len(train.entries)))
    singles = Lexical([train.questions[row] for row in order])
    together = Lexical(
        [" ".join(train.questions[row] for row in rows) for rows in np.split(order, starts[1:])]
    )

    def measured(scores: Callable[[str], np.ndarray]) -> dict[str, float]:
        return measures(ranks(np.stack([*map(scores, test.questions)]), test.right))

    return {
        "BM25, all questions of an entry": measured(together.scores),
        "BM25, single questions": measured(
            lambda question: np.maximum.reduceat(singles.scores(question), starts)
        ),
        "BM25, titles": measured(titles.scores),
        "chance": chance(len(train.entries)),
    }
