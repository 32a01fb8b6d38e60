"""Losses on distributions of latent variables."""

import typing

from keras import ops

from losslayer.core.layer import LossLayer


class KLDivergence(LossLayer):
    """Divergence of a diagonal Gaussian from the standard normal, in nats.

        value = 1/2 * sum over dim of (mean^2 + exp(log_variance) - 1 - log_variance)

    Call with:
        mean: `(batch, dim)`.
        log_variance: `(batch, dim)`, natural logarithm of the variance.

    Returns:
        `(values, weights)`, `(batch,)` each; values are >= 0.

    Raises:
        ArgumentError: shapes don't match.

    Example:

    >>> values, weights = KLDivergence()(np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]]))
    >>> print(keras.ops.convert_to_numpy(values))
    [2.]

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.
    """

    axes: typing.ClassVar[dict] = {"mean": "batch dim", "log_variance": "batch dim"}

    def values(self, mean, log_variance):
        """Divergence of each example."""
        # expm1: near the optimum exp(v) - 1 - v would cancel to nothing in float32.
        terms = ops.square(mean) + ops.expm1(log_variance) - log_variance
        return 0.5 * ops.sum(terms, axis=-1)
