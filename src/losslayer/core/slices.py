"""Micro-batches: the part of the graph in which examples don't meet runs in slices.

The encoders are what takes memory, and they treat examples one by one. So they run slice by slice,
and again for the gradient; the losses and metrics get the whole batch of what comes out. That is
the gradient of the whole batch, for any loss.
"""

import keras
from keras import ops

from losslayer import backend
from losslayer.core import graph, rows
from losslayer.core.errors import ObjectiveError, refuse

# In training these mix the examples of a batch.
COUPLING = (keras.layers.BatchNormalization, keras.layers.MixUp, keras.layers.CutMix)
# How far a slice may be from the same rows of a larger batch, by the rounding of the dtype: sums
# are taken in another order there, which is far below this, and mixed examples are far above.
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}

# Examples of the first batch that are compared.
ENOUGH = 16


class Slices:
    """One stage's graph in two parts: what runs slice by slice, and what sees the whole batch.

    Args:
        tensors: What the stage reads: the outputs of its graph.
        inputs: Its input tensors by name.
        size: Most examples in a slice; None for all at once.

    Raises:
        ObjectiveError: a layer before the losses couples examples, or adds a loss of its own.
    """

    def __init__(self, tensors, inputs, size):
        self.tensors = tensors
        self.inputs = inputs
        self.size = size
        self.cut = _cut(tensors)
        apart = [t for t in self.cut if not graph.is_input(t)]
        needed = {id(t) for t in graph.needs(apart)[0]}
        self.names = [name for name, t in inputs.items() if id(t) in needed]
        self.apart = graph.functional(apart, [inputs[n] for n in self.names], "apart")
        for layer in graph.sublayers(self.apart):
            _refuse_coupling(layer)
        self._moving = None

    def __call__(self, values, training):
        """The value of each of `tensors`, from those of the inputs by name."""
        weights = [ops.convert_to_tensor(v) for v in self.apart.trainable_variables]
        others = [ops.stop_gradient(v) for v in self.apart.non_trainable_variables]
        sliced = [values[n] for n in self.names]
        counting = rows.counting()
        if counting is not None:
            sliced.append(counting)
        if self._moving is None:
            self._moving = self._find_moving(weights, others, sliced)
        moving = self._moving

        def run(weights, state, tensors):
            """One slice, as a pure function: the state comes in and goes out."""
            everything = list(others)
            for place, value in zip(moving, state):
                everything[place] = value
            counting = tensors[len(self.names)] if len(tensors) > len(self.names) else None
            with rows.only(counting):
                outputs, after = self.apart.stateless_call(
                    weights, everything, tensors[: len(self.names)], training=training
                )
            return _flat(outputs), [after[place] for place in moving]

        state = [others[place] for place in moving]
        if self.size is None:
            outputs, state = run(weights, state, sliced)
        else:
            outputs, state = backend.in_slices(run, weights, state, sliced, self.size)
        for place, value in zip(moving, state):
            self.apart.non_trainable_variables[place].assign(value)
        known = [(t, values[n]) for n, t in self.inputs.items()]
        known += zip((t for t in self.cut if not graph.is_input(t)), outputs)
        return self._meet(known)

    def _meet(self, known):
        """What is read, from what was computed apart: where examples meet, those of all replicas.

        The rest stays with its replica.
        """
        if backend.replicas() == 1:
            return graph.run(self.tensors, known)
        apart = {id(t) for t in self.cut}
        met = [t for t in self.tensors if id(t) not in apart]
        needed = {id(t) for node in graph.nodes(met, self.cut) for t in node.input_tensors}
        own = {id(t): value for t, value in known}
        crossing = [t for t in self.cut if id(t) in needed]
        gathered = backend.of_all([own[id(t)] for t in crossing])
        found = dict(zip(map(id, met), graph.run(met, list(zip(crossing, gathered)))))
        return [found.get(id(t), own.get(id(t))) for t in self.tensors]

    def _find_moving(self, weights, others, tensors):
        """Places of the variables that a step changes: seeds, moving statistics."""
        found: list = []

        def trace(weights, others, tensors):
            with rows.only(None):
                _, after, losses = self.apart.stateless_call(
                    weights, others, tensors, training=True, return_losses=True
                )
            found.extend(i for i, (a, b) in enumerate(zip(others, after)) if a is not b)
            regularised = [v for v in self.apart.trainable_variables if v.regularizer]
            if len(losses) > len(regularised):
                raise ObjectiveError(
                    "Model: with slices or replicas no layer before the losses must add a loss of "
                    f"its own. Received: {_adding(self.apart)}. Return the tensor from the layer "
                    "and give it to Model.add_loss, or leave these out."
                )

        backend.traced(trace, weights, others, [t[:1] for t in tensors[: len(self.names)]])
        return found

    def verify(self, value_of, values):
        """Raise if a layer gives an example another value when others share its batch.

        Args:
            value_of: The value of a variable.
            values: Values of the inputs by name.
        """
        known = [(self.inputs[n], values[n]) for n in self.names]
        _verify(self.apart.outputs, known, value_of, max(2, min(self.size, ENOUGH)))


