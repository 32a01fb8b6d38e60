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

# The score of a candidate that is left out: the exponential of it is 0 beside any other, and even
# where no candidate is left all stays finite.
_OUT = -1e30


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


class InBatchNegatives(LossLayer):
    """The answers to the other questions of the batch are the wrong ones (InfoNCE).

        value_i = -log( exp(cos(a_i, p_i) / temperature) / sum_j exp(cos(a_i, p_j) / temperature) )

    `j` runs over the examples of the batch that count. One of weight 0 is neither anchor nor
    candidate: the others' values are what they would be without it. (A weight that is given to
    `fit` comes later: it weighs the values, and leaves the candidates as they are.)

    A positive that stands in the batch twice is its own negative: draw batches without repeats.
    The value depends on who shares the batch, and so does its mean over an epoch.

    Args:
        temperature: > 0; divides the cosines. The smaller, the more the nearest wrong candidate
            counts.

    Call with:
        anchor: `(batch, dim)`.
        positive: `(batch, dim)`.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: `temperature` is no number > 0, or shapes don't match.

    Example:

    >>> anchor = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> values, weights = InBatchNegatives(temperature=0.5)(anchor, anchor)
    >>> print(keras.ops.convert_to_numpy(values).round(4))  # log(1 + exp(-1 / 0.5))
    [0.1269 0.1269]

    Source: van den Oord et al. 2018, arXiv:1807.03748 (InfoNCE); Henderson et al. 2017,
    arXiv:1705.00652 (the other answers of a batch as negatives).
    """

    couples_examples = True
    axes: typing.ClassVar[dict] = {"anchor": "batch dim", "positive": "batch dim"}

    def __init__(self, temperature=0.05, **kwargs):
        super().__init__(**kwargs)
        self.temperature = check.number(self, "temperature", temperature, above=0)

    def values(self, anchor, positive, *, counts=None):
        """Cross entropy of the right candidate among all that count."""
        cosines = ops.matmul(_direction(anchor), ops.transpose(_direction(positive)))
        scores = cosines / self.temperature
        if counts is not None:
            scores = ops.where(counts, scores, ops.full_like(scores, _OUT))
        return ops.logsumexp(scores, axis=1) - ops.diagonal(scores)
