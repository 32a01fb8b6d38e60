"""TensorFlow."""

import contextlib
import contextvars
import itertools
import re

import numpy as np
import tensorflow as tf

from losslayer.backend.common import gathered, lonely_processes, process, slice_sizes  # noqa: F401

# Replicas can't speak to each other from within a function that is traced by itself.
_alone: contextvars.ContextVar = contextvars.ContextVar("alone", default=False)


def connected(function, variables):
    """Which of `variables` each scalar of `function(variables)` is differentiably computed from.

    Traced into a graph of its own that is never run.

    Args:
        function: From a list of tensors to a list of scalars.
        variables: List of tensors or `tf.Variable`s.

    Returns:
        For each scalar a list of bools, one per variable.
    """
    flags = []

    def trace():
        values = [tf.identity(v) for v in variables]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            scalars = function(values)
        for scalar in scalars:
            gradients = tape.gradient(scalar, values)
            flags.append([g is not None for g in gradients])

    token = _alone.set(True)
    try:
        tf.function(trace, autograph=False).get_concrete_function()
    finally:
        _alone.reset(token)
    return flags


_ROWS = "Model: all tensors must have as many rows. Received: "


def with_equal_rows(tensors):
    """`tensors`, behind a check that they have as many rows.

    Batches of a generator have no length yet while the step is traced: only running it can tell.
    """
    shapes = [tf.TensorShape(t.shape) for t in tensors.values()]
    if all(not s.rank or s[0] is not None for s in shapes):
        return tensors
    rows = [tf.shape(t)[0] for t in tensors.values()]
    same = tf.reduce_all(tf.equal(rows, rows[0]))
    counts = [part for pair in zip(tensors, rows) for part in pair]
    with tf.control_dependencies([tf.debugging.Assert(same, [_ROWS, *counts])]):
        return {name: tf.identity(t) for name, t in tensors.items()}


def guarded(step_function, variable_groups, data_error):
    """`step_function`, with what it finds wrong about a batch raised as `data_error`.

    A later batch of a generator is compared with the first ones by Keras's adapter, inside
    TensorFlow, which wraps what that raises.
    """

    def step(*args):
        try:
            return step_function(*args)
        except tf.errors.InvalidArgumentError as error:
            text = str(error)
            _, unequal, counts = text.partition(_ROWS)
            changed = re.search(r"(?:Generator yielded|dictionary key mismatch)[^\n]*", text)
            if unequal:
                pairs = re.findall(r"\[(\w+)\] \[(\d+)\]", counts)
                raise data_error(_ROWS + ", ".join(map(" ".join, pairs)) + ".") from None
            if changed:
                problem = f"Model: a batch must be like the first ones. Received: {changed[0]}"
                raise data_error(problem) from error
            raise

    return step


def in_slices(function, weights, state, tensors, size):
    """Run `function` over slices of `tensors`; the gradient runs each of them again.

    As in `losslayer.backend.jax`, where it is described.
    """
    rows = tensors[0].shape[0] or tf.shape(tensors[0])[0]
    count, size = slice_sizes(rows, size)

    def cut(tensor):
        """`(count, size, ...)`, filled up with the last row."""
        filling = tf.repeat(tensor[-1:], count * size - rows, axis=0)
        filled = tf.concat([tensor, filling], axis=0)
        return tf.reshape(filled, tf.concat([[count, size], tf.shape(tensor)[1:]], 0))

    def join(tensor):
        return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))[:rows]

    sliced = [cut(t) for t in tensors]

    @tf.custom_gradient
    def forward(*flat):
        weights, state = list(flat[:known]), list(flat[known:])

        def step(place, state, before, found):
            before = [a.write(place, s) for a, s in zip(before, state)]
            outputs, state = function(weights, state, [t[place] for t in sliced])
            return place + 1, state, before, [a.write(place, o) for a, o in zip(found, outputs)]

        _, last, before, found = tf.while_loop(
            lambda place, *_: place < count,
            step,
            (0, state, [array(s) for s in state], [array(k) for k in kinds]),
        )
        before = [a.stack() for a in before]

        def backward(*upstream):
            arriving = [g for g, kind in zip(upstream, kinds) if kind.dtype.is_floating]

            def step(place, sums):
                with tf.GradientTape() as tape:
                    tape.watch(weights)
                    outputs, _ = function(
                        weights, [b[place] for b in before], [t[place] for t in sliced]
                    )
                    outputs = [o for o in outputs if o.dtype.is_floating]
                gradients = tape.gradient(
                    outputs,
                    weights,
                    output_gradients=[g[place] for g in arriving],
                    unconnected_gradients=tf.UnconnectedGradients.ZERO,
                )
                return place + 1, [s + g for s, g in zip(sums, gradients)]

            zeros = [tf.zeros_like(w) for w in weights]
            _, sums = tf.while_loop(lambda place, _: place < count, step, (0, zeros))
            return [*sums, *(None for _ in state)]

        return [*(a.stack() for a in found), *last], backward

    def array(like):
        return tf.TensorArray(like.dtype, size=count, element_shape=None)

    known = len(weights)
    kinds = _kinds(function, weights, state, [t[0] for t in sliced])
    results = forward(*weights, *state)
    return [join(t) for t in results[: len(kinds)]], results[len(kinds) :]


