"""JAX."""

import jax
import numpy as np
from jax.extend.core import Literal


def connected(function, variables):
    """Which of `variables` each scalar of `function(variables)` is differentiably computed from.

    Read off the program of the gradient, so a gradient that happens to be 0 (a hinge that no
    example violates) counts as connected; nothing is computed.

    Args:
        function: From a list of arrays to a list of scalars.
        variables: List of arrays or tracers.

    Returns:
        For each scalar a list of bools, one per variable.
    """

    def pullback(cotangents, values):
        return jax.vjp(function, values)[1](cotangents)[0]

    shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables]
    scalars = jax.eval_shape(function, shapes)
    program = jax.make_jaxpr(pullback)(scalars, shapes).jaxpr
    # What each intermediate result depends on: the numbers of the scalars whose cotangents it has.
    origins = {var: {i} for i, var in enumerate(program.invars[: len(scalars)])}

    def of(variable):
        return set() if isinstance(variable, Literal) else origins.get(variable, set())

    for equation in program.eqns:
        found = set().union(*map(of, equation.invars))
        for variable in equation.outvars:
            origins[variable] = found
    return [[i in of(out) for out in program.outvars] for i in range(len(scalars))]


def value_and_gradient(function, arrays):
    """A scalar `function` of arrays at `arrays`, and its gradient, as NumPy."""
    value, gradients = jax.value_and_grad(function)([jax.numpy.asarray(a) for a in arrays])
    return np.asarray(value), [np.asarray(g) for g in gradients]


def compiled(function):
    """`function` under `jit`, and a list that grows by one at each trace."""
    traces = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return jax.jit(traced), traces


def float64():
    """A context in which float64 stays float64."""
    return jax.enable_x64(True)
