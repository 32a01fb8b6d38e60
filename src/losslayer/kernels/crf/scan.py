"""What JAX and TensorFlow share, in `keras.ops`."""

from keras import ops


def viterbi(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`: the best score of each beginning, then back from the best."""
    scores, counts, begins = (ops.moveaxis(t, 1, 0) for t in (logits, positions, first))
    # One tensor to scan over: on TensorFlow Keras takes no two of unknown length.
    places = ops.arange(ops.shape(scores)[0], dtype="int32")

    def forward(best, place):
        after = ops.max(ops.expand_dims(best, 2) + transitions, axis=1)
        after = ops.where(begins[place][:, None], start, after) + scores[place]
        after = ops.where(counts[place][:, None], after, best)
        return after, best

    last, before = ops.scan(forward, ops.zeros_like(logits[:, 0]), places)

    def backward(tag, place):
        best = before[place] + ops.take(ops.transpose(transitions), tag, axis=0)
        previous = ops.cast(ops.argmax(best, axis=1), "int32")
        return ops.where(counts[place], previous, tag), tag

    tag = ops.cast(ops.argmax(last + end, axis=1), "int32")
    _, tags = ops.scan(backward, tag, places, reverse=True)
    return ops.where(positions, ops.moveaxis(tags, 0, 1), -1)
