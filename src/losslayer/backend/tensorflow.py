"""TensorFlow."""

import contextlib

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


def value_and_gradient(function, arrays):
    """A scalar `function` of arrays at `arrays`, and its gradient, as NumPy."""
    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    gradients = tape.gradient(value, tensors)
    pairs = zip(gradients, tensors)
    found = [np.zeros(t.shape) if g is None else tf.convert_to_tensor(g).numpy() for g, t in pairs]
    return value.numpy(), found


def compiled(function):
    """`function` as a `tf.function`, and a list that grows by one at each trace."""
    traces = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return tf.function(traced, autograph=False, reduce_retracing=True), traces


def float64():
    """A context in which float64 stays float64 (as it always does here)."""
    return contextlib.nullcontext()
