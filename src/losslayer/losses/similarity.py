"""How near two vectors are, or how far: plain layers that losses build on."""

import keras
from keras import ops

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
        return ops.sum(direction(a) * direction(b), axis=-1)


@keras.saving.register_keras_serializable(package="losslayer")
class EuclideanDistance(keras.layers.Layer):
    """The distance of two points, a plain layer.

        distance(a, b) = |a - b|

    The gradient where they are equal is 0 on every backend (of the square root it would be NaN).

    Call with `a` and `b`, `(..., dim)` each, broadcastable to each other; returns `(...)`,
    smaller is nearer.

    Example:

    >>> float(EuclideanDistance()(np.array([3.0, 4.0]), np.array([0.0, 0.0])))
    5.0
    """

    def __init__(self, *, name=None, dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype or sum_dtype(), **kwargs)

    def call(self, a, b):
        """The distance along the last axis."""
        return length(a - b)


def direction(vector):
    """`vector` at length 1, or 0 where it has (nearly) no length; NaN stays NaN."""
    size = length(vector, keepdims=True)
    none = ops.equal(size, 0)
    return ops.where(
        none, ops.zeros_like(vector), vector / ops.where(none, ops.ones_like(size), size)
    )


def length(vector, keepdims=False):
    """The length of `vector`, 0 with gradient 0 where it has (nearly) none; NaN stays NaN."""
    squared = ops.sum(ops.square(vector), axis=-1, keepdims=keepdims)
    none = squared <= _TINY
    # `where` on the way in too: the gradient of the square root at 0 would be 0 * inf.
    return ops.where(
        none, ops.zeros_like(squared), ops.sqrt(ops.where(none, ops.ones_like(squared), squared))
    )
