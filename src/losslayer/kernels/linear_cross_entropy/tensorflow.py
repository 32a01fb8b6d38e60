"""TensorFlow."""

import tensorflow as tf

from losslayer.kernels.linear_cross_entropy.common import rows_of_a_chunk
from losslayer.kernels.moderate import MODERATE
from losslayer.kernels.tensorflow_steps import Steps


def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """As in `reference`; described in `jax`.

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


def _chunks(hidden, table, bias, labels, weights, smoothing, z_loss):
    """The value of each token, and the slopes of their weighted sum by hidden, table and bias."""
    vocab = table.shape[0]
    steps = Steps(weights, rows_of_a_chunk(hidden.shape[1]))
    rows, label, weight = steps.of(hidden), steps.of(labels), steps.weights
    moderate = _largest_logit(hidden, table, bias, weights) < MODERATE
    ones = tf.ones([1, vocab], table.dtype)
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
        exponentials, top = tf.cond(
            moderate,
            lambda: (tf.exp(logits), tf.zeros_like(target)),  # spares two passes over them
            lambda: _shifted(logits),
        )
        total = tf.matmul(ones, exponentials)[0]  # faster than a sum over the first axis
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


def _shifted(logits):
    """Exponentials of logits less the largest of their column, and these."""
    top = tf.reduce_max(logits, axis=0)
    return tf.exp(logits - top), top


def _largest_logit(hidden, table, bias, weights):
    """What no logit that counts exceeds, either way: |table| |hidden| + |bias|."""
    sizes = tf.where(tf.equal(weights, 0), tf.zeros_like(weights), tf.norm(hidden, axis=1))
    largest = tf.reduce_max(sizes) * tf.reduce_max(tf.norm(table, axis=1))
    return largest if bias is None else largest + tf.reduce_max(tf.abs(bias))
