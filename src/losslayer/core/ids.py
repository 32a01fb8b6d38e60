"""Ids that point outside of their table: tokens beyond the vocabulary, labels beyond the classes.

JAX reads some other row for such a token, and a loss of such a label is 0 or NaN, in silence. A
compiled step can't look at values, so they are looked at before it, by a run of the graph of which
only what leads to ids is computed.
"""

import contextlib
import contextvars
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from losslayer import backend
from losslayer.core import graph
from losslayer.core.errors import DataError

_noted: contextvars.ContextVar = contextvars.ContextVar("noted", default=None)


class Reading(NamedTuple):
    """A place where ids are looked up."""

    reader: str  # who looks them up
    size: int  # rows of the table
    ids: object
    but: int | None  # a row that is no id


def within(ids, size, reader, but=None):
    """`ids` as they are; during a check they are noted, and moved into the table.

    Args:
        ids: Integers, `(batch, ...)`.
        size: They must be below.
        reader: Who looks them up, for the message.
        but: One that they must not be, or None.
    """
    noted = _noted.get()
    if noted is None:
        return ids
    noted.append(Reading(reader, size, ids, but))
    return ops.clip(ids, 0, size - 1)


class IdCheck:
    """Looks at all ids of a batch that embeddings and loss layers of a graph read.

    Args:
        functional: The graph, as a functional model.
        names: Names of its inputs.
    """

    def __init__(self, functional, names):
        self.names, self.graph = names, functional
        layers = graph.sublayers(self.graph)
        self.embeddings = [x for x in layers if isinstance(x, keras.layers.Embedding)]
        self.readings: list = []
        self._look = backend.pruned(self._find)

    def __call__(self, value_of, batch):
        """Raise if an id of `batch`, tensors by name, is in no row of its table."""
        weights = [value_of(v) for v in self.graph.trainable_variables]
        others = [value_of(v) for v in self.graph.non_trainable_variables]
        found = self._look(weights, others, [batch[n] for n in self.names])
        for (reader, size, but), (outside, row, place, value) in zip(self.readings, found):
            if not bool(ops.convert_to_numpy(outside)):
                continue
            row, place, value = (int(ops.convert_to_numpy(n)) for n in (row, place, value))
            without = "" if but is None else f" without {but}"
            raise DataError(
                f"Model: {_source(batch, self.names, row, value)} must hold ids from 0 to "
                f"{size - 1}{without}, for {reader}. Received: {value} in row {row} of the batch, "
                f"at position {place}. Mask what doesn't count, or make the table larger."
            )

    def _find(self, weights, others, tensors):
        noted: list = []
        token = _noted.set(noted)
        try:
            with _watched(self.embeddings):
                self.graph.stateless_call(weights, others, tensors, training=False)
        finally:
            _noted.reset(token)
        self.readings = [(r.reader, r.size, r.but) for r in noted]
        return [_first_outside(r) for r in noted]


def _first_outside(reading):
    """Whether there is an id outside, and the row, the place in it and the value of the first."""
    ids = ops.reshape(reading.ids, (-1,))
    outside = ops.logical_or(ids < 0, ids >= reading.size)
    if reading.but is not None:
        outside = ops.logical_or(outside, ops.equal(ids, reading.but))
    first = ops.argmax(outside)
    per_row = ops.size(reading.ids) // ops.shape(reading.ids)[0]
    return ops.any(outside), first // per_row, first % per_row, ops.take(ids, first)


@contextlib.contextmanager
def _watched(embeddings):
    """A context in which these layers note their ids; engines would fail on some, or hide them."""
    for layer in embeddings:
        layer.call = _noting(layer, layer.call)
    try:
        yield
    finally:
        for layer in embeddings:
            del layer.call


def _noting(layer, call):
    def noting(inputs, *args, **kwargs):
        if any(args) or any(kwargs.values()):  # a ReversibleEmbedding on its way back
            return call(inputs, *args, **kwargs)
        ids = ops.cast(inputs, "int32")  # as the layer does: a Sequential hands floats on
        return call(within(ids, layer.input_dim, f"the embedding '{layer.name}'"))

    return noting


def _source(batch, names, row, value):
    """The inputs that hold `value` in this row: what was looked up may have been computed."""
    holding = []
    for name in names:
        if "int" in keras.backend.standardize_dtype(batch[name].dtype):
            in_row = ops.convert_to_numpy(batch[name][row])
            if np.any(in_row == value):
                holding.append(f"'{name}'")
    return " or ".join(holding) or "the data"
