"""In `keras.ops`, straight from the formula: what the others are tested against."""

from keras import ops


def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """The weighted sum of the cross entropies of tokens under a linear head.

        logits_i = table hidden_i + bias
        value_i = logsumexp(logits_i) - (1 - smoothing) logits_i[label_i]
                  - smoothing * mean(logits_i) + z_loss * logsumexp(logits_i)^2
        result = sum_i weights_i value_i

    Args:
        hidden: `(token, dim)`. Where the weight is 0 anything finite.
        table: `(vocab, dim)`.
        bias: `(vocab,)`, or None.
        labels: Integers in [0, vocab), `(token,)`.
        weights: `(token,)`.
        smoothing: Label smoothing, in [0, 1).
        z_loss: Factor of the squared logsumexp, >= 0.

    Returns:
        A scalar.
    """
    logits = ops.matmul(hidden, ops.transpose(table))
    if bias is not None:
        logits = logits + bias
    log_sum = ops.logsumexp(logits, axis=-1)
    chosen = ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1)[:, 0]
    target = (1 - smoothing) * chosen + smoothing * ops.mean(logits, axis=-1)
    return ops.sum(weights * (log_sum - target + z_loss * ops.square(log_sum)))
