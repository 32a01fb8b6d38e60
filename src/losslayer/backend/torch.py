"""PyTorch."""

import contextlib
import os
import warnings

import numpy as np
import torch
import torch.distributed
import torch.utils.checkpoint

from losslayer.backend.common import gathered, of_all, process, replicas, slice_sizes, summed  # noqa: F401


def connected(function, variables):
    """Which of `variables` each scalar of `function(variables)` is differentiably computed from.

    Args:
        function: From a list of tensors to a list of scalars.
        variables: List of tensors that require a gradient.

    Returns:
        For each scalar a list of bools, one per variable.
    """
    state = random_state()
    with torch.enable_grad():
        scalars = function(variables)
    set_random_state(state)  # a dropout has drawn from it
    flags = []
    for scalar in scalars:
        if not variables or not torch.is_tensor(scalar) or not scalar.requires_grad:
            flags.append([False] * len(variables))
            continue
        gradients = torch.autograd.grad(scalar, variables, retain_graph=True, allow_unused=True)
        flags.append([g is not None for g in gradients])
    return flags


def with_equal_rows(tensors):
    """`tensors` as they are: their shapes are known, and checked, before the step."""
    return tensors


def guarded(step_function, variable_groups, data_error):
    """`step_function` as it is: here variables keep their values while steps run."""
    return step_function


def in_slices(function, weights, state, tensors, size):
    """Run `function` over slices of `tensors`; the gradient runs each of them again.

    As in `losslayer.backend.jax`, where it is described.
    """
    count, size = slice_sizes(len(tensors[0]), size)
    if count == 1:
        return function(weights, state, tensors)
    # Variables change in place, and the gradient needs what the state was.
    state = [s.detach().clone() for s in state]
    found = []
    for parts in zip(*(t.split(size) for t in tensors)):
        outputs, state = torch.utils.checkpoint.checkpoint(
            function, weights, state, list(parts), use_reentrant=False
        )
        found.append(outputs)
    return [torch.cat(parts) for parts in zip(*found)], state


def peek(batches, count):
    """The batches that a step is about to read, and the batches with them.

    Args:
        batches: What Keras gives the step function: here a list.
        count: How many batches a step reads.
    """
    return batches, batches


def pruned(function):
    """`function` without gradients; all of it runs, as this engine has no program to prune."""
    return torch.no_grad()(function)


def lonely_processes():
    """How many processes would each train on data of its own, none knowing of the others.

    Keras's trainer for PyTorch exchanges no gradients. `torchrun` says so in the environment.
    """
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1"))


def traced(function, *args):
    """Run `function` for what Python sees of it."""
    with torch.no_grad():
        function(*args)


def value_and_gradient(function):
    """Make of `function(arrays, *rest)`, a scalar, one that gives its gradient by `arrays` too.

    Returns:
        A function from the same arguments to the value and a list of arrays, as NumPy.
    """

    def run(arrays, *rest):
        tensors = [torch.tensor(np.asarray(a), requires_grad=True) for a in arrays]
        value = function(tensors, *rest)
        gradients: tuple = (None,) * len(tensors)
        if value.requires_grad:
            gradients = torch.autograd.grad(value, tensors, allow_unused=True)
        pairs = zip(gradients, tensors)
        found = [(torch.zeros_like(t) if g is None else g).numpy() for g, t in pairs]
        return value.detach().numpy(), found

    return run


def fast(function):
    """`function` as it is: it runs fast enough eagerly."""
    return function


def compiled(function):
    """`function` with its graphs captured, and a list that grows by one at each capture.

    `torch.compile` may leave the graph and come back, as it does in `fit` (for Keras's own
    `ops.max`, say). PyTorch itself runs the graphs, so no C++ compiler is needed.
    """
    captures: list = []

    def run_captured(graph_module, example_inputs):
        captures.append(None)
        return graph_module.forward

    torch._dynamo.reset()
    captured = torch.compile(function, backend=run_captured)

    def run(*args):
        with warnings.catch_warnings():
            # Keras remembers its promotions of types, and looking through that is what we want.
            message = "Dynamo detected a call to a `functools.lru_cache`-wrapped function"
            warnings.filterwarnings("ignore", message)
            # Where it leaves the graph, Dynamo looks at all that the tensors there hold.
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
            return captured(*args)

    return run, captures


def inference(function, variables):
    """`function` without gradients, and an empty list: nothing is compiled."""
    return torch.no_grad()(function), []


def float64():
    """The engine keeps float64 as it is."""
    return contextlib.nullcontext()


def random_state():
    """The state of the engine's own generators, which Keras's dropout draws from here."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state().numpy(), *(state.numpy() for state in cuda)]


def set_random_state(state):
    """Undo what has been drawn since `random_state` returned `state`."""
    cpu, *cuda = (torch.from_numpy(values) for values in state)
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
