"""A linear chain of tags: the sum, the best and the share of each among all sequences of tags.

    log_partition(...)   log of the summed exp(score) of all sequences; its gradient by `logits`
                         are the marginals, computed without a tape of the steps
    marginals(...)       the share of the sequences that have a tag at a position
    viterbi(...)         the best sequence

The score of the tags y at the n positions that count is

    start[y_1] + sum_t logits[t, y_t] + sum_t transitions[y_t, y_t+1] + end[y_n]

Positions that don't count are passed over wherever they are: as if they were removed.

All take
    logits: `(batch, time, tag)`; anything where nothing counts.
    transitions: `(tag, tag)`, from and to.
    start, end: `(tag,)`.
    positions: Boolean, `(batch, time)`: those that count.
"""

import importlib

import keras
from keras import ops

_engine = importlib.import_module(f"losslayer.kernels.crf.{keras.backend.backend()}")


def log_partition(logits, transitions, start, end, positions):
    """`(batch,)`; of a sequence in which nothing counts some finite number."""
    return _engine.log_partition(logits, transitions, start, end, positions, _first(positions))


def marginals(logits, transitions, start, end, positions):
    """`(batch, time, tag)`: they sum to 1 over the tags, and are 0 at what doesn't count."""
    return _engine.marginals(logits, transitions, start, end, positions, _first(positions))


def viterbi(logits, transitions, start, end, positions):
    """`(batch, time)`, int32; of equally good tags the first, -1 at what doesn't count."""
    return _engine.viterbi(logits, transitions, start, end, positions, _first(positions))


def _first(positions):
    """The first position that counts of each sequence."""
    return ops.logical_and(positions, ops.equal(ops.cumsum(ops.cast(positions, "int32"), 1), 1))
