"""Losses on a right and a wrong answer, given or mined inside the batch."""

import typing

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import mean
from losslayer.losses.similarity import CosineSimilarity, direction


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
        _check_similarity(self, similarity)
        self.similarity = similarity or CosineSimilarity(dtype=self.dtype_policy.name)

    def values(self, anchor, positive, negative):
        """relu(margin + similarity to the negative - similarity to the positive)."""
        near = self.similarity(anchor, positive)
        if len(negative.shape) == 3:
            far = self.similarity(ops.expand_dims(anchor, 1), negative)
            return ops.mean(ops.relu(self.margin + far - ops.expand_dims(near, 1)), axis=1)
        return ops.relu(self.margin + self.similarity(anchor, negative) - near)


class MinedTripletMargin(LossLayer):
    """`TripletMargin` of triplets that are found inside the batch.

        value_a = mean over triplets of relu(margin + similarity(a, n) - similarity(a, p))

    Each example is an anchor `a`; of the others that count, those that match it are right ones
    `p`, those that don't are wrong ones `n`. Its triplets are

        all         each right one with each wrong one, those in order included;
        hard        the least near right one with the nearest wrong one;
        semihard    each right one with the nearest wrong one that is less near than it, or with
                    the least near wrong one if there is none.

    All anchors count alike. One without any right or any wrong one has weight 0. An example of
    weight 0 is neither anchor nor in a triplet. The value depends on who shares the batch: draw
    batches with several examples of each group. "hard" may draw all embeddings into one point
    early in a training: begin with the others.

    Memory grows with `batch * batch`, for all three; with a `similarity` of your own also with
    `batch * batch * dim`.

    Args:
        margin: Difference of similarities that is enough, >= 0, in the unit of `similarity`.
        mining: "all", "hard" or "semihard".
        similarity: A layer from two tensors `(..., dim)` to `(...)`, larger is nearer. Default:
            the cosine, in one product.

    Call with:
        embeddings: `(batch, dim)`.
        matches: Who matches whom: integers `(batch,)`, equal for examples that match; or boolean
            `(batch, batch)`, True where the column's example is a right one for the row's.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `matches` are neither integers `(batch,)` nor boolean `(batch, batch)`.

    Example:

    >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> layer = MinedTripletMargin(margin=0.2, mining="hard")
    >>> values, weights = layer(embeddings, np.array([5, 5, 7]))
    >>> print(keras.ops.convert_to_numpy(values).round(4), keras.ops.convert_to_numpy(weights))
    [0.8 1.  0. ] [1. 1. 0.]

    Source: Schroff et al. 2015, FaceNet, arXiv:1503.03832, section 3.2 (semi-hard); Hermans et
    al. 2017, arXiv:1703.07737, section 2 (batch all, batch hard).
    """

    couples_examples = True
    axes: typing.ClassVar[dict] = {"embeddings": "batch dim", "matches": "batch [batch]"}

    def __init__(self, margin=0.2, mining="semihard", similarity=None, **kwargs):
        super().__init__(**kwargs)
        self.margin = check.number(self, "margin", margin, at_least=0)
        self.mining = check.choice(self, "mining", mining, ("all", "hard", "semihard"))
        _check_similarity(self, similarity)
        self.similarity = similarity

    def values(self, embeddings, matches, *, counts=None):
        """The mean over the triplets of each anchor."""
        right, wrong = self._sides(matches, counts)
        scores = self._scores(embeddings)
        if self.mining == "hard":
            near = ops.min(ops.where(right, scores, _FAR), axis=1)
            far = ops.max(ops.where(wrong, scores, -_FAR), axis=1)
            some = ops.any(right, axis=1) & ops.any(wrong, axis=1)
            return ops.where(some, ops.relu(self.margin + far - near), 0.0)
        if self.mining == "all":
            pairs = _count(right, scores.dtype) * _count(wrong, scores.dtype)
            return mean(_sum_over_triplets(scores, right, wrong, self.margin), pairs)
        losses = ops.relu(self.margin + _next_wrong(scores, wrong) - scores)
        return mean(ops.sum(ops.where(right, losses, 0.0), axis=1), _count(right, scores.dtype))

    def pair(self, tensors, weights):
        """Weight 0 for anchors without triplets."""
        right, wrong = self._sides(tensors[1], self._counts(weights)["counts"])
        some = ops.any(right, axis=1) & ops.any(wrong, axis=1)
        return tuple(ops.where(some, part, 0.0) for part in super().pair(tensors, weights))

    def _sides(self, matches, counts):
        """Which columns are right ones of each row, and which are wrong ones."""
        dtype = keras.backend.standardize_dtype(matches.dtype)
        if len(matches.shape) == 1 and "int" in dtype:
            matches = ops.equal(ops.expand_dims(matches, 1), ops.expand_dims(matches, 0))
        elif len(matches.shape) == 1 or dtype != "bool":
            rule = "be integers (batch), or boolean (batch, batch)"
            refuse(self, "matches", rule, (dtype, tuple(matches.shape)), error=ArgumentTypeError)
        others = ops.logical_not(ops.eye(ops.shape(matches)[0], dtype="bool"))
        if counts is not None:
            others = others & ops.expand_dims(counts, 1) & ops.expand_dims(counts, 0)
        return others & matches, others & ops.logical_not(matches)

    def _scores(self, embeddings):
        """The similarity of each row's example to each column's."""
        if self.similarity is None:
            directions = direction(embeddings)
            return ops.matmul(directions, ops.transpose(directions))
        return self.similarity(ops.expand_dims(embeddings, 1), ops.expand_dims(embeddings, 0))


