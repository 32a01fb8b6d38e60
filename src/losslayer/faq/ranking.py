"""How well scores rank the right entry, and the scores of simple methods."""

from collections.abc import Callable

import numpy as np

from losslayer.faq.entries import Examples
from losslayer_serve.index.fusion import ranks
from losslayer_serve.index.lexical import Lexical

# Scores that are in memory at a time: 64 MB of float32.
_SCORES = 2**24


def per_question(rank: np.ndarray) -> dict[str, np.ndarray]:
    """What the rank of its one right entry says about each question.

        accuracy@1   1 if the rank is 1
        recall@k     1 if the rank is at most k (recall@1 is accuracy@1)
        mrr          1 / rank, the reciprocal rank
        ndcg         1 / log2(1 + rank): discounted gain, of which the best is 1

    Args:
        rank: 1 for the first, infinite where the entry was not found, `(batch,)`.

    Returns:
        float64 arrays `(batch,)`. Their means are the measures.
    """
    rank = np.asarray(rank, "float64")
    return {
        "accuracy@1": (rank == 1).astype("float64"),
        "recall@5": (rank <= 5).astype("float64"),
        "recall@10": (rank <= 10).astype("float64"),
        "mrr": 1 / rank,
        "ndcg": 1 / np.log2(1 + rank),
    }


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
    """The means of `per_question`."""
    return {name: float(values.mean()) for name, values in per_question(rank).items()}


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
