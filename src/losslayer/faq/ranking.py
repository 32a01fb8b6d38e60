"""How well scores rank the right entry, and the scores of simple methods."""

import re
from collections.abc import Sequence

import numpy as np

from losslayer.faq.entries import Examples


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


def words(text: str) -> list[str]:
    """The tokens that BM25 counts: runs of letters and digits, in lower case."""
    return re.findall(r"\w+", text.lower())


def bm25_scores(texts: Sequence[str], questions: Sequence[str]) -> np.ndarray:
    """BM25 of each question against each text, `(question, text)`: Lucene's, k1 1.5, b 0.75."""
    import bm25s  # here: it starts JAX, and keras.distribution.initialize() must come before that

    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    index.index([words(text) for text in texts], show_progress=False)
    return np.stack([index.get_scores(words(question)) for question in questions])


def baselines(train: Examples, test: Examples) -> dict[str, dict[str, float]]:
    """Measures on `test` of methods that learn nothing, by name.

    BM25 finds an entry by its title, by its single nearest training question, or
    by all its training questions put together.
    """
    titles = bm25_scores([entry.title for entry in train.entries], test.questions)
    order = np.argsort(train.right, kind="stable")
    starts = np.searchsorted(train.right[order], np.arange(len(train.entries)))
    singles = bm25_scores([train.questions[row] for row in order], test.questions)
    together = [
        " ".join(train.questions[row] for row in rows) for rows in np.split(order, starts[1:])
    ]
    return {
        "BM25, all questions of an entry": measures(
            ranks(bm25_scores(together, test.questions), test.right)
        ),
        "BM25, single questions": measures(
            ranks(np.maximum.reduceat(singles, starts, axis=1), test.right)
        ),
        "BM25, titles": measures(ranks(titles, test.right)),
        "chance": chance(len(train.entries)),
    }
