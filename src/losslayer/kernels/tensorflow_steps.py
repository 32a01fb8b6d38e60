"""Rows that count first, in steps: what the loops on TensorFlow go over."""

import tensorflow as tf


class Steps:
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
