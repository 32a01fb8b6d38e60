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


def with_equal_rows(tensors):
    """`tensors` as they are: their shapes are known, and checked, before the step."""
    return tensors


def guarded(step_function, variable_groups, data_error):
    """`step_function(state, iterator)`, after whose failure the variables have their values again.

    Keras takes the arrays out of its variables while steps run. When the first step fails, while
    it is traced say, nothing would put them back.

    Args:
        step_function: What Keras's `make_train_function` and its like make.
        variable_groups: Function that returns lists of variables, in the order of the state.
        data_error: Not used here.
    """

    def step(state, iterator):
        try:
            return step_function(state, iterator)
        except StopIteration:  # the data ended
            raise
        except BaseException:
            for variables, values in zip(variable_groups(), state):
                for variable, value in zip(variables, values):
                    if not value.is_deleted():
                        variable.assign(value)
            raise

    return step


def value_and_gradient(function):
    """Make of `function(arrays, *rest)`, a scalar, one that gives its gradient by `arrays` too.

    Returns:
        A function from the same arguments to the value and a list of arrays, as NumPy.
    """
    differentiated = fast(jax.value_and_grad(function))

    def run(arrays, *rest):
        value, gradients = differentiated(list(arrays), *rest)
        return np.asarray(value), [np.asarray(g) for g in gradients]

    return run


def fast(function):
    """`function` under `jit`, for few runs: eagerly, JAX would compile each operation by itself."""
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=quick)


def compiled(function):
    """`function` under `jit`, and a list that grows by one at each trace."""
    traces: list = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return jax.jit(traced), traces


def float64():
    """A context in which the engine keeps float64 as it is."""
    return jax.enable_x64(True)


def random_state():
    """Nothing: what Keras draws here depends on its seed generators alone."""
    return []


def set_random_state(state):
    """There is none."""
