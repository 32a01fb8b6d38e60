"""From the data of `fit`, `evaluate` and `predict` to named inputs of the graph."""

import keras

from losslayer.core.errors import DataError, shape_words
from losslayer.core.objective import nearest

# Where `sample_weight` travels when there is no `y`: Keras's adapters drop it then.
SAMPLE_WEIGHT = "__sample_weight__"


def are_arrays(data):
    """Whether `data` are arrays (in a list or dict), not a source that yields batches."""
    leaves = keras.tree.flatten(data)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def by_name(argument, data, names, wanted=None):
    """`data` (one tensor, a list, a dict) as a dict by name.

    Args:
        argument: "x" or "y", for messages.
        data: The tensors. A list is in the order of `names`, whole, or only of those `wanted`.
        names: All names.
        wanted: The names that will be used; default all.

    Returns:
        A dict from name to tensor. A dict comes back as it is: names that nobody asked for do no
        harm.
    """
    wanted = list(names if wanted is None else wanted)
    if data is None:
        return {}
    if isinstance(data, dict):
        return dict(data)
    flat = list(data) if isinstance(data, (list, tuple)) else [data]
    for candidate in (list(names), wanted):
        if len(flat) == len(candidate):
            return dict(zip(candidate, flat))
    raise DataError(
        f"Model: `{argument}` must hold {len(wanted)} tensors, in the order {tuple(wanted)}, or be "
        f"a dict by name. Received: {len(flat)}."
    )


def require(needed, received, stage):
    """Raise unless each needed input was received.

    Args:
        needed: A dict from name to the labels of who needs it.
        received: The names at hand.
        stage: "fit", "evaluate" or "predict", for the message.
    """
    for name, users in needed.items():
        if name not in received:
            at_hand = tuple(n for n in received if n != SAMPLE_WEIGHT)
            raise DataError(
                f"Model: {stage} needs '{name}', for {', '.join(users)}. Received: {at_hand}."
                f"{nearest(name, at_hand)} Give it by name in x, or in y if it is a label."
            )


def check_shapes(tensors, specs):
    """Raise unless the tensors fit the inputs that they go to and have as many rows.

    Args:
        tensors: Arrays or tensors by name.
        specs: The symbolic inputs, by the same names.
    """
    for name, spec in specs.items():
        shape, expected = tuple(tensors[name].shape), tuple(spec.shape)
        if not _fits(shape, expected):
            raise DataError(
                f"Model: '{name}' must have shape {shape_words(expected)}. Received: shape {shape}."
            )
    rows = {n: t.shape[0] for n, t in tensors.items() if len(t.shape) and t.shape[0] is not None}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{n} {r}" for n, r in rows.items()).replace(SAMPLE_WEIGHT, "weights")
        raise DataError(
            f"Model: all arrays must have the same number of rows. Received: {counts} rows."
        )


def _fits(shape, expected):
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        shape = shape[:-1]  # Keras squeezes it
    elif len(shape) == len(expected) - 1 and expected[-1] == 1:
        shape = shape + (1,)  # Keras expands it
    return len(shape) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(shape, expected)
    )
