"""JAX."""

import itertools

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.experimental import multihost_utils
from jax.extend.core import Literal

from losslayer.backend.common import lonely_processes, of_all, replicas, slice_sizes, summed  # noqa: F401

# Between the seeds of two devices: odd and large, so that they are no neighbours' of other seeds.
STRIDE = np.uint32(0x9E3779B1)


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


def in_slices(function, weights, state, tensors, size):
    """Run `function` over slices of `tensors`; the gradient runs each of them again.

    So only one slice's intermediate results are in memory at a time. `function` is pure, so both
    runs of a slice draw the same random numbers.

    Args:
        function: From `(weights, state, tensors)` to `(outputs, state)`, all of them lists. The
            outputs have as many rows as the tensors.
        weights: What the gradient is taken by.
        state: Handed from slice to slice: seeds, moving statistics.
        tensors: `(batch, ...)` each.
        size: Most rows in a slice, over all devices. All slices have as many rows, so the last one
            is filled up, with the last row again, where that is needed; what comes out for these is
            dropped.

    Returns:
        The outputs, `(batch, ...)` each, and the last state.
    """
    layout = keras.distribution.distribution()
    if not isinstance(layout, keras.distribution.DataParallel):
        return _in_slices(function, weights, state, tensors, size)
    mesh = layout.device_mesh.backend_mesh
    axis = layout.batch_dim_name
    devices = mesh.shape[axis]

    def on_a_device(weights, state, tensors):
        number = jax.lax.axis_index(axis).astype("uint32")
        own = [_moved(s, number) for s in state]
        outputs, after = _in_slices(function, weights, own, tensors, max(size // devices, 1))
        return outputs, [_joined(s, number, axis) for s in after]

    # Each device runs its rows by itself, so gradients of the weights are summed over devices once.
    # Left to itself, the compiler sums those of a loop's body, an LSTM's step, at each turn.
    whole, rows = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(axis)
    run = jax.shard_map(
        on_a_device,
        mesh=mesh,
        in_specs=(whole, whole, rows),
        out_specs=(rows, whole),
        check_vma=False,
    )
    return run(weights, state, tensors)


def _is_seed(array):
    """Whether `array` is what Keras's seed generators hold: a seed and a count."""
    return array.dtype == "uint32" and array.shape == (2,)


def _moved(array, number):
    """A seed of a device's own, so that devices draw other random numbers."""
    return array.at[0].add(number * STRIDE) if _is_seed(array) else array


def _joined(array, number, axis):
    """The state that all devices go on with: the seed as it was, of statistics the mean."""
    if _is_seed(array):
        return array.at[0].add(-(number * STRIDE))
    return jax.lax.pmean(array, axis) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _in_slices(function, weights, state, tensors, size):
    rows = tensors[0].shape[0]
    count, size = slice_sizes(rows, size)
    if count == 1:
        return function(weights, state, tensors)

    def cut(tensor):
        filling = [(0, count * size - rows), *((0, 0) for _ in tensor.shape[1:])]
        return jnp.pad(tensor, filling, mode="edge").reshape(count, size, *tensor.shape[1:])

    def step(state, tensors):
        outputs, state = function(weights, state, tensors)
        return state, outputs

    step = jax.checkpoint(step, prevent_cse=False)  # a loop's body has nothing to merge with
    state, outputs = jax.lax.scan(step, state, [cut(t) for t in tensors])
    return [t.reshape(count * size, *t.shape[2:])[:rows] for t in outputs], state


def peek(batches, count):
    """The batches that a step is about to read, and the batches with them.

    Args:
        batches: What Keras gives the step function: here an iterator.
        count: How many batches a step reads.
    """
    found = list(itertools.islice(batches, count))
    return found, itertools.chain(found, batches)


def pruned(function):
    """`function`, compiled: only what its results need is computed."""
    return fast(function)


def process():
    """The number of this process, and how many there are."""
    return jax.process_index(), jax.process_count()


def gathered(numbers):
    """Whole numbers of all processes: `(process, number)`."""
    found = multihost_utils.process_allgather(np.asarray(numbers, "int32"))
    return np.asarray(found).reshape(jax.process_count(), -1)


def traced(function, *args):
    """Run `function` for what Python sees of it; nothing is computed."""
    jax.eval_shape(function, *args)


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


def inference(function, variables):
    """`function`, compiled once for each shape, and a list that grows by one at each trace.

    The variables have the values that they have at each call: without being told of them, JAX
    would take those of the first call for constants.
    """
    traces: list = []

    def traced(values, *args):
        traces.append(None)
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*args)

    jitted = jax.jit(traced)
    return lambda *args: jitted([v.value for v in variables], *args), traces


def float64():
    """A context in which the engine keeps float64 as it is."""
    return jax.enable_x64(True)


def random_state():
    """Nothing: what Keras draws here depends on its seed generators alone."""
    return []


def set_random_state(state):
    """There is none."""
