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
from losslayer.core.mixing import refuse_mixing

# In training these mix the examples of a batch.
COUPLING = (keras.layers.BatchNormalization, keras.layers.MixUp, keras.layers.CutMix)
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
        self.computed = [t for t in self.cut if not graph.is_input(t)]  # none: met at the inputs
        self.parts = [Part(tensors, inputs, size) for tensors in _apart(self.computed)]

    def __call__(self, values, training):
        """The value of each of `tensors`, from those of the inputs by name."""
        known = [(t, values[n]) for n, t in self.inputs.items()]
        for part in self.parts:
            known += zip(part.tensors, part(values, training))
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

    def verify(self, value_of, values):
        """Raise if a layer gives an example another value when others share its batch.

        Args:
            value_of: The value of a variable.
            values: Values of the inputs by name.
        """
        if self.computed:
            known = [(t, values[n]) for n, t in self.inputs.items()]
            refuse_mixing(self.computed, known, value_of, max(2, min(self.size or ENOUGH, ENOUGH)))


class Part:
    """Tensors that share what they are computed from: one run slice by slice gives them all.

    What shares nothing but weights and inputs is another part. It runs after this one, so the
    intermediate results of one part only are in memory at a time.

    Args:
        tensors: The outputs.
        inputs: All input tensors by name.
        size: Most examples in a slice; None for all at once.
    """

    def __init__(self, tensors, inputs, size):
        self.tensors, self.size = tensors, size
        needed = {id(t) for t in graph.needs(tensors)[0]}
        self.names = [name for name, t in inputs.items() if id(t) in needed]
        self.model = graph.functional(tensors, [inputs[n] for n in self.names], "apart")
        self._moving = None
        for layer in graph.sublayers(self.model):
            _refuse_coupling(layer)

    def __call__(self, values, training):
        """The value of each of `tensors`, from those of the inputs by name."""
        weights = [ops.convert_to_tensor(v) for v in self.model.trainable_variables]
        others = [ops.stop_gradient(v) for v in self.model.non_trainable_variables]
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
                outputs, after = self.model.stateless_call(
                    weights, everything, tensors[: len(self.names)], training=training
                )
            return keras.tree.flatten(outputs), [after[place] for place in moving]

        state = [others[place] for place in moving]
        if self.size is None:
            outputs, state = run(weights, state, sliced)
        else:
            outputs, state = backend.in_slices(run, weights, state, sliced, self.size)
        for place, value in zip(moving, state):
            self.model.non_trainable_variables[place].assign(value)
        return outputs

    def _find_moving(self, weights, others, tensors):
        """Places of the variables that a step changes: seeds, moving statistics."""
        found: list = []

        def trace(weights, others, tensors):
            with rows.only(None):
                _, after, losses = self.model.stateless_call(
                    weights, others, tensors, training=True, return_losses=True
                )
            found.extend(i for i, (a, b) in enumerate(zip(others, after)) if a is not b)
            regularised = [v for v in self.model.trainable_variables if v.regularizer]
            if len(losses) > len(regularised):
                raise ObjectiveError(
                    "Model: with slices or replicas no layer before the losses must add a loss of "
                    f"its own. Received: {_adding(self.model)}. Return the tensor from the layer "
                    "and give it to Model.add_loss, or leave these out."
                )

        backend.traced(trace, weights, others, [t[:1] for t in tensors[: len(self.names)]])
        return found


def _apart(tensors):
    """`tensors` in groups, of which no two share anything that is computed."""
    groups: list = []
    for tensor in tensors:
        made = {id(n) for n in graph.nodes([tensor]) if n.input_tensors}
        shared = [group for group in groups if group[1] & made]
        groups = [group for group in groups if not group[1] & made]
        joined = [t for group in shared for t in group[0]]
        groups.append(([*joined, tensor], made.union(*(group[1] for group in shared))))
    return [tensors for tensors, _ in groups]


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
