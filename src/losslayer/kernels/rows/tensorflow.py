"""TensorFlow."""

import tensorflow as tf

from losslayer.kernels.tensorflow_steps import Steps


def sum_of_rows(function, rows, shared, weights, size):
    """As in `reference`; described in `jax`."""
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


def values_of_rows(function, rows, shared, weights, size):
    """As in `reference`."""
    tensors = [tf.stop_gradient(t) for t in (*rows, *shared)]
    return _in_turn(function, tensors, len(rows), tf.stop_gradient(weights), size, [])[0]


def _in_turn(function, tensors, own, weights, size, real):
    """The value of each row, and the slopes of their weighted sum by the `real` tensors.

    The first `own` tensors have rows.
    """
    steps = Steps(weights, size)
    tensors = [steps.of(t) if place < own else t for place, t in enumerate(tensors)]
    weights = steps.weights

    def step(number, values, *slopes):
        given = [t[number] if place < own else t for place, t in enumerate(tensors)]
        for place in real:  # one tensor in two places has a slope in each
            given[place] = tf.identity(given[place])
        leaves = [given[place] for place in real]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            found = function(given[:own], given[own:])
            found = tf.where(tf.equal(weights[number], 0), tf.zeros_like(found), found)
            weighted = tf.reduce_sum(weights[number] * found)
        values = tf.tensor_scatter_nd_update(values, [[number]], [found])
        after = []
        for place, slope, by in zip(real, slopes, tape.gradient(weighted, leaves)):
            if by is not None:  # what the function doesn't read costs nothing
                if place < own:
                    slope = tf.tensor_scatter_nd_update(slope, [[number]], [by])
                else:
                    slope += by
            after.append(slope)
        return number + 1, values, *after

    start = (0, tf.zeros_like(weights), *(tf.zeros_like(tensors[place]) for place in real))
    _, values, *slopes = tf.while_loop(
        lambda number, *_: number < steps.needed, step, start, parallel_iterations=1
    )
    slopes = [steps.back(s) if place < own else s for place, s in zip(real, slopes)]
    return steps.back(values), slopes
