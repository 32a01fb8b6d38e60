"""Losses over classes."""

import typing

from keras import ops

from losslayer.core import check
from losslayer.core.errors import refuse
from losslayer.core.layer import LossLayer


class Focal(LossLayer):
    """Cross entropy that looks away from what is already right.

        value = alpha * (1 - p)^gamma * -log(p)

    with `p` the probability given to the true class. `gamma` 0 is plain cross entropy.

    Args:
        gamma: How strongly easy examples are discounted, >= 0.
        alpha: Factor per class: a tuple with a number for each class; for two-class logits
            without a class axis one number, the factor of class 1 (class 0 has `1 - alpha`).
            Default: 1 for all.

    Call with:
        logits: `(..., class)`; or `(...)` for two classes, the log-odds of class 1.
        labels: Integers, `(...)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> logits, labels = np.array([0.0, 0.0], "float32"), np.array([1, 0])
    >>> values, weights = Focal(gamma=2.0, alpha=0.75)(logits, labels)
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [0.13   0.0433]

    Source: Lin et al. 2017, arXiv:1708.02002, equation 5.
    """

    axes: typing.ClassVar[dict] = {"logits": "... [class]", "labels": "..."}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "logits"}

    def __init__(self, gamma=2.0, alpha=None, **kwargs):
        super().__init__(**kwargs)
        self.gamma = check.number(self, "gamma", gamma, at_least=0)
        several = isinstance(alpha, (tuple, list))
        for factor in (alpha if several else [alpha]) if alpha is not None else []:
            check.number(self, "alpha", factor, at_least=0, at_most=None if several else 1)
        self.alpha = tuple(alpha) if several else alpha

    def values(self, logits, labels):
        """Focal loss of each element."""
        binary = len(logits.shape) == len(labels.shape)
        if (self.alpha is not None) and binary == isinstance(self.alpha, tuple):
            rule = "be one number when logits have no class axis, a tuple per class when they have"
            refuse(self, "alpha", rule, self.alpha)
        if isinstance(self.alpha, tuple) and logits.shape[-1] != len(self.alpha):
            rule = f"have a number for each of {logits.shape[-1]} classes"
            refuse(self, "alpha", rule, self.alpha)
        if binary:
            odds = ops.where(ops.equal(labels, 1), logits, -logits)
        else:
            odds = _log_odds(logits, labels)
        log_p, log_rest = ops.log_sigmoid(odds), ops.log_sigmoid(-odds)
        value = -ops.exp(self.gamma * log_rest) * log_p if self.gamma else -log_p
        if self.alpha is None:
            return value
        factors = [1.0 - self.alpha, self.alpha] if binary else self.alpha  # type: ignore[operator]
        return ops.take(ops.convert_to_tensor(factors, value.dtype), labels) * value


def logit_of(logits, labels):
    """The logit of each element's label: `(..., class)` and `(...)` to `(...)`."""
    return ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1), -1)


def _log_odds(logits, labels):
    """log(p / (1 - p)) of the labelled class: of it neither p nor 1 - p is rounded away."""
    labelled = ops.one_hot(labels, logits.shape[-1], dtype="bool")
    others = ops.where(labelled, -float("inf"), logits)
    return logit_of(logits, labels) - ops.logsumexp(others, axis=-1)
