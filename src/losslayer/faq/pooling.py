"""A vector for each text from those of its tokens `(batch, time, dim)`; padding counts nowhere."""

from typing import Any

from keras import ops


def masked_max(values: Any, mask: Any) -> Any:
    """Largest value over the steps that count.

    Args:
        values: `(batch, time, dim)`.
        mask: Boolean, `(batch, time)`; true counts.

    Returns:
        `(batch, dim)`.
    """
    # Below everything an encoder returns, and finite in half precision too.
    return ops.max(ops.where(ops.expand_dims(mask, -1), values, -65504.0), axis=1)


def masked_mean(values: Any, mask: Any) -> Any:
    """Mean over the steps that count, `(batch, dim)`; 0 where none does."""
    counted = ops.expand_dims(ops.cast(mask, values.dtype), -1)
    return ops.sum(values * counted, axis=1) / ops.maximum(ops.sum(counted, axis=1), 1)
