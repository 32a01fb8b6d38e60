"""Do layers mix the examples of a batch? Found by running a few rows, at once and in halves."""

import keras
from keras import ops

from losslayer import backend
from losslayer.core import graph
from losslayer.core.errors import ObjectiveError

# How far a slice may be from the same rows of a larger batch, by the rounding of the dtype: sums
# are taken in another order there, which is far below this, and mixed examples are far above.
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}


def refuse_mixing(tensors, known, value_of, count):
    """Compare each tensor on the way to `tensors` between `count` rows and the halves of these.

    Args:
        tensors: What is computed from the rows.
        known: Pairs of a symbolic tensor and its value.
        value_of: The value of a variable.
        count: How many rows to compare, at most.

    Raises:
        ObjectiveError: a layer gives an example another value when others share its batch.
    """
    way = [
        t
        for node in graph.nodes(tensors)
        for t in node.output_tensors
        if not isinstance(node.operation, keras.layers.InputLayer)
    ]
    probe = graph.functional(way, [t for t, _ in known], "probe")
    # What is random can't be compared between batches of other sizes.
    held = [value for layer in graph.sublayers(probe) for value in vars(layer).values()]
    random = any(isinstance(value, keras.random.SeedGenerator) for value in held)

    def compare(weights, others, batch):
        batch = [t[:count] for t in batch]
        half = min(count, batch[0].shape[0]) // 2

        def run(tensors):
            found, _ = probe.stateless_call(weights, others, tensors, training=not random)
            return keras.tree.flatten(found)

        parts = run([t[:half] for t in batch]), run([t[half:] for t in batch])
        whole = run(batch)
        return [_difference(w, *halves) for w, *halves in zip(whole, *parts)], whole

    weights = [value_of(v) for v in probe.trainable_variables]
    others = [value_of(v) for v in probe.non_trainable_variables]
    differences, whole = backend.fast(compare)(weights, others, [value for _, value in known])
    for tensor, difference in zip(way, differences):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if float(ops.convert_to_numpy(difference)) <= TOLERANCE.get(dtype, 0.0):
            continue
        operation = graph.producer(tensor)
        inner = getattr(operation, "inputs", None)
        if isinstance(operation, keras.Model) and inner:
            node = operation._inbound_nodes[tensor._keras_history.node_index]
            values = {id(t): v for t, v in [*known, *zip(way, whole)]}
            refuse_mixing(
                operation.outputs,
                list(zip(inner, (values[id(t)] for t in node.input_tensors))),
                value_of,
                count,
            )
        raise ObjectiveError(
            "Model: with slices or replicas the layers before the losses must treat each example "
            f"by itself. Received: '{operation.name}', which gives an example another value when "
            "others share its batch. Where that is meant, make it a loss layer with "
            "couples_examples = True; or leave these out."
        )


def _difference(whole, first, second):
    """Largest difference relative to the largest value; infinite where the shapes don't fit."""
    if tuple(whole.shape) != (first.shape[0] + second.shape[0], *first.shape[1:]):
        return ops.convert_to_tensor(float("inf"), "float32")
    whole, parts = (ops.cast(t, "float32") for t in (whole, ops.concatenate([first, second])))
    # NaN on both sides is no difference.
    unequal = ops.where(ops.isnan(whole) & ops.isnan(parts), 0.0, ops.abs(whole - parts))
    finite = ops.where(ops.isfinite(whole), ops.abs(whole), 0.0)
    return ops.max(unequal) / (ops.max(finite) + 1e-30)
