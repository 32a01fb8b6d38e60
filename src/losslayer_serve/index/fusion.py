"""One score of two: how near an entry is by meaning, and how many words it shares."""

from collections.abc import Sequence

import numpy as np

from losslayer_serve.index.errors import InputError

GRID = tuple(place / 20 for place in range(21))


def fuse(cosine: np.ndarray, lexical: np.ndarray, weight: float) -> np.ndarray:
    """`weight * cosine + (1 - weight) * lexical`, of any one shape.

    The cosine is in [-1, 1], the lexical score in [0, 1] as `Lexical` scales it. Neither is scaled
    by what else was found, so an entry's score is the same in any company, and a threshold means
    the same for each question.
    """
    return weight * cosine.astype("float64") + (1 - weight) * lexical.astype("float64")


def ranks(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The rank of the right entry, 1 for the first; of equal scores the first place comes first.

    Args:
        scores: `(batch, entry)`.
        right: Place of the right entry, `(batch,)`.

    Returns:
        Integers, `(batch,)`.
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < right[:, None]
    return 1 + ((scores > own) | ((scores == own) & earlier)).sum(axis=1)


def choose_weight(
    cosine: np.ndarray, lexical: np.ndarray, right: np.ndarray, grid: Sequence[float] = GRID
) -> tuple[float, dict[float, float]]:
    """The weight of the cosine with the highest mean reciprocal rank on a development split.

        MRR(weight) = mean over questions of 1 / rank of the right entry by
                      weight * cosine + (1 - weight) * lexical

    Of weights that are equally good the largest is taken.

    Args:
        cosine: `(batch, entry)`.
        lexical: `(batch, entry)`, as `Lexical` scales it.
        right: Place of each question's right entry, `(batch,)`; -1 where it has none, and then
            the question is left out.
        grid: Weights to try, in [0, 1].

    Returns:
        The weight, and the MRR of each.
    """
    asked = right >= 0
    if not asked.any():
        raise InputError(
            "choose_weight: `right` must name a right entry for one question or more. "
            f"Received: {len(right)} questions, none of which has one."
        )
    mrr = {}
    for weight in grid:
        scores = fuse(cosine[asked], lexical[asked], weight)
        mrr[float(weight)] = float((1 / ranks(scores, right[asked])).mean())
    return max(mrr, key=lambda weight: (mrr[weight], weight)), mrr
