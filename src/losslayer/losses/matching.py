"""Losses that pull what belongs together closer than what does not."""

import typing

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import sum_dtype

# Squared length below which a vector has no direction that float32 could tell.
_TINY = 1e-24


@keras.saving.register_keras_serializable(package="losslayer")
class CosineSimilarity(keras.layers.Layer):
    """The cosine of the angle between two vectors, a plain layer.

        cos(a, b) = a . b / (|a| |b|),  0 if either vector is (nearly) zero

    The gradient at a zero vector is 0 on every backend (of `x / |x|` it would be NaN).

    Call with `a` and `b`, `(..., dim)` each, broadcastable to each other; returns `(...)`,
    larger is nearer, in [-1, 1].

    Example:

    >>> float(CosineSimilarity()(np.array([3.0, 4.0]), np.array([6.0, 8.0])))
    1.0
    """

    def __init__(self, *, name=None, dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype or sum_dtype(), **kwargs)

    def call(self, a, b):
        """The cosine along the last axis."""
        return ops.sum(_direction(a) * _direction(b), axis=-1)


def _direction(vector):
    squared = ops.sum(ops.square(vector), axis=-1, keepdims=True)
    long_enough = squared > _TINY
    # `where` on the way in too: the gradient of the square root at 0 would be 0 * inf.
    length = ops.sqrt(ops.where(long_enough, squared, ops.ones_like(squared)))
    return ops.where(long_enough, vector / length, ops.zeros_like(vector))


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
