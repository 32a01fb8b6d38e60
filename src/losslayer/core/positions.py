"""Positions of sequences of which some don't count."""

from keras import ops


def moved_together(positions, *tensors):
    """What counts in front, in its order; so neighbours are next to each other.

    Args:
        positions: Boolean, `(batch, time)`: True counts.
        *tensors: `(batch, time)` each.

    Returns:
        `positions` and the tensors, moved alike.
    """
    time = ops.shape(positions)[1]
    places = ops.arange(time, dtype="int32")
    # All different, so the order is the same on every engine.
    order = ops.argsort(ops.where(positions, places, places + time), axis=1)
    return [ops.take_along_axis(t, order, axis=1) for t in (positions, *tensors)]
