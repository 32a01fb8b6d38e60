"""From which score on an answer is given, so that what is given is right as often as asked for."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from losslayer_serve.index.errors import InputError


class Threshold(NamedTuple):
    """A threshold, and what is known about it from the questions it was chosen on.

    Args:
        value: Scores from here on are accepted. None: the target was not reached, no score is.
        target: The precision that was asked for.
        precision: Share of right answers among the accepted ones; NaN-free: 0 where there are none.
        low: Lower end of the precision's interval.
        high: Its upper end.
        confidence: Of the interval.
        accepted: Number of questions accepted.
        questions: Number of questions.
    """

    value: float | None
    target: float
    precision: float
    low: float
    high: float
    confidence: float
    accepted: int
    questions: int

    def __str__(self) -> str:
        if self.value is None:
            return (
                f"no score reaches a precision of {self.target:.1%} on these {self.questions} "
                "questions: no answer will be accepted"
            )
        return (
            f"scores from {self.value:.4f} on are accepted: {self.accepted} of {self.questions} "
            f"questions, {self.precision:.1%} of them right ({self.confidence:.0%} interval "
            f"{self.low:.1%} to {self.high:.1%}, target {self.target:.1%})"
        )


def choose_threshold(
    scores: np.ndarray,
    correct: np.ndarray,
    target: float,
    confidence: float = 0.95,
    cautious: bool = False,
) -> Threshold:
    """The lowest threshold whose precision on a development split reaches the target.

        precision(t) = right answers with a score >= t / answers with a score >= t

    The lowest one leaves the fewest questions without an answer. It is chosen among many for its
    precision here, so on other questions the precision tends to be a little lower; with `cautious`
    the lower end of the interval has to reach the target, not the precision itself.

    Args:
        scores: Score of each question's first hit, `(batch,)`.
        correct: Whether that hit is right, `(batch,)`; False for a question that has no answer.
        target: Precision, in (0, 1].
        confidence: Of the interval, in (0, 1).
        cautious: Ask it of the interval's lower end.
    """
    scores, correct = np.asarray(scores, "float64"), np.asarray(correct, bool)
    if scores.ndim != 1 or scores.shape != correct.shape or not np.isfinite(scores).all():
        raise InputError(
            "choose_threshold: `scores` and `correct` must be of one length, scores finite. "
            f"Received: shapes {scores.shape} and {correct.shape}."
        )
    if not 0 < target <= 1 or not 0 < confidence < 1:
        raise InputError(
            "choose_threshold: `target` must be in (0, 1], `confidence` in (0, 1). "
            f"Received: target={target}, confidence={confidence}."
        )
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(correct[order])
    ordered = scores[order]
    # A threshold takes all questions of one score or none: the last place of each score counts.
    for place in np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(scores)])[::-1]:
        accepted = int(place) + 1
        precision = int(right[place]) / accepted
        low, high = wilson(int(right[place]), accepted, confidence)
        if (low if cautious else precision) >= target:
            value = float(ordered[place])
            return Threshold(value, target, precision, low, high, confidence, accepted, len(scores))
    return Threshold(None, target, 0.0, 0.0, 1.0, confidence, 0, len(scores))


def wilson(right: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share.

    These are all `p` with `|right / count - p| <= z sqrt(p (1 - p) / count)`, where `z` is the
    normal quantile of `(1 + confidence) / 2`. It holds its confidence well on average where such
    shares are, near 1 and of few questions (the plain normal interval doesn't), and is narrower
    than the exact one (Clopper-Pearson), which holds more than it says.

    Args:
        right: Successes.
        count: Trials, 1 or more.
        confidence: In (0, 1).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * (share * (1 - share) / count + spread / count / 4) ** 0.5 / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
