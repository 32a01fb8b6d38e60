"""Rows that were added to fill a batch, so that devices get equal shares: they count nowhere."""

import contextlib
import contextvars

import keras
from keras import ops

from losslayer.core.reduction import expand

# Where a batch says which of its rows count: 1 for a row of the data, 0 for one that was added.
NAME = "__rows__"

_counting: contextvars.ContextVar = contextvars.ContextVar("counting", default=None)


def counting():
    """`(batch,)`, 0 for the rows that were added; None where there are none."""
    return _counting.get()


@contextlib.contextmanager
def only(rows):
    """A context in which loss layers leave out the rows where `rows` is 0."""
    token = _counting.set(rows)
    try:
        yield
    finally:
        _counting.reset(token)


def count(x):
    """How many rows of a batch count, `x` by name."""
    if NAME in x:
        return ops.sum(x[NAME])
    return ops.shape(keras.tree.flatten(x)[0])[0]


def weigh(weights, values, x):
    """`weights` of `values` (None: all count once), 0 for the rows of a batch that were added.

    One value for the whole batch comes from a loss layer, which has left these rows out.
    """
    if NAME not in x or not len(values.shape):
        return weights
    if weights is None:
        return x[NAME]
    return ops.cast(weights, x[NAME].dtype) * expand(x[NAME], len(weights.shape))
