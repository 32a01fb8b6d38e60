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


def _chunks(hidden, table, bias, labels, weights, smoothing, z_loss):
    """The value of each token, and the slopes of their weighted sum by hidden, table and bias."""
    tokens, dim = tf.shape(hidden)[0], hidden.shape[1]
    vocab = table.shape[0]
    chunk = rows_of_a_chunk(dim)
    count = -(-tokens // chunk)
    uncounted = tf.cast(tf.equal(weights, 0), "int32")
    order = tf.argsort(uncounted, stable=True)
    # Filled up to whole chunks with the first token, at weight 0.
    filled = tf.pad(order, [[0, count * chunk - tokens]], constant_values=0)
    rest_of_it = tf.range(count * chunk) < tokens
    rows = tf.reshape(tf.gather(hidden, filled), [count, chunk, dim])
    label = tf.reshape(tf.gather(labels, filled), [count, chunk])
    weight = tf.where(rest_of_it, tf.gather(weights, filled), tf.zeros([], weights.dtype))
    weight = tf.reshape(weight, [count, chunk])
    mean_row = tf.reduce_mean(table, axis=0)
    mean_bias = 0.0 if bias is None else tf.reduce_mean(bias)

    def step(number, values, by_hidden, by_table, by_bias):
        row, chosen_label, factor = rows[number], label[number], weight[number]
        right = tf.gather(table, chosen_label)
        logits = tf.matmul(row, table, transpose_b=True)
        target = tf.reduce_sum(row * right, axis=1)
        if bias is not None:
            logits += bias
            target += tf.gather(bias, chosen_label)
        target *= 1 - smoothing
        if smoothing:
            target += smoothing * (tf.linalg.matvec(row, mean_row) + mean_bias)
        top = tf.reduce_max(logits, axis=1)
        exponentials = tf.exp(logits - top[:, None])
        total = tf.reduce_sum(exponentials, axis=1)
        log_sum = top + tf.math.log(total)
        value = log_sum - target + z_loss * tf.square(log_sum)
        own, rest = (1 - smoothing) * factor, smoothing * factor
        # The slope of the weighted sum by a logit is `factor * exponential`, less the target's.
        factor = factor * (1 + 2 * z_loss * log_sum) / total
        slope = factor[:, None] * tf.matmul(exponentials, table) - own[:, None] * right
        if smoothing:
            slope -= rest[:, None] * mean_row
        values = tf.tensor_scatter_nd_update(values, [[number]], [value])
        by_hidden = tf.tensor_scatter_nd_update(by_hidden, [[number]], [slope])
        by_table += tf.matmul(exponentials, factor[:, None] * row, transpose_a=True)
        if bias is not None:
            by_bias += tf.linalg.matvec(exponentials, factor, transpose_a=True)
        return number + 1, values, by_hidden, by_table, by_bias

    own, rest = (smoothing - 1) * weights, -smoothing / vocab * weights
    by_table = tf.broadcast_to(tf.linalg.matvec(hidden, rest, transpose_a=True), tf.shape(table))
    by_table = tf.tensor_scatter_nd_add(by_table, labels[:, None], own[:, None] * hidden)
    by_bias = tf.fill([vocab], tf.reduce_sum(rest))
    by_bias = tf.tensor_scatter_nd_add(by_bias, labels[:, None], own)
    needed = -(-(tokens - tf.reduce_sum(uncounted)) // chunk)
    start = (0, tf.zeros_like(weight), tf.zeros_like(rows), by_table, by_bias)
    _, values, by_hidden, by_table, by_bias = tf.while_loop(
        lambda number, *_: number < needed, step, start, parallel_iterations=1
    )
    back = tf.math.invert_permutation(order)

    def in_place(sorted_):
        whole = tf.reshape(sorted_, tf.concat([[-1], tf.shape(sorted_)[2:]], 0))
        return tf.gather(whole, back)

    return in_place(values), (in_place(by_hidden), by_table, by_bias)
