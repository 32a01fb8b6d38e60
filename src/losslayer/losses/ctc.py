"""Losses over labels that no one has aligned with the frames of their sequence."""

import typing

from keras import ops

from losslayer import kernels
from losslayer.core import check, ids
from losslayer.core.errors import refuse
from losslayer.core.layer import LossLayer


class CTC(LossLayer):
    """Connectionist temporal classification: cross entropy of labels without an alignment.

        value = -log of the sum, over all alignments, of prod over frames of p(frame's class)

    in nats, with `p` the softmax of the logits. An alignment gives each frame a label or the blank;
    without repetitions, then without blanks, it reads as the labels. So equal neighbours need a
    blank between them, and `label` labels at least `label + equal neighbours` frames. A sequence
    that is too short for that has no alignment, its value would be infinite: it gets value 0 and
    weight 0, as if it were masked.

    No labels are all blanks. What stands beyond the lengths is not read; `ll.Model` refuses, before
    the first step, lengths beyond their arrays, and labels that are blanks or no class. The masks
    that Keras attached to the inputs are not used: the lengths say what they would.

    Args:
        blank: The class that stands for no label.

    Call with:
        logits: `(batch, time, class)`.
        labels: Integers in [0, class) except `blank`, `(batch, label)`.
        logit_lengths: Integers in [0, time], how many frames count, `(batch,)`.
        label_lengths: Integers in [0, label], how many labels count, `(batch,)`.
        mask, sample_weight: `(batch,)`.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: `blank` is no class, or shapes don't match.
        ArgumentTypeError: labels or lengths are no integers.

    Example:

    >>> logits = np.zeros((2, 3, 2), "float32")  # 8 paths of 3 frames, each as likely
    >>> labels = np.array([[1, 1], [1, 0]])  # "11" is 1 path; "1" is 111 110 011 100 010 001
    >>> lengths = np.array([3, 3]), np.array([2, 1])
    >>> values, weights = CTC()(logits, labels, *lengths)
    >>> print(np.exp(-keras.ops.convert_to_numpy(values)).round(4))
    [0.125 0.75 ]

    Source: Graves et al. 2006, Connectionist Temporal Classification, section 4.1.
    """

    axes: typing.ClassVar[dict] = {
        "logits": "batch time class",
        "labels": "batch label",
        "logit_lengths": "batch",
        "label_lengths": "batch",
    }
    integers = ("labels", "logit_lengths", "label_lengths")

    def __init__(self, blank=0, **kwargs):
        super().__init__(**kwargs)
        self.blank = check.whole(self, "blank", blank, at_least=0)

    def call(self, tensors, mask=None, sample_weight=None, tensors_mask=None):
        """As in `LossLayer`, without the masks that Keras attached to the inputs."""
        mask = None if isinstance(mask, (tuple, list)) else mask
        return super().call(tensors, mask=mask, sample_weight=sample_weight)

    def pair(self, tensors, weights):
        """Values and weights, without what has no alignment."""
        labels, frames, length = (ops.cast(t, "int32") for t in tensors[1:])
        second = ops.arange(1, ops.shape(labels)[1])[None, :] < length[:, None]
        repeated = ops.logical_and(ops.equal(labels[:, 1:], labels[:, :-1]), second)
        needed = length + ops.sum(ops.cast(repeated, "int32"), axis=1)
        possible = ops.cast(needed <= frames, self.compute_dtype)
        return super().pair(tensors, self._product([possible, weights]))

    def values(self, logits, labels, logit_lengths, label_lengths):
        """-log of the probability of each sequence of labels."""
        classes, reader = logits.shape[-1], f"the loss '{self.name}'"
        if classes <= self.blank:
            refuse(self, "blank", f"be one of the {classes} classes of `logits`", self.blank)
        integers = labels, logit_lengths, label_lengths
        labels, logit_lengths, label_lengths = (ops.cast(t, "int32") for t in integers)
        time, most = ops.shape(logits)[1], ops.shape(labels)[1]
        logit_lengths = ids.within(logit_lengths, time + 1, f"the frames of {reader}")
        label_lengths = ids.within(label_lengths, most + 1, f"the labels of {reader}")
        frames = ops.arange(time)[None, :] < logit_lengths[:, None]
        logits = ops.where(ops.expand_dims(frames, 2), logits, ops.zeros_like(logits))
        counted = ops.arange(most)[None, :] < label_lengths[:, None]
        labels = ops.where(counted, labels, (self.blank + 1) % classes)
        labels = ids.within(labels, classes, f"the classes of {reader}", but=self.blank)
        return kernels.ctc_loss(
            ops.log_softmax(logits, axis=-1),
            labels,
            logit_lengths,
            label_lengths,
            blank=self.blank,
        )
