"""The nearest wrong titles of each question, for any number of both."""

import numpy as np

# Scores that are in memory at a time: 64 MB of float32.
_SCORES = 2**24


def nearest_wrong(
    questions: np.ndarray,
    titles: np.ndarray,
    right: np.ndarray,
    nearest: int,
    margin: float | None = None,
) -> np.ndarray:
    """Titles that are near a question, and not right for it.

    Only a block of questions is scored at a time.

    Args:
        questions: Unit vectors, `(batch, dim)`.
        titles: Unit vectors of different texts, `(text, dim)`.
        right: Titles that are right for each question, its own first, `(batch, num_right)`.
        nearest: How many to find for each.
        margin: Titles that are nearer than the question's own by more than this are left out:
            they may be right too. None: they are not.

    Returns:
        int32, `(batch, nearest)`: numbers of titles, the nearest first; -1 where there are fewer.
    """
    nearest = min(nearest, len(titles))
    found = np.full((len(questions), nearest), -1, "int32")
    block = max(1, _SCORES // len(titles))
    for start in range(0, len(questions), block):
        rows = slice(start, start + block)
        scores = questions[rows] @ titles.T
        own = np.take_along_axis(scores, right[rows, :1], axis=1)
        np.put_along_axis(scores, right[rows], -np.inf, axis=1)
        if margin is not None:
            scores[scores > own + margin] = -np.inf
        best = np.argpartition(-scores, nearest - 1, axis=1)[:, :nearest]
        near = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        best, near = (np.take_along_axis(part, order, axis=1) for part in (best, near))
        found[rows] = np.where(np.isneginf(near), -1, best)
    return found


def share_of_new(before: np.ndarray, now: np.ndarray) -> float:
    """Share of what `nearest_wrong` found now that it had not found before; 0 if it found none."""
    new = found = 0
    for start in range(0, len(now), 4096):  # a comparison for each pair of a row
        rows = slice(start, start + 4096)
        is_new = (now[rows, :, None] != before[rows, None, :]).all(axis=2) & (now[rows] >= 0)
        new, found = new + int(is_new.sum()), found + int((now[rows] >= 0).sum())
    return new / max(found, 1)
