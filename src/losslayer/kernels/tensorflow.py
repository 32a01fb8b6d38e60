"""TensorFlow."""

import tensorflow as tf

from losslayer.kernels.common import rows_of_a_chunk


def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """As in `losslayer.kernels.reference`; described in `losslayer.kernels.jax`.

    Where no gradient is wanted, in `evaluate` say, the slopes go out of the loop: both ways of
    compiling drop what nothing reads. Only an eager call computes them for nothing.
    """
    given = [t for t in (hidden, table, weights, bias) if t is not None]
    given = list(map(tf.convert_to_tensor, given))  # a custom gradient takes no variables

    @tf.custom_gradient
    def total(hidden, table, weights, bias=None):
        values, slopes = _chunks(hidden, table, bias, labels, weights, smoothing, z_loss)

        def backward(upstream):
            by_hidden, by_table, by_bias = slopes
            found = [upstream * by_hidden, upstream * by_table, upstream * values]
            return found if bias is None else [*found, upstream * by_bias]

        return tf.reduce_sum(weights * values), backward

    return total(*given)


class _Steps:
    """Rows in steps of one size, those that count first.

    Args:
        weights: `(row,)`.
        size: Rows of a step.

    Attributes:
        weights: `(step, row)`, 0 for what fills the last step.
        needed: How many steps have rows that count.
    """

    def __init__(self, weights, size):
        rows = tf.shape(weights)[0]
        self.size, self.count = size, -(-rows // size)
        uncounted = tf.cast(tf.equal(weights, 0), "int32")
        self.order = tf.argsort(uncounted, stable=True)
        # Filled up to whole steps with the first row, at weight 0.
        filling = [[0, self.count * size - rows]]
        self.filled = tf.pad(self.order, filling, constant_values=0)
        counted = tf.pad(tf.ones_like(weights, "bool"), filling)
        self.weights = tf.where(tf.reshape(counted, [-1, size]), self.of(weights), 0)
        self.needed = -(-(rows - tf.reduce_sum(uncounted)) // size)

    def of(self, tensor):
        """`(row, ...)` as `(step, row, ...)`."""
        shape = tf.concat([[self.count, self.size], tf.shape(tensor)[1:]], 0)
        return tf.reshape(tf.gather(tensor, self.filled), shape)

    def back(self, tensor):
        """`(step, row, ...)` as `(row, ...)`."""
        whole = tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))
        return tf.gather(whole, tf.math.invert_permutation(self.order))


def _chunks(hidden, table, bias, labels, weights, smoothing, z_loss):
    """The value of each token, and the slopes of their weighted sum by hidden, table and bias."""
    vocab = table.shape[0]
    steps = _Steps(weights, rows_of_a_chunk(hidden.shape[1]))
    rows, label, weight = steps.of(hidden), steps.of(labels), steps.weights
    mean_row = tf.reduce_mean(table, axis=0)
    mean_bias = 0.0 if bias is None else tf.reduce_mean(bias)

    def step(number, values, by_hidden, by_table, by_bias):
        row, chosen_label, factor = rows[number], label[number], weight[number]
        right = tf.gather(table, chosen_label)
        logits = tf.matmul(table, row, transpose_b=True)
        target = tf.reduce_sum(row * right, axis=1)
        if bias is not None:
            logits += bias[:, None]
            target += tf.gather(bias, chosen_label)
        target *= 1 - smoothing
        if smoothing:
            target += smoothing * (tf.linalg.matvec(row, mean_row) + mean_bias)
        top = tf.reduce_max(logits, axis=0)
        exponentials = tf.exp(logits - top)
        total = tf.reduce_sum(exponentials, axis=0)
        log_sum = top + tf.math.log(total)
        value = log_sum - target + z_loss * tf.square(log_sum)
        own, rest = (1 - smoothing) * factor, smoothing * factor
        # The slope of the weighted sum by a logit is `factor * exponential`, less the target's.
        factor = factor * (1 + 2 * z_loss * log_sum) / total
        slope = (
            factor[:, None] * tf.matmul(exponentials, table, transpose_a=True)
            - own[:, None] * right
        )
        if smoothing:
            slope -= rest[:, None] * mean_row
        values = tf.tensor_scatter_nd_update(values, [[number]], [value])
        by_hidden = tf.tensor_scatter_nd_update(by_hidden, [[number]], [slope])
        by_table += tf.matmul(exponentials, factor[:, None] * row)
        if bias is not None:
            by_bias += tf.linalg.matvec(exponentials, factor)
        return number + 1, values, by_hidden, by_table, by_bias

    own, rest = (smoothing - 1) * weights, -smoothing / vocab * weights
    by_table = tf.broadcast_to(tf.linalg.matvec(hidden, rest, transpose_a=True), tf.shape(table))
    by_table = tf.tensor_scatter_nd_add(by_table, labels[:, None], own[:, None] * hidden)
    by_bias = tf.fill([vocab], tf.reduce_sum(rest))
    by_bias = tf.tensor_scatter_nd_add(by_bias, labels[:, None], own)
    start = (0, tf.zeros_like(weight), tf.zeros_like(rows), by_table, by_bias)
    _, values, by_hidden, by_table, by_bias = tf.while_loop(
        lambda number, *_: number < steps.needed, step, start, parallel_iterations=1
    )
    return steps.back(values), (steps.back(by_hidden), by_table, by_bias)


def sum_of_rows(function, rows, shared, weights, size):
    """As in `losslayer.kernels.reference`; described in `losslayer.kernels.jax`."""
    tensors = [tf.convert_to_tensor(t) for t in (*rows, *shared)]
    real = [place for place, t in enumerate(tensors) if t.dtype.is_floating]

    @tf.custom_gradient
    def total(weights, *leaves):
        given = list(tensors)
        for place, leaf in zip(real, leaves):
            given[place] = leaf
        values, slopes = _in_turn(function, given, len(rows), weights, size, real)

        def backward(upstream):
            return [upstream * values, *(upstream * slope for slope in slopes)]

        return tf.reduce_sum(weights * values), backward

    return total(tf.convert_to_tensor(weights), *(tensors[place] for place in real))


def _in_turn(function, tensors, own, weights, size, real):
    """The value of each row, and the slopes of their weighted sum by the `real` tensors.

    The first `own` tensors have rows.
    """
    steps = _Steps(weights, size)
    tensors = [steps.of(t) if place < own else t for place, t in enumerate(tensors)]
    weights = steps.weights

    def step(number, values, *slopes):
        given = [t[number] if place < own else t for place, t in enumerate(tensors)]
        leaves = [given[place] for place in real]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            found = function(given[:own], given[own:])
            found = tf.where(tf.equal(weights[number], 0), tf.zeros_like(found), found)
            weighted = tf.reduce_sum(weights[number] * found)
        by = tape.gradient(weighted, leaves, unconnected_gradients="zero")
        values = tf.tensor_scatter_nd_update(values, [[number]], [found])
        after = [
            tf.tensor_scatter_nd_update(slope, [[number]], [b]) if place < own else slope + b
            for place, slope, b in zip(real, slopes, by)
        ]
        return number + 1, values, *after

    start = (0, tf.zeros_like(weights), *(tf.zeros_like(tensors[place]) for place in real))
    _, values, *slopes = tf.while_loop(
        lambda number, *_: number < steps.needed, step, start, parallel_iterations=1
    )
    slopes = [steps.back(s) if place < own else s for place, s in zip(real, slopes)]
    return steps.back(values), slopes
