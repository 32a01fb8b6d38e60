"""In `keras.ops`, all rows at once: what the others are tested against."""

from keras import ops


def sum_of_rows(function, rows, shared, weights, size):
    """The weighted sum of values of which each is made of a row and of what all rows share.

        result = sum_i weights_i function(rows, shared)_i

    Where a row meets all others, such as an anchor the candidates of its batch, only the scores of
    a few rows are in memory at a time.

    Args:
        function: `function(rows, shared)` to a value for each of a few rows, in `keras.ops`. What
            it reads, and is to have a gradient, must be in its arguments.
        rows: A list of tensors `(row, ...)`: what is each row's own. Where the weight is 0
            anything finite.
        shared: A list of tensors.
        weights: `(row,)`. Where it is 0 nothing is computed, so it has no gradient there.
        size: Most rows at a time.

    Returns:
        A scalar.
    """
    return ops.sum(weights * function(rows, shared))


def values_of_rows(function, rows, shared, weights, size):
    """The values themselves, `(row,)`, 0 where the weight is 0; nothing has a gradient by them.

    The arguments are those of `sum_of_rows`.
    """
    values = ops.stop_gradient(function(rows, shared))
    return ops.where(ops.equal(weights, 0), ops.zeros_like(values), values)
