"""Losses on scores by which candidates are ranked."""

import typing

from keras import ops

from losslayer.core.errors import refuse
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import LEFT_OUT, expand, like, mean, mean_of_counted


class MarginMSE(LossLayer):
    """A student must tell right from wrong by as much as its teacher does.

        value = ((positive - negative) - targets)^2

    `targets` are the teacher's margins, its own score of the right candidate minus that of the
    wrong one. Only differences count, so the scores of the two may be of other sizes. With several
    negatives the value is the mean over them.

    Call with:
        positive: The student's score of the right candidate, `(batch,)`.
        negative: Its score of the wrong one, `(batch,)`, or of several, `(batch, num_negatives)`.
        targets: The teacher's margins, in the axes of `negative`.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: Shapes don't match.

    Example:

    >>> scores = np.array([3.0]), np.array([[1.0, 2.5]])
    >>> values, weights = MarginMSE()(*scores, np.array([[4.0, 0.5]]))
    >>> print(keras.ops.convert_to_numpy(values))
    [2.]

    Source: Hofstätter et al. 2020, arXiv:2010.02666, section 3 (Margin-MSE).
    """

    axes: typing.ClassVar[dict] = {
        "positive": "batch",
        "negative": "batch [num_negatives]",
        "targets": "batch [num_negatives]",
    }

    def values(self, positive, negative, targets):
        """The squared difference of the margins."""
        if len(negative.shape) != len(targets.shape):
            rule = f"have the axes of `negative`, {tuple(negative.shape)}"
            refuse(self, "targets", rule, tuple(targets.shape))
        margins = expand(positive, len(negative.shape)) - negative
        squares = ops.square(margins - ops.cast(targets, margins.dtype))
        return squares if len(squares.shape) == 1 else ops.mean(squares, axis=1)


class ListSoftmax(LossLayer):
    """The candidates of a list share a softmax, in which the relevant ones must get the most.

        value = - sum_j targets_j / (sum_k targets_k) * log( exp(scores_j) / sum_k exp(scores_k) )

    over the candidates of a list that count. With one relevant candidate it is the cross entropy of
    a choice among them. (It is ListNet's top-one loss with the targets' shares for probabilities,
    where the paper takes a softmax of them too; the softmax loss of TF-Ranking with each list
    counted once, where that one multiplies each by the sum of its targets.)

    Call with:
        scores: `(batch, list)`.
        targets: Relevance, >= 0, `(batch, list)`: grades, or 0 and 1.
        mask, sample_weight: `(batch, list)` or `(batch,)`: which candidates there are, and how
            much each list counts.

    Returns:
        `(values, weights)`, `(batch,)` each. A list weighs the mean weight of its candidates that
        count; one in which nothing is relevant weighs 0.

    Raises:
        ArgumentError: Shapes don't match.

    Example:

    >>> scores, targets = np.array([[2.0, 2.0, 9.0]]), np.array([[3.0, 1.0, 0.0]])
    >>> values, weights = ListSoftmax()(scores, targets, mask=np.array([[True, True, False]]))
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [0.6931]

    Source: Cao et al. 2007, Learning to rank: from pairwise approach to listwise approach, ICML,
    section 4 (ListNet); Bruch et al. 2019, An analysis of the softmax cross entropy loss for
    learning-to-rank with binary relevance, ICTIR.
    """

    axes: typing.ClassVar[dict] = {"scores": "batch list", "targets": "batch list"}

    def values(self, scores, targets, *, counts=None):
        """What each candidate adds to the value of its list; `counts`, too, is of candidates."""
        targets = ops.cast(targets, scores.dtype)
        if counts is not None:
            scores = ops.where(counts, scores, LEFT_OUT)
        shares = mean(targets, ops.sum(targets, axis=1, keepdims=True))
        return shares * (ops.logsumexp(scores, axis=1, keepdims=True) - scores)

    def pair(self, tensors, weights):
        """The sum over each list, and the mean weight of its candidates."""
        scores, targets = tensors
        weights = like(weights, scores, owner=type(self).__name__)
        counts = ops.not_equal(weights, 0)
        terms = ops.where(counts, self.values(scores, targets, counts=counts), 0.0)
        relevant = ops.any(ops.not_equal(targets, 0), axis=1)
        weights = ops.where(relevant, mean_of_counted(weights), 0.0)
        return ops.sum(terms, axis=1), weights
