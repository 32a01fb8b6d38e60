"""The kernel in `keras.ops`, straight from its recursion: what the others are tested against."""

from keras import ops


def log_partition(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`; `first` are the positions with which sequences begin."""
    sums = ops.zeros_like(logits[:, 0])
    for t in range(logits.shape[1]):
        after = ops.logsumexp(ops.expand_dims(sums, 2) + transitions, axis=1)
        after = ops.where(first[:, t, None], start, after) + logits[:, t]
        sums = ops.where(positions[:, t, None], after, sums)
    return ops.logsumexp(sums + end, axis=1)