def _cut(tensors):
    """The tensors up to which no examples meet."""
    for tensor in graph.needs(tensors)[0]:
        if not tensor.shape or tensor.shape[0] is not None:
            rule = "be left out when an input has a fixed number of examples"
            refuse("Model.compile", "microbatch_size", rule, tensor.name)
    met = {id(t) for node in graph.meetings(tensors) for t in node.output_tensors}
    found: dict = {}
    for node in graph.nodes(tensors):
        apart = [t for t in node.input_tensors if id(t) not in met]
        if len(apart) < len(node.input_tensors):
            met.update(id(t) for t in node.output_tensors)
        if any(id(t) in met for t in node.output_tensors):
            for tensor in apart:
                _refuse_mask(tensor, node)
                found.setdefault(id(tensor), tensor)
    for tensor in tensors:
        if id(tensor) not in met:
            found.setdefault(id(tensor), tensor)
    return list(found.values())


def _refuse_mask(tensor, node):
    """The masks that Keras attaches to tensors don't come through the slices."""
    mask = getattr(tensor, "_keras_mask", None)
    lost = mask is not None and len(mask.shape) < len(tensor.shape)
    if lost and not graph.has_mask(node):
        raise ObjectiveError(
            "Model: with slices or replicas a layer that couples examples must get its "
            f"mask as mask=. Received: '{node.operation.name}', with a mask that Keras attached to "
            f"'{tensor.name}'."
        )


def _refuse_coupling(layer):
    if isinstance(layer, COUPLING) and layer.trainable:
        raise ObjectiveError(
            "Model: with slices or replicas no layer before the losses must mix the "
            f"examples of a batch. Received: '{layer.name}', a {type(layer).__name__}, which does "
            "in training. Take LayerNormalization or GroupNormalization, or freeze it with "
            "layer.trainable = False."
        )


def _adding(model):
    names = [x.name for x in graph.sublayers(model) if getattr(x, "activity_regularizer", None)]
    return f"{names} with activity_regularizer" if names else "a layer that calls add_loss"


def _verify(tensors, known, value_of, count):
    """Compare each tensor on the way to `tensors` between `count` rows and the halves of these."""
    way = [
        t
        for node in graph.nodes(tensors)
        for t in node.output_tensors
        if not isinstance(node.operation, keras.layers.InputLayer)
    ]
    probe = graph.functional(way, [t for t, _ in known], "probe")
    # What is random can't be compared between batches of other sizes.
    random = any(isinstance(v, keras.random.SeedGenerator) for v in _seeds(probe))

    def compare(weights, others, batch):
        batch = [t[:count] for t in batch]
        half = min(count, batch[0].shape[0]) // 2

        def run(tensors):
            return _flat(probe.stateless_call(weights, others, tensors, training=not random)[0])

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
            _verify(
                operation.outputs,
                list(zip(inner, (values[id(t)] for t in node.input_tensors))),
                value_of,
                count,
            )
        raise ObjectiveError(
            "Model: with `microbatch_size` the layers before the losses must treat each example "
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


def _seeds(model):
    for layer in graph.sublayers(model):
        yield from (v for v in vars(layer).values())


def _flat(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
