"""TensorFlow."""

import contextlib
import re

import numpy as np
import tensorflow as tf


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

    tf.function(trace, autograph=False).get_concrete_function()
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


def float64():
    """The engine keeps float64 as it is."""
    return contextlib.nullcontext()


def random_state():
    """Nothing: what Keras draws here depends on its seed generators alone."""
    return []


def set_random_state(state):
    """There is none."""