# Farther than any similarity, and still finite when two are added.
_FAR = 1e30


def _check_similarity(owner, similarity):
    if similarity is not None and not isinstance(similarity, keras.layers.Layer):
        rule = "be a layer of two tensors"
        refuse(owner, "similarity", rule, similarity, error=ArgumentTypeError)


def _count(flags, dtype):
    return ops.sum(ops.cast(flags, dtype), axis=1)


def _sum_over_triplets(scores, right, wrong, margin):
    """The sum over each row's triplets of relu(margin + wrong score - right score).

    On a line with the wrong scores and, shifted by the margin, the right ones, it is the total
    length by which wrong ones are ahead. A step of the line from one point to the next counts
    once for each wrong one before it and each right one behind it. So a sort does what else took
    `batch * batch * batch`, and nothing large is subtracted.
    """
    line = ops.concatenate([scores, scores - margin], axis=1)
    order = ops.argsort(-line, axis=1)
    nothing = ops.zeros_like(right)

    def along(flags):
        return ops.cast(ops.take_along_axis(flags, order, axis=1), line.dtype)

    line = ops.take_along_axis(line, order, axis=1)
    ahead = ops.cumsum(along(ops.concatenate([wrong, nothing], axis=1)), axis=1)
    passed = ops.cumsum(along(ops.concatenate([nothing, right], axis=1)), axis=1)
    behind = passed[:, -1:] - passed
    steps = line[:, :-1] - line[:, 1:]
    return ops.sum(steps * (ahead * behind)[:, :-1], axis=1)


def _next_wrong(scores, wrong):
    """For each score the largest wrong one below it in its row; the smallest if there is none."""
    # Sorting is stable: of equal scores the wrong one comes first, so it is not below.
    order = ops.argsort(-ops.concatenate([scores, scores], axis=1), axis=1)
    flags = ops.concatenate([wrong, ops.zeros_like(wrong)], axis=1)
    passed = ops.cumsum(ops.cast(ops.take_along_axis(flags, order, axis=1), "int32"), axis=1)
    size = ops.shape(scores)[1]
    not_below = ops.take_along_axis(passed, ops.argsort(order, axis=1), axis=1)[:, size:]
    last = ops.maximum(ops.sum(ops.cast(wrong, "int32"), axis=1, keepdims=True) - 1, 0)
    # Wrong ones from the nearest to the least near; what else there is comes after them.
    ranked = ops.argsort(ops.where(wrong, -scores, _FAR), axis=1)
    place = ops.take_along_axis(ranked, ops.minimum(not_below, last), axis=1)
    return ops.take_along_axis(scores, place, axis=1)
