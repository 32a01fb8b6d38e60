"""The one place where values, weights and means meet.

Every objective is a pair (weighted sum, weight). A mean over many batches is the quotient of two
sums, each taken over all of them; so it does not depend on how the data were cut into batches.
"""

import keras
from keras import ops

from losslayer.core.errors import ArgumentError


def sum_dtype():
    """The precision in which losses and means are computed: never half."""
    return "float64" if keras.config.floatx() == "float64" else "float32"


def at_least_float32(tensor):
    """`tensor` in float32, or as it is when it is float64."""
    tensor = ops.convert_to_tensor(tensor)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return tensor if dtype in ("float32", "float64") else ops.cast(tensor, "float32")


def expand(tensor, rank):
    """`tensor` with axes of length 1 added behind, up to `rank`."""
    for _ in range(rank - len(tensor.shape)):
        tensor = ops.expand_dims(tensor, -1)
    return tensor


# The score of what is left out: the exponential of it is 0 beside any other, and even where all is
# left out everything stays finite.
LEFT_OUT = -1e30


def like(weights, values, owner="Model"):
    """`weights` with the axes of `values`: from the left, repeated over what they lack.

    None: all are 1.

    Raises:
        ArgumentError: They have axes that the values lack.
    """
    if weights is None:
        return ops.ones_like(values)
    weights = ops.cast(ops.convert_to_tensor(weights), values.dtype)
    refuse_unlike(weights.shape, values.shape, owner)
    return ops.broadcast_to(expand(weights, len(values.shape)), ops.shape(values))


def refuse_unlike(shape, expected, owner):
    """Raise if weights of a `shape` have axes that values of the shape `expected` lack."""
    unequal = any(None not in pair and pair[0] not in (1, pair[1]) for pair in zip(shape, expected))
    if len(shape) > len(expected) or unequal:
        raise ArgumentError(
            f"{owner}: `mask` and `sample_weight` must have at most the axes of the values, "
            f"{tuple(expected)}. Received: shape {tuple(shape)}. Reduce them to one weight per "
            "value."
        )


def total_and_weight(values, weights=None, row_weights=None):
    """Weighted sum of `values`, and the weight that they count with.

        total = sum(weights * values),  weight = sum(weights)

    over the elements whose weight is not 0: what stands elsewhere (NaN, inf) is never read.

    Args:
        values: `(batch, ...)`, one value per element; or a scalar.
        weights: Broadcastable to `values` from the left; or None, every element counts once. For
            a scalar value a scalar: the total weight that it is the exact mean over.
        row_weights: `(batch,)`, further factors, or None.

    Returns:
        Two scalars, float32 (float64 when `values` are).
    """
    values = at_least_float32(values)
    weights = like(weights, values)
    if row_weights is not None:
        weights = weights * like(row_weights, values)
    counted = ops.where(ops.not_equal(weights, 0), values, ops.zeros_like(values))
    return ops.sum(counted * weights), ops.sum(weights)


def mean(total, weight):
    """`total / weight`, and 0 (with gradient 0) where nothing counted."""
    something = ops.not_equal(weight, 0)
    return ops.where(
        something,
        total / ops.where(something, weight, ops.ones_like(weight)),
        ops.zeros_like(total),
    )


def mean_of_counted(weights):
    """The mean weight of those positions of each sequence that have one, `(batch,)`; or 0."""
    counted = ops.sum(ops.cast(ops.not_equal(weights, 0), weights.dtype), axis=1)
    return mean(ops.sum(weights, axis=1), counted)


@keras.saving.register_keras_serializable(package="losslayer")
class ExactMean(keras.metrics.Metric):
    """The exact mean of all values seen, each with its weight.

        result = sum(weights * values) / sum(weights)      over all batches; 0 when nothing counted

    Both sums carry what float32 rounds off (Neumaier 1974), so a mean over 10^9 tokens is as good
    as one over 10^3.

    Example:

    >>> metric = ExactMean(name="nll")
    >>> metric.update_state([1.0, 2.0, float("nan")], sample_weight=[1, 1, 0])
    >>> metric.update_state([6.0])
    >>> float(metric.result())
    3.0
    """

    def __init__(self, name="exact_mean", dtype=None):
        super().__init__(name=name, dtype=dtype or sum_dtype())
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.total_rest = self.add_variable((), initializer="zeros", name="total_rest")
        self.weight = self.add_variable((), initializer="zeros", name="weight")
        self.weight_rest = self.add_variable((), initializer="zeros", name="weight_rest")

    def update_state(self, values, sample_weight=None):
        """Add `values`, `(batch, ...)`, each with its weight (None: 1)."""
        self.add(*total_and_weight(values, sample_weight))

    def add(self, total, weight):
        """Add a weighted sum and its weight, as `total_and_weight` returns them."""
        self._add(self.total, self.total_rest, total)
        self._add(self.weight, self.weight_rest, weight)

    def _add(self, sum_variable, rest_variable, term):
        term = ops.cast(ops.stop_gradient(term), sum_variable.dtype)
        old = ops.convert_to_tensor(sum_variable)
        new = old + term
        lost = ops.where(ops.abs(old) >= ops.abs(term), (old - new) + term, (term - new) + old)
        # inf - inf is NaN: a sum that is no longer finite has no rest worth keeping.
        rest_variable.assign_add(ops.where(ops.isfinite(new), lost, ops.zeros_like(lost)))
        sum_variable.assign(new)

    def result(self):
        """The mean so far, a scalar."""
        return mean(self.total + self.total_rest, self.weight + self.weight_rest)
