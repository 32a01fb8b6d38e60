"""The base of losses that give their exact mean, and so their gradient on the way to it."""

import keras
from keras import ops

from losslayer.core.layer import LossLayer
from losslayer.core.reduction import like, mean, refuse_unlike


class FusedLoss(LossLayer):
    """A loss layer that gives one number, the exact mean of its values, with the total weight.

    The gradient that comes back to it is one number too, so a kernel can compute the gradient along
    with the values and keep nothing that is as large as all pairs, or all logits. A subclass
    writes `weighted_sum`. The axes of the values are those of its first tensor but the last.
    """

    def compute_output_spec(self, tensors, mask=None, sample_weight=None, **kwargs):
        """Two scalars; Keras asks with sizes that aren't known, and the kernels need them."""
        for weights in (mask, sample_weight):
            if hasattr(weights, "shape"):
                refuse_unlike(weights.shape, tensors[0].shape[:-1], type(self).__name__)
        return tuple(keras.KerasTensor((), dtype=self.compute_dtype) for _ in range(2))

    def pair(self, tensors, weights):
        """The exact mean over what counts, and its total weight."""
        all_count = weights is None
        weights = like(weights, tensors[0][..., 0], owner=type(self).__name__)
        counts = None if all_count else ops.not_equal(weights, 0)
        total = ops.sum(weights)
        return self.weighted_sum(tensors, mean(weights, total), counts), total

    def weighted_sum(self, tensors, weights, counts):
        """The sum of the values times `weights`: what a subclass writes.

        Args:
            tensors: What `values` takes.
            weights: `(batch,)` or `(batch, time)`, the axes of the values.
            counts: Which of them are not 0, or None when none is.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `weighted_sum`.")
