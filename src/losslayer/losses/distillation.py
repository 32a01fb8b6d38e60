"""Losses between what two models say, or one model twice, about the same input."""

import typing

from keras import ops

from losslayer.core import check
from losslayer.core.layer import LossLayer
from losslayer.losses.similarity import direction


class Distillation(LossLayer):
    """Divergence of a student's classes from a teacher's, both softened, in nats.

        p = softmax(teacher_logits / temperature), q = softmax(logits / temperature)
        value = temperature^2 * sum over classes of p * log(p / q)

    The square keeps the size of the gradient when the temperature changes. No gradient goes to the
    teacher. A class that the teacher gives probability 0, a logit of -inf say, adds 0.

    Args:
        temperature: > 0. Above 1 the unlikely classes count more.

    Call with:
        logits: Of the student, `(..., class)`.
        teacher_logits: `(..., class)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: `temperature` is out of its range, or shapes don't match.

    Example:

    >>> teacher = np.log(np.array([[0.75, 0.25]]))
    >>> values, weights = Distillation()(np.zeros((1, 2)), teacher)  # 0.75 log 1.5 + 0.25 log 0.5
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [0.1308]

    Source: Hinton et al. 2015, arXiv:1503.02531, section 2.
    """

    axes: typing.ClassVar[dict] = {"logits": "... class", "teacher_logits": "... class"}
    constants = ("teacher_logits",)

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = check.number(self, "temperature", temperature, above=0)

    def values(self, logits, teacher_logits):
        """Divergence of each element."""
        log_p = ops.log_softmax(teacher_logits / self.temperature, axis=-1)
        log_q = ops.log_softmax(logits / self.temperature, axis=-1)
        p = ops.exp(log_p)
        terms = p * _difference(log_p, log_q, ops.not_equal(p, 0))
        return self.temperature**2 * ops.sum(terms, axis=-1)


class FeatureDistillation(LossLayer):
    """Distance of a student's features from a teacher's.

        value = mean over dim of (features - teacher_features)^2      distance="squared"
        value = 1 - cosine(features, teacher_features)                distance="cosine"

    No gradient goes to the teacher. Where the student has another width, put a Dense layer behind
    its features.

    Args:
        distance: "squared" or "cosine".

    Call with:
        features: Of the student, `(..., dim)`.
        teacher_features: `(..., dim)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: `distance` is neither, or shapes don't match.

    Example:

    >>> values, weights = FeatureDistillation()(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    >>> print(keras.ops.convert_to_numpy(values))
    [2.]

    Source: Romero et al. 2015, arXiv:1412.6550, section 2.2 (squared); Sanh et al. 2019,
    arXiv:1910.01108, section 3 (cosine).
    """

    axes: typing.ClassVar[dict] = {"features": "... dim", "teacher_features": "... dim"}
    constants = ("teacher_features",)

    def __init__(self, distance="squared", **kwargs):
        super().__init__(**kwargs)
        self.distance = check.choice(self, "distance", distance, ("squared", "cosine"))

    def values(self, features, teacher_features):
        """Distance of each element."""
        if self.distance == "squared":
            return ops.mean(ops.square(features - teacher_features), axis=-1)
        return 1 - ops.sum(direction(features) * direction(teacher_features), axis=-1)


class RDrop(LossLayer):
    """Divergence between two passes over the same input with different dropout, in nats.

        p = softmax(logits_a), q = softmax(logits_b)
        value = 1/2 * sum over classes of (p * log(p / q) + q * log(q / p))

    Call the same layers twice on the same input for the two logits. A class that both give
    probability 0 adds 0.

    Call with:
        logits_a: `(..., class)`.
        logits_b: `(..., class)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: shapes don't match.

    Example:

    >>> other = np.log(np.array([[0.75, 0.25]]))
    >>> values, weights = RDrop()(np.zeros((1, 2)), other)  # 1/2 * 0.25 * (log 1.5 - log 0.5)
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [0.1373]

    Source: Liang et al. 2021, arXiv:2106.14448, section 2.
    """

    axes: typing.ClassVar[dict] = {"logits_a": "... class", "logits_b": "... class"}

    def values(self, logits_a, logits_b):
        """Divergence of each element."""
        log_p, log_q = ops.log_softmax(logits_a, axis=-1), ops.log_softmax(logits_b, axis=-1)
        p, q = ops.exp(log_p), ops.exp(log_q)
        difference = _difference(log_p, log_q, ops.not_equal(p + q, 0))
        return 0.5 * ops.sum((p - q) * difference, axis=-1)


def _difference(log_p, log_q, counted):
    """`log_p - log_q` where it counts: -inf less -inf would be NaN."""
    zero = ops.zeros_like(log_p)
    return ops.where(counted, log_p, zero) - ops.where(counted, log_q, zero)
