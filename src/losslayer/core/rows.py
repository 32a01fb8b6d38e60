"""Rows that were added to fill a batch, so that devices get equal shares: they count nowhere."""

import contextlib
import contextvars

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
