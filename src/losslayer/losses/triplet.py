"""Losses on a right and a wrong answer."""

import typing

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer
from losslayer.losses.similarity import CosineSimilarity


class TripletMargin(LossLayer):
    """A right answer must be nearer than a wrong one, by a margin.

        value = relu(margin + similarity(anchor, negative) - similarity(anchor, positive))

    With several negatives, `(batch, num_negatives, dim)`, the value is the mean over them.

    Args:
        margin: Difference of similarities that is enough, >= 0, in the unit of `similarity`.
        similarity: A layer from two tensors `(..., dim)` to `(...)`, larger is nearer. Default:
            `CosineSimilarity()`.

    Call with:
        anchor: `(batch, dim)`.
        positive: `(batch, dim)`.
        negative: `(batch, dim)` or `(batch, num_negatives, dim)`.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: `margin` is no number >= 0, or shapes don't match.

    Example:

    >>> anchor, right, wrong = (np.array([v]) for v in ([1.0, 0.0], [1.0, 0.0], [0.0, 1.0]))
    >>> values, weights = TripletMargin(margin=1.25)(anchor, right, wrong)
    >>> print(keras.ops.convert_to_numpy(values))
    [0.25]

    Source: Schroff et al. 2015, FaceNet, arXiv:1503.03832 (there with squared distances).
    """

    axes: typing.ClassVar[dict] = {
        "anchor": "batch dim",
        "positive": "batch dim",
        "negative": "batch [num_negatives] dim",
    }

    def __init__(self, margin=0.2, similarity=None, **kwargs):
        super().__init__(**kwargs)
        self.margin = check.number(self, "margin", margin, at_least=0)
        if similarity is not None and not isinstance(similarity, keras.layers.Layer):
            rule = "be a layer of two tensors"
            refuse(self, "similarity", rule, similarity, error=ArgumentTypeError)
        self.similarity = similarity or CosineSimilarity(dtype=self.dtype_policy.name)

    def values(self, anchor, positive, negative):
        """relu(margin + similarity to the negative - similarity to the positive)."""
        near = self.similarity(anchor, positive)
        if len(negative.shape) == 3:
            far = self.similarity(ops.expand_dims(anchor, 1), negative)
            return ops.mean(ops.relu(self.margin + far - ops.expand_dims(near, 1)), axis=1)
        return ops.relu(self.margin + self.similarity(anchor, negative) - near)
