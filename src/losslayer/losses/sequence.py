"""Losses over the positions of sequences."""

import typing

from keras import ops

from losslayer.core import check
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import mean
from losslayer.losses.classification import logit_of


class SequenceCrossEntropy(LossLayer):
    """Cross entropy of each token of a sequence, in nats.

        value = logsumexp(logits) - (1 - e) * logits[label] - e * mean over vocab of logits

    with `e` the label smoothing: the target is the label with probability `1 - e + e / vocab`,
    every other word with `e / vocab`.

    Args:
        label_smoothing: `e`, in [0, 1).
        per: "token": a value for each token, all tokens count alike; "sequence": the mean over
            the counted tokens of each sequence, all sequences count alike.

    Call with:
        logits: `(batch, time, vocab)`.
        labels: Integers in [0, vocab), `(batch, time)`; anything where the mask is False.
        mask, sample_weight: `(batch, time)` or `(batch,)`.

    Returns:
        `(values, weights)`, `(batch, time)` each, or `(batch,)` per sequence. There a sequence
        weighs the mean weight of its tokens that count, and one without any weighs 0.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> logits, labels = np.zeros((1, 2, 4), "float32"), np.array([[3, 0]])
    >>> values, weights = SequenceCrossEntropy()(logits, labels, mask=np.array([[True, False]]))
    >>> print(keras.ops.convert_to_numpy(values).round(4), keras.ops.convert_to_numpy(weights))
    [[1.3863 0.    ]] [[1. 0.]]

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing).
    """

    axes: typing.ClassVar[dict] = {"logits": "batch time vocab", "labels": "batch time"}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "logits"}

    def __init__(self, label_smoothing=0.0, per="token", **kwargs):
        super().__init__(**kwargs)
        self.label_smoothing = check.number(
            self, "label_smoothing", label_smoothing, at_least=0, below=1
        )
        self.per = check.choice(self, "per", per, ("token", "sequence"))

    def values(self, logits, labels):
        """Cross entropy of each token."""
        target = logit_of(logits, labels)
        if self.label_smoothing:
            smooth = self.label_smoothing
            target = (1 - smooth) * target + smooth * ops.mean(logits, axis=-1)
        return ops.logsumexp(logits, axis=-1) - target

    def weigh(self, values, weights):
        """Per sequence: the mean over its tokens, and their mean weight."""
        if self.per == "token":
            return values, weights
        counted = ops.sum(ops.cast(ops.not_equal(weights, 0), values.dtype), axis=1)
        total = ops.sum(weights, axis=1)
        return mean(ops.sum(values * weights, axis=1), total), mean(total, counted)
