"""Losses on how near two things are, and on how near they should be."""

import typing

from keras import ops

from losslayer.core import check
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import LEFT_OUT, like


class Contrastive(LossLayer):
    """What is the same must be near, what is not must be at least a margin away.

        value = distance^2 / 2                  where the label is 1, the same
        value = relu(margin - distance)^2 / 2   where it is 0, different

    The distance is a tensor: `EuclideanDistance()(a, b)` as in the paper, or
    `1 - CosineSimilarity()(a, b)`, or what your model says.

    Args:
        margin: Distance that is enough, > 0, in the unit of `distance`.

    Call with:
        distance: >= 0, `(...)`.
        labels: Integers, 1 for the same and 0 for different, `(...)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: `margin` is no number > 0, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> distance, labels = np.array([0.5, 0.5, 2.0]), np.array([1, 0, 0])
    >>> values, weights = Contrastive(margin=1.5)(distance, labels)
    >>> print(keras.ops.convert_to_numpy(values))
    [0.125 0.5   0.   ]

    Source: Hadsell et al. 2006, Dimensionality reduction by learning an invariant mapping, CVPR,
    equation 4 (there the label of the same is 0).
    """

    axes: typing.ClassVar[dict] = {"distance": "...", "labels": "..."}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "distance"}

    def __init__(self, margin=1.0, **kwargs):
        super().__init__(**kwargs)
        self.margin = check.number(self, "margin", margin, above=0)

    def values(self, distance, labels):
        """Half the square of what is too far, or too near."""
        near = ops.relu(self.margin - distance)
        return ops.square(ops.where(ops.equal(labels, 1), distance, near)) / 2


class CoSENT(LossLayer):
    """Pairs must be as near in order as they are in truth, whatever their numbers.

        value = log(1 + sum over i, j with targets_i < targets_j of
                    exp(scale * (similarity_i - similarity_j)))

    `i` and `j` run over the examples of the batch that count, each of them a pair of things with
    its similarity. One number for a batch, it grows with the logarithm of the batch's size; the
    mean over batches weighs each with the total weight of its examples. Apart from that a weight
    says no more than whether (not 0) an example takes part. The value depends on who shares the
    batch, and memory grows with `batch * batch`.

    Args:
        scale: > 0; multiplies the similarities. The larger, the more the pairs most out of order
            count. 20 is for cosines.

    Call with:
        similarity: Of each pair, `(batch,)`: `CosineSimilarity()(a, b)`, or a model's score.
        targets: How near they are in truth, `(batch,)`, of any kind of number: only their order
            counts.

    Returns:
        `(value, weight)`, scalars: the loss of the batch and the total weight.

    Raises:
        ArgumentError: `scale` is no number > 0, or shapes don't match.

    Example:

    >>> similarity, targets = np.array([0.5, 0.5, 0.5]), np.array([1.0, 3.0, 2.0])
    >>> value, weight = CoSENT()(similarity, targets)  # three pairs of pairs, none told apart
    >>> print(keras.ops.convert_to_numpy(value).round(4), keras.ops.convert_to_numpy(weight))
    1.3863 3.0

    Source: Huang et al. 2024, CoSENT: Consistent sentence embedding via similarity ranking, IEEE
    and ACM Transactions on Audio, Speech, and Language Processing, doi:10.1109/TASLP.2024.3402087.
    """

    couples_examples = True
    axes: typing.ClassVar[dict] = {"similarity": "batch", "targets": "batch"}

    def __init__(self, scale=20.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = check.number(self, "scale", scale, above=0)

    def values(self, similarity, targets, *, counts=None):
        """One number for all."""
        scores = self.scale * similarity
        excess = ops.expand_dims(scores, 1) - ops.expand_dims(scores, 0)
        ordered = ops.expand_dims(targets, 1) < ops.expand_dims(targets, 0)
        if counts is not None:
            ordered = ordered & ops.expand_dims(counts, 1) & ops.expand_dims(counts, 0)
        # The exponential of it is 0 beside that of 0, which is always there.
        excess = ops.reshape(ops.where(ordered, excess, LEFT_OUT), (-1,))
        return ops.logsumexp(ops.append(excess, ops.zeros_like(excess[:1])))

    def pair(self, tensors, weights):
        """The value, and the total weight."""
        similarity, targets = tensors
        value = self.values(similarity, targets, **self._counts(weights))
        return value, ops.sum(like(weights, similarity, owner=type(self).__name__))
