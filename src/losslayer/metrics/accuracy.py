"""Accuracy."""

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.reduction import ExactMean


@keras.saving.register_keras_serializable(package="losslayer")
class MaskedAccuracy(ExactMean):
    """The share of counted elements whose largest logit is their label's.

        result = sum(weights * [argmax(logits) == labels]) / sum(weights)

    Labels are compared as integers, whatever their size, and what stands where the weight is 0
    is not read.

    `update_state` takes `labels` `(...)`, `logits` `(..., class)`, and as `sample_weight` a mask
    or weights with leading axes of `labels`. For the accuracy of whole sequences, multiply the
    correctness of their tokens yourself.

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
        guess = ops.cast(ops.argmax(logits, axis=-1), "int32")
        super().update_state(ops.equal(guess, ops.cast(labels, "int32")), sample_weight)
