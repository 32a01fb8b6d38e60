"""What a tensor of a functional graph needs: its inputs and its layers.

The only file that reads how Keras records a graph (`_keras_history`, `_inbound_nodes`); both are
underscored but have been the same since Keras 3.0, and CI runs the oldest and the newest release
that `pyproject.toml` allows.
"""

import keras

from losslayer.core.errors import ArgumentTypeError, refuse


def is_symbolic(value):
    """Whether `value` is a tensor of a graph under construction."""
    return isinstance(value, keras.KerasTensor)


def producer(tensor):
    """The layer or operation that made a symbolic tensor."""
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation


def is_input(tensor):
    """Whether `tensor` is what `keras.Input` returned."""
    return is_symbolic(tensor) and isinstance(producer(tensor), keras.layers.InputLayer)


def nodes(tensors, known=()):
    """All that is computed on the way to `tensors`, producers first.

    Args:
        tensors: Symbolic tensors.
        known: Symbolic tensors at which the way ends.

    Returns:
        A list of Keras's nodes: each is one use of a layer or operation, inputs among them.
    """
    found: dict = {}
    ends = {id(t) for t in known}
    # Depth first by hand: graphs are deeper than Python's recursion limit.
    stack = [(t, False) for t in reversed(list(tensors))]
    seen = set()
    while stack:
        tensor, done = stack.pop()
        if id(tensor) in ends:
            continue
        operation, node_index, _ = tensor._keras_history
        node = operation._inbound_nodes[node_index]
        if done:
            found.setdefault(id(node), node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((tensor, True))
            stack.extend((t, False) for t in reversed(node.input_tensors))
    return list(found.values())


def needs(tensors):
    """What `tensors` are computed from.

    Returns:
        `(inputs, layers)`: the `keras.Input` tensors and the layers on the paths that lead to
        `tensors`, each once, producers first.
    """
    inputs: list = []
    layers: dict = {}
    for node in nodes(tensors):
        if isinstance(node.operation, keras.layers.InputLayer):
            inputs.extend(node.output_tensors)
        elif isinstance(node.operation, keras.layers.Layer):
            layers.setdefault(id(node.operation), node.operation)
    return inputs, list(layers.values())


def run(tensors, known):
    """Compute `tensors` from values of others.

    Args:
        tensors: Symbolic tensors.
        known: Pairs of a symbolic tensor and its value.

    Returns:
        The list of their values.
    """
    values = {id(tensor): value for tensor, value in known}
    for node in nodes(tensors, [tensor for tensor, _ in known]):
        args, kwargs = node.arguments.fill_in(values)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        values.update((id(t), value) for t, value in zip(node.output_tensors, outputs))
    return [values[id(t)] for t in tensors]


def meetings(tensors):
    """The nodes on the way to `tensors` at which the examples of a batch first meet.

    These are layers that say so (`couples_examples`), and operations after which the batch's axis
    is gone.
    """
    found: list = []
    met: set = set()
    for node in nodes(tensors):
        if any(id(t) in met for t in node.input_tensors):
            met.update(id(t) for t in node.output_tensors)
        elif getattr(node.operation, "couples_examples", False) or _loses_batch(node):
            found.append(node)
            met.update(id(t) for t in node.output_tensors)
    return found


def _loses_batch(node):
    def open_ended(tensor):
        return bool(tensor.shape) and tensor.shape[0] is None

    comes = any(map(open_ended, node.input_tensors))
    return comes and not all(map(open_ended, node.output_tensors))


def has_mask(node):
    """Whether a layer was called with mask=."""
    return node.arguments.kwargs.get("mask") is not None


def sublayers(layer):
    """`layer` and all layers inside of it."""
    return list(layer._flatten_layers())


def flat_named(owner, argument, tensors):
    """`tensors` (one, a list or a dict by name) as a dict from name to `keras.Input` tensor."""
    if isinstance(tensors, dict):
        named = list(tensors.items())
    else:
        flat = tensors if isinstance(tensors, (list, tuple)) else [tensors]
        named = [(getattr(t, "name", None), t) for t in flat]
    for _, tensor in named:
        if not is_input(tensor):
            refuse(
                owner,
                argument,
                "hold only what `keras.Input` returned: one tensor, a list, or a dict by name",
                tensor,
                error=ArgumentTypeError,
            )
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        refuse(owner, argument, "have names that differ", names)
    if names != [t.name for _, t in named]:
        rule = "have the tensors' own names as keys"
        refuse(owner, argument, rule, names, "Name them: keras.Input(..., name=...).")
    return dict(named)


def functional(tensors, inputs, name):
    """A plain functional model from `inputs` (a list of input tensors) to a list of tensors."""
    return keras.Model(list(inputs), list(tensors), name=name)
