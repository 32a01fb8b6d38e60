"""Losses on distributions of latent variables."""

import typing

from keras import ops

from losslayer.core.layer import LossLayer


class KLDivergence(LossLayer):
    """Divergence of a diagonal Gaussian from another, by default the standard normal, in nats.

        d = log_variance - prior_log_variance
        value = 1/2 * sum over dim of ((mean - prior_mean)^2 / prior_variance + exp(d) - 1 - d)

    Near its optimum, where two almost equal numbers would be subtracted, it keeps all digits.

    Call with:
        mean: `(batch, dim)`.
        log_variance: `(batch, dim)`, natural logarithm of the variance.
        prior_mean: `(batch, dim)`; default: 0.
        prior_log_variance: `(batch, dim)`; default: 0.

    Returns:
        `(values, weights)`, `(batch,)` each; values are >= 0.

    Raises:
        ArgumentError: shapes don't match.

    Example:

    >>> values, weights = KLDivergence()(np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]]))
    >>> print(keras.ops.convert_to_numpy(values))
    [2.]

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B (the standard normal).
    """

    axes: typing.ClassVar[dict] = {
        "mean": "batch dim",
        "log_variance": "batch dim",
        "prior_mean": "batch dim",
        "prior_log_variance": "batch dim",
    }

    def values(self, mean, log_variance, prior_mean=None, prior_log_variance=None):
        """Divergence of each example."""
        if prior_mean is not None:
            mean = mean - prior_mean
        if prior_log_variance is not None:
            mean = mean * ops.exp(-0.5 * prior_log_variance)
            log_variance = log_variance - prior_log_variance
        return 0.5 * ops.sum(ops.square(mean) + _beyond_linear(log_variance), axis=-1)


def _beyond_linear(x):
    """exp(x) - 1 - x: near 0 by its series, since the difference and its slope would cancel."""
    near = ops.abs(x) < 0.5
    small = ops.where(near, x, ops.zeros_like(x))
    series = ops.ones_like(x)
    for n in range(14, 2, -1):  # 1 + x/3 (1 + x/4 (1 + ... x/14)): what follows is below 1e-15
        series = 1 + series * small / n
    large = ops.where(near, ops.ones_like(x), x)
    return ops.where(near, 0.5 * ops.square(small) * series, ops.expm1(large) - large)
