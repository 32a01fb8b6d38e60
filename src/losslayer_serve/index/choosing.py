"""Weight and threshold of an index, chosen on a development split."""

from collections.abc import Sequence

import numpy as np

from losslayer_serve.index.errors import InputError
from losslayer_serve.index.fusion import GRID, fuse, ranks
from losslayer_serve.index.index import Index
from losslayer_serve.index.ranking import Ranking
from losslayer_serve.index.threshold import choose_threshold

# Questions whose scores are held at once.
CHUNK = 64


def choose_ranking(
    index: Index,
    texts: Sequence[str],
    vectors: np.ndarray,
    right: Sequence[str | None],
    target: float,
    *,
    grid: Sequence[float] = GRID,
    cautious: bool = False,
) -> tuple[Ranking, dict[float, float]]:
    """The weight by mean reciprocal rank, then the threshold for a target precision.

    Store it with `index.set_ranking`.

    Args:
        index: Whose entries are to be found.
        texts: Questions of a development split.
        vectors: Theirs, of length 1, `(batch, dim)`.
        right: The id of each question's right entry; None where no entry answers it. Such
            questions count for the threshold alone, and the more there are like those that
            people will ask, the better it is.
        target: Share of the accepted answers that is to be right, in (0, 1].
        grid: Weights of the cosine to try, in [0, 1]; `(1.0,)` leaves BM25 out.
        cautious: As in `choose_threshold`.

    Returns:
        The ranking, and the MRR of each weight.
    """
    place = {entry.id: place for place, entry in enumerate(index.entries)}
    unknown = [id for id in right if id is not None and id not in place]
    if unknown or len(right) != len(texts) or not any(id is not None for id in right):
        raise InputError(
            "choose_ranking: `right` must hold an entry's id, or None, for each of the "
            f"{len(texts)} questions, and one id at least. Received: {len(right)} of which "
            f"{len(unknown)} are ids that no entry has{f': {unknown[0]!r}' if unknown else ''}."
        )
    asked = [row for row, id in enumerate(right) if id is not None]
    sums = np.zeros(len(grid))
    for start in range(0, len(asked), CHUNK):
        rows = asked[start : start + CHUNK]
        cosine, lexical = index.scores([texts[row] for row in rows], np.asarray(vectors)[rows])
        places = np.array([place[right[row] or ""] for row in rows])
        for number, weight in enumerate(grid):
            sums[number] += (1 / ranks(fuse(cosine, lexical, weight), places)).sum()
    mrr = dict(zip(map(float, grid), (sums / len(asked)).tolist()))
    weight = max(mrr, key=lambda weight: (mrr[weight], weight))
    # The scores that a search returns, with all that it leaves out.
    first = [hits[0] for hits in index.search(texts, vectors, 1, ranking=Ranking(weight))]
    scores = np.array([hit.score for hit in first])
    correct = np.array([hit.id == id for hit, id in zip(first, right)])
    return Ranking(weight, choose_threshold(scores, correct, target, cautious=cautious)), mrr
