"""From the data of `fit`, `evaluate` and `predict` to named inputs of the graph."""

import contextlib

import keras

from losslayer import backend
from losslayer.core import check, rows
from losslayer.core.errors import DataError, LosslayerError, shape_words

# Where `sample_weight` travels when there is no `y`: Keras's adapters drop it then.
SAMPLE_WEIGHT = "__sample_weight__"


def are_arrays(data):
    """Whether `data` are arrays (in a list or dict), not a source that yields batches."""
    leaves = keras.tree.flatten(data)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def arrays(objective, stages, given):
    """Put the arrays among the arguments of `fit` and its like under their names, and check them.

    Args:
        objective: The model's objective.
        stages: What the arrays are for: "fit", "evaluate", "predict".
        given: A dict with the arguments `x`, `y`, `sample_weight`, and any others.

    Returns:
        `given`, with `x` as a dict of just what is needed. Sources of batches stay as they are:
        each batch is checked in its step.
    """
    x, y, weight = (given.get(n) for n in ("x", "y", "sample_weight"))
    if not are_arrays(x):
        return given
    if weight is not None:
        weight = given["sample_weight"] = _per_row(weight)
    users = [objective.needed(stage) for stage in stages]
    merged = {n: [user for found in users for user in found.get(n, [])] for n in objective.sources}
    needed = {n: found for n, found in merged.items() if found}
    tensors = _checked(objective, stages[0], needed, x, y, weight)
    in_y = _by_name("y", y, objective.labels) if objective.labels else {}
    given["x"] = {n: tensors[n] for n in needed if n not in in_y}
    if y is None and weight is not None:
        given["x"][SAMPLE_WEIGHT] = given.pop("sample_weight")
    return given


def batch(objective, stage, data):
    """A batch as the steps of Keras take it: `x` by name, checked; `y`; the sample weights."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is None and isinstance(x, dict):
        weight = x.get(SAMPLE_WEIGHT)
    weight = None if weight is None else _per_row(weight)
    needed = objective.needed(stage)
    tensors = _checked(objective, stage, needed, x, y, weight)
    found = backend.with_equal_rows({n: tensors[n] for n in needed})
    if isinstance(x, dict) and rows.NAME in x:
        found[rows.NAME] = x[rows.NAME]
    return found, y, weight


@contextlib.contextmanager
def shapes_named(tensors, names):
    """A context whose errors about shapes say which batch it was: layers name only their own."""
    try:
        yield
    except LosslayerError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        if "out of memory" in str(error).lower():
            raise
        shapes = ", ".join(f"{n} {tuple(tensors[n].shape)}" for n in names)
        raise DataError(f"Model: the graph refuses a batch of {shapes}: {error}") from error


def first_rows(batch, rows):
    """The first `rows` rows of what `batch` returned; all of them for None."""
    return keras.tree.map_structure(lambda t: t if t is None else t[:rows], batch)


def inference_inputs(objective, x):
    """What of `x` the outputs need: a list in order, or the one tensor."""
    needed = objective.needed("predict")
    tensors = _by_name("x", x, objective.inputs, needed)
    _require(needed, tensors, "predict")
    found = [tensors[n] for n in needed]
    return found[0] if len(found) == 1 else found


def _per_row(weight):
    """Weights as `(batch,)` where they came as a column, `(batch, 1)`."""
    weight = weight.to_numpy() if hasattr(weight, "to_numpy") else weight  # a table's
    return weight[:, 0] if tuple(weight.shape[1:]) == (1,) else weight


def _checked(objective, stage, needed, x, y, weight):
    wanted = [n for n in needed if n in objective.inputs]
    tensors = _by_name("x", x, objective.inputs, wanted)
    if objective.labels:
        tensors.update(_by_name("y", y, objective.labels))
    elif y is not None and not objective.on_outputs:
        raise DataError(
            "Model: `y` must be left out: the model has no labels, and compile() got no loss or "
            "metric for the outputs. To use it, name it: Model(..., labels=keras.Input(...))."
        )
    _require(needed, tensors, stage)
    for name in needed:
        _check_shape(name, tensors[name], objective.sources[name])
    _check_rows({n: tensors[n] for n in needed} | {"sample_weight": weight, "y": y})
    return tensors


def _by_name(argument, data, names, wanted=None):
    """`data` (one tensor, a list, a dict) as a dict by name.

    A list is in the order of `names`, whole, or only of those `wanted`. A dict comes back as it
    is: names that nobody asked for do no harm.
    """
    if data is None:
        return {}
    if isinstance(data, dict):
        return dict(data)
    flat = list(data) if isinstance(data, (list, tuple)) else [data]
    wanted = list(names if wanted is None else wanted)
    for candidate in (list(names), wanted):
        if len(flat) == len(candidate):
            return dict(zip(candidate, flat, strict=True))
    raise DataError(
        f"Model: `{argument}` must hold {len(wanted)} tensors, in the order {tuple(wanted)}, or be "
        f"a dict by name. Received: {len(flat)}."
    )


def _require(needed, received, stage):
    """Raise unless each needed input was received; say who needs it."""
    for name, users in needed.items():
        if received.get(name) is None:
            at_hand = tuple(n for n in received if n not in (SAMPLE_WEIGHT, rows.NAME))
            raise DataError(
                f"Model: {stage} needs '{name}', for {', '.join(users)}. Received: {at_hand}."
                f"{check.nearest(name, at_hand)} Give it by name in x, or in y if it is a label."
            )


def _check_shape(name, tensor, spec):
    shape, expected = tuple(tensor.shape), tuple(spec.shape)
    fitted = shape
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        fitted = shape[:-1]  # Keras squeezes it
    elif len(shape) == len(expected) - 1 and expected[-1] == 1:
        fitted = shape + (1,)  # Keras expands it
    same = len(fitted) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(fitted, expected, strict=True)
    )
    if not same:
        raise DataError(
            f"Model: '{name}' must have shape {shape_words(expected)}. Received: shape {shape}."
        )


def _check_rows(tensors):
    rows = {
        name: leaf.shape[0]
        for name, tensor in tensors.items()
        for leaf in keras.tree.flatten(tensor)
        if getattr(leaf, "shape", None) and leaf.shape[0] is not None
    }
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise DataError(f"Model: all tensors must have as many rows. Received: {counts}.")
