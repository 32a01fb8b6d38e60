"""Accuracy, of elements and of whole sequences."""

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.reduction import ExactMean, like, mean_of_counted


@keras.saving.register_keras_serializable(package="losslayer")
class MaskedAccuracy(ExactMean):
    """The share of counted elements whose largest logit is their label's.

        result = sum(weights * [argmax(logits) == labels]) / sum(weights)

    Labels are compared as integers, whatever their size, and what stands where the weight is 0
    is not read.

    `update_state` takes `labels` `(...)`, `logits` `(..., class)`, and as `sample_weight` a mask
    or weights with leading axes of `labels`.

    Example:

    >>> metric = MaskedAccuracy()
    >>> logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> metric.update_state(np.array([1, 1, -1]), logits, sample_weight=[True, True, False])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, labels, logits, sample_weight=None):  # type: ignore[override]
        """Add the elements of a batch."""
        labels, logits = ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)
        if len(labels.shape) == len(logits.shape) and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, axis=-1)
        check.axes(
            self,
            {"labels": "...", "logits": "... class"},
            {"labels": labels.shape, "logits": logits.shape},
        )
        super().update_state(_right(labels, logits), sample_weight)


@keras.saving.register_keras_serializable(package="losslayer")
class SequenceAccuracy(ExactMean):
    """The share of sequences all of whose counted tokens are right.

        right_i = 1 if argmax(logits_it) == labels_it for every t with a weight, else 0
        result = sum(weights * right) / sum(weights)

    over all sequences of all batches. A sequence weighs the mean weight of its tokens that count,
    so with a mask each counts once, and one without any counted token not at all.

    `update_state` takes `labels` `(batch, time)`, `logits` `(batch, time, class)`, and as
    `sample_weight` a mask or weights, `(batch, time)` or `(batch,)`.

    Example:

    >>> metric = SequenceAccuracy()
    >>> logits = np.array([[[0.1, 0.9], [0.8, 0.2]], [[0.3, 0.7], [0.6, 0.4]]])
    >>> metric.update_state(np.array([[1, 0], [1, 1]]), logits)
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name="sequence_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, labels, logits, sample_weight=None):  # type: ignore[override]
        """Add the sequences of a batch."""
        labels, logits = ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)
        check.axes(
            self,
            {"labels": "batch time", "logits": "batch time class"},
            {"labels": labels.shape, "logits": logits.shape},
        )
        right = ops.cast(_right(labels, logits), self.dtype)
        weights = like(sample_weight, right, owner=type(self).__name__)
        counted = ops.not_equal(weights, 0)
        all_right = ops.all(
            ops.logical_or(ops.not_equal(right, 0), ops.logical_not(counted)), axis=1
        )
        super().update_state(all_right, mean_of_counted(weights))


def _right(labels, logits):
    """Whether each element's largest logit is its label's."""
    guess = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.equal(guess, ops.cast(labels, "int32"))
