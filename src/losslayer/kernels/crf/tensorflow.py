"""TensorFlow."""

import tensorflow as tf

from losslayer.kernels.crf.scan import viterbi as viterbi


def log_partition(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf.reference`; described in `losslayer.kernels.crf.jax`."""

    @tf.custom_gradient
    def total(logits, transitions, start, end):
        last, before = _sums(logits, transitions, start, positions, first)

        def backward(upstream):
            slope = upstream[:, None] * tf.nn.softmax(last + end, axis=1)
            by_logits, by_transitions = _slopes(slope, before, transitions, positions, first)
            by_start = tf.where(first[:, :, None], by_logits, tf.zeros_like(by_logits))
            by_start, by_end = tf.reduce_sum(by_start, (0, 1)), tf.reduce_sum(slope, 0)
            return by_logits, by_transitions, by_start, by_end

        return tf.reduce_logsumexp(last + end, axis=1), backward

    given = (logits, transitions, start, end)
    return total(*map(tf.convert_to_tensor, given))  # a custom gradient takes no variables


def marginals(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`: the gradient of the sum by the logits."""
    last, before = _sums(logits, transitions, start, positions, first)
    slope = tf.nn.softmax(last + end, axis=1)
    return _slopes(slope, before, transitions, positions, first)[0]


def _sums(logits, transitions, start, positions, first):
    """Sums over all beginnings that end in a tag: after the last position, and before each."""

    def step(before, given):
        score, counts, begins = given
        after = tf.reduce_logsumexp(before[:, :, None] + transitions, axis=1)
        after = tf.where(begins[:, None], start, after) + score
        return tf.where(counts[:, None], after, before)

    given = tf.transpose(logits, [1, 0, 2]), tf.transpose(positions), tf.transpose(first)
    nothing = tf.zeros_like(logits[:, 0])
    after = tf.scan(step, given, nothing)
    return after[-1], tf.concat([nothing[None], after[:-1]], axis=0)


def _slopes(slope, before, transitions, positions, first):
    """From the slope by the last sums: the slopes by logits and transitions."""
    nothing, no_pairs = tf.zeros_like(slope), tf.zeros_like(transitions)

    def step(carry, given):
        slope = carry[0]
        before, counts, goes_on = given
        shares = tf.nn.softmax(before[:, :, None] + transitions, axis=1)
        pairs = shares * tf.where(goes_on[:, None], slope, nothing)[:, None, :]
        here = tf.where(counts[:, None], slope, nothing)
        slope = tf.where(counts[:, None], tf.reduce_sum(pairs, 2), slope)
        return slope, tf.reduce_sum(pairs, 0), here

    goes_on = tf.logical_and(positions, tf.logical_not(first))
    given = before, tf.transpose(positions), tf.transpose(goes_on)
    _, pairs, by_logits = tf.scan(step, given, (slope, no_pairs, nothing), reverse=True)
    return tf.transpose(by_logits, [1, 0, 2]), tf.reduce_sum(pairs, 0)
