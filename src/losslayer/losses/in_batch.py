"""Losses that take the other examples of the batch for the wrong answers."""

import typing

from keras import ops

from losslayer.core import check
from losslayer.core.layer import LossLayer
from losslayer.losses.similarity import direction

# The score of a candidate that is left out: the exponential of it is 0 beside any other, and even
# where no candidate is left all stays finite.
_OUT = -1e30


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
        cosines = ops.matmul(direction(anchor), ops.transpose(direction(positive)))
        scores = cosines / self.temperature
        if counts is not None:
            scores = ops.where(counts, scores, ops.full_like(scores, _OUT))
        return ops.logsumexp(scores, axis=1) - ops.diagonal(scores)
