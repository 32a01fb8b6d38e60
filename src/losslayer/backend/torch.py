"""PyTorch."""

import contextlib

import numpy as np
import torch


def connected(function, variables):
    """Which of `variables` each scalar of `function(variables)` is differentiably computed from.

    Args:
        function: From a list of tensors to a list of scalars.
        variables: List of tensors that require a gradient.

    Returns:
        For each scalar a list of bools, one per variable.
    """
    with torch.enable_grad():
        scalars = function(variables)
    flags = []
    for scalar in scalars:
        if not variables or not torch.is_tensor(scalar) or not scalar.requires_grad:
            flags.append([False] * len(variables))
            continue
        gradients = torch.autograd.grad(scalar, variables, retain_graph=True, allow_unused=True)
        flags.append([g is not None for g in gradients])
    return flags


def value_and_gradient(function, arrays):
    """A scalar `function` of arrays at `arrays`, and its gradient, as NumPy."""
    tensors = [torch.tensor(np.asarray(a), requires_grad=True) for a in arrays]
    value = function(tensors)
    gradients = torch.autograd.grad(value, tensors, allow_unused=True)
    pairs = zip(gradients, tensors)
    found = [(torch.zeros_like(t) if g is None else g).numpy() for g, t in pairs]
    return value.detach().numpy(), found


def compiled(function):
    """`function` as one captured graph, and a list that grows by one at each capture.

    `torch.compile` captures the whole function (a graph break is an error) with dynamic shapes;
    the graph is then run by PyTorch itself, so no C++ compiler is needed.
    """
    captures = []

    def run_captured(graph_module, example_inputs):
        captures.append(None)
        return graph_module.forward

    torch._dynamo.reset()
    return torch.compile(function, backend=run_captured, fullgraph=True), captures


def float64():
    """A context in which float64 stays float64 (as it always does here)."""
    return contextlib.nullcontext()
