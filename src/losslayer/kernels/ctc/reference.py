"""In `keras.ops`: JAX and TensorFlow run this, and PyTorch's own is tested against it."""

from keras import ops

# What stands for log(0): finite, so that nothing is NaN, and far below what real sums reach.
_LOG_ZERO = -1e30


def ctc_loss(log_probs, labels, logit_lengths, label_lengths, *, blank):
    """-log of the probability of a sequence of labels: the sum over all alignments with frames.

    An alignment is a walk over the states blank, label 1, blank, label 2, ..., blank. With each
    frame it stays, goes one state on, or two: from a label to the next one, if they differ.

        alpha_t(s) = (alpha_t-1(s) + alpha_t-1(s - 1) + may_skip(s) alpha_t-1(s - 2)) p_t(s)
        value = -log(alpha_T(last blank) + alpha_T(last label))

    and `beta`, the same from the end, gives the share of each state in a frame: the slope.

    Args:
        log_probs: `(batch, time, class)`, normalised over the classes.
        labels: Integers in [0, class), not `blank`; any such beyond the length. `(batch, label)`.
        logit_lengths: How many frames count, in [0, time]. `(batch,)`.
        label_lengths: How many labels count, in [0, label]. `(batch,)`.
        blank: The class that stands for no label.

    Returns:
        `(batch,)`. Anything finite for labels that no alignment gives, the gradient too.
    """
    batch, time, _ = ops.shape(log_probs)
    states = 2 * ops.shape(labels)[1] + 1
    between = ops.stack([ops.full_like(labels, blank), labels], axis=2)
    walk = ops.pad(
        ops.reshape(between, (batch, states - 1)), [[0, 0], [0, 1]], constant_values=blank
    )
    index = ops.broadcast_to(ops.expand_dims(walk, 1), (batch, time, states))
    frames = ops.transpose(ops.take_along_axis(log_probs, index, axis=2), (1, 0, 2))
    return _total(frames, walk, logit_lengths, label_lengths)


@ops.custom_gradient
def _total(frames, walk, logit_lengths, label_lengths):
    """The value of walks `(batch, state)` over frames `(time, batch, state)`, and its slope."""
    # A blank is two states after a blank: the same, so this is about labels only.
    may_skip = ops.not_equal(walk, _moved(walk, 2, -1))
    lengths = ops.expand_dims(logit_lengths, 1)
    place, last = ops.arange(ops.shape(walk)[1]), 2 * ops.expand_dims(label_lengths, 1)
    start = _log(ops.broadcast_to(ops.equal(place, 0), ops.shape(walk)), frames.dtype)
    end = _log(ops.logical_or(ops.equal(place, last), ops.equal(place, last - 1)), frames.dtype)
    numbers = ops.arange(ops.shape(frames)[0])

    def forward(alpha, number):
        alpha = _near_zero(alpha)
        skipped = ops.where(may_skip, _moved(alpha, 2), _LOG_ZERO)
        found = _log_sum(alpha, _moved(alpha, 1), skipped)
        found = found + ops.take(frames, number, axis=0)
        found = ops.where(number < lengths, found, alpha)
        return found, found

    def backward(beta, number):
        then = _near_zero(beta + ops.take(frames, number, axis=0))
        skipped = _moved(ops.where(may_skip, then, _LOG_ZERO), -2)
        found = _log_sum(then, _moved(then, -1), skipped)
        return ops.where(number < lengths, found, beta), beta

    final, alpha = ops.scan(forward, start, numbers)
    taken_away = ops.sum(ops.max(alpha, axis=2), axis=0)
    value = -taken_away - ops.logsumexp(_near_zero(final) + end, axis=1)

    def slope(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        _, beta = ops.scan(backward, end, numbers, reverse=True)
        both = alpha + beta
        share = ops.exp(both - ops.logsumexp(both, axis=2, keepdims=True))
        counts = ops.expand_dims(numbers[:, None] < logit_lengths, 2)
        share = ops.where(counts, share, ops.zeros_like(share))
        return -share * ops.reshape(upstream, (1, -1, 1)), None, None, None

    return value, slope


def _log_sum(a, b, c):
    """log(exp(a) + exp(b) + exp(c)): one logarithm, where two of `ops.logaddexp` take longer."""
    top = ops.maximum(ops.maximum(a, b), c)
    return top + ops.log(ops.exp(a - top) + ops.exp(b - top) + ops.exp(c - top))


def _near_zero(states):
    """Differences between states are what goes on: float32 would lose them in long sums."""
    return states - ops.max(states, axis=1, keepdims=True)


def _log(condition, dtype):
    return ops.where(condition, ops.zeros((), dtype), ops.full((), _LOG_ZERO, dtype))


def _moved(states, by, filler=_LOG_ZERO):
    """Each state's value at the state that is `by` places on."""
    before, behind = max(by, 0), max(-by, 0)
    padded = ops.pad(states, [[0, 0], [before, behind]], constant_values=filler)
    return padded[:, behind : behind + ops.shape(states)[1]]