def _kinds(function, *args):
    """What `function` gives out, without running it."""
    found: list = []

    def trace(*args):
        found.extend(function(*args)[0])

    traced(trace, *args)
    return found


def peek(batches, count):
    """The batches that a step is about to read, and the batches with them.

    Args:
        batches: What Keras gives the step function: here an iterator of `tf.data`, or a list.
        count: How many batches a step reads.
    """
    if isinstance(batches, tf.distribute.DistributedIterator):
        return [], batches
    if not isinstance(batches, tf.data.Iterator):
        found = list(batches)
        return found, found
    found = list(itertools.islice(batches, count))
    # Of the same signature, or the step would be compiled once more.
    again = tf.data.Dataset.from_generator(lambda: found, output_signature=batches.element_spec)
    return found, iter(again)


def pruned(function):
    """`function`, compiled: only what its results need is computed."""
    return tf.function(function, autograph=False, reduce_retracing=True)


def replicas():
    """How many replicas of a `tf.distribute` strategy run the step side by side."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None or _alone.get() else context.num_replicas_in_sync


def summed(tensor):
    """The sum over all replicas; no gradient goes through it."""
    if replicas() == 1:
        return tensor
    context = tf.distribute.get_replica_context()
    return tf.stop_gradient(context.all_reduce(tf.distribute.ReduceOp.SUM, tensor))


def of_all(tensors):
    """The rows of all replicas, `(batch, ...)` each; the gradient goes back to where they are."""
    if replicas() == 1:
        return tensors
    floating = [t for t in tensors if t.dtype.is_floating]
    others = [t for t in tensors if not t.dtype.is_floating]
    context = tf.distribute.get_replica_context()
    found = iter(context.all_gather(floating, axis=0) if floating else [])
    # Numbers without a gradient apart: TensorFlow asks each for one.
    rest = iter([_all_of_one(context, t) for t in others])
    return [next(found if t.dtype.is_floating else rest) for t in tensors]


def _all_of_one(context, tensor):
    if tensor.dtype == tf.bool:
        return tf.cast(context.all_gather(tf.cast(tensor, "int32"), axis=0), "bool")
    return context.all_gather(tensor, axis=0)


def traced(function, *args):
    """Run `function` for what Python sees of it; nothing is computed."""
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), args)
    tf.function(function, autograph=False).get_concrete_function(*specs)


def value_and_gradient(function):
    """Make of `function(arrays, *rest)`, a scalar, one that gives its gradient by `arrays` too.

    Returns:
        A function from the same arguments to the value and a list of arrays, as NumPy.
    """

    def run(arrays, *rest):
        tensors = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(tensors, *rest)
        gradients = tape.gradient(value, tensors)
        pairs = zip(gradients, tensors)
        found = [np.zeros(t.shape) if g is None else tf.convert_to_tensor(g) for g, t in pairs]
        return value.numpy(), [np.asarray(g) for g in found]

    return run


def fast(function):
    """`function` as it is: it runs fast enough eagerly."""
    return function


def compiled(function):
    """`function` as a `tf.function`, and a list that grows by one at each trace."""
    traces: list = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return tf.function(traced, autograph=False, reduce_retracing=True), traces


def inference(function, variables):
    """`function`, compiled once for each shape, and a list that grows by one at each trace."""
    traces: list = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return tf.function(traced, autograph=False), traces


def float64():
    """The engine keeps float64 as it is."""
    return contextlib.nullcontext()


def random_state():
    """Nothing: what Keras draws here depends on its seed generators alone."""
    return []


def set_random_state(state):
    """There is none."""
