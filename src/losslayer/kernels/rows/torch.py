"""PyTorch."""

import torch


@torch.compiler.disable
def sum_of_rows(function, rows, shared, weights, size):
    """As in `reference`; described in `jax`."""
    if not torch.is_grad_enabled():
        return torch.sum(weights * _in_turn(function, rows, shared, weights, size, [])[0])
    return _SumOfRows.apply(function, len(rows), size, weights, *rows, *shared)


@torch.compiler.disable
@torch.no_grad()
def values_of_rows(function, rows, shared, weights, size):
    """As in `reference`."""
    return _in_turn(function, rows, shared, weights, size, [])[0]


class _SumOfRows(torch.autograd.Function):
    """The weighted sum, and on the way there what its gradient is made of."""

    @staticmethod
    def forward(ctx, function, count, size, weights, *tensors):
        wanted = [place for place, needed in enumerate(ctx.needs_input_grad[4:]) if needed]
        rows, shared = list(tensors[:count]), list(tensors[count:])
        values, slopes = _in_turn(function, rows, shared, weights, size, wanted)
        ctx.save_for_backward(values, *slopes)
        ctx.wanted, ctx.tensors = wanted, len(tensors)
        return torch.sum(weights * values)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        values, *slopes = ctx.saved_tensors
        slopes = dict(zip(ctx.wanted, slopes))
        scaled = [upstream * slopes[i] if i in slopes else None for i in range(ctx.tensors)]
        return None, None, None, upstream * values, *scaled


def _in_turn(function, rows, shared, weights, size, wanted):
    """The value of each row, and the slopes of their weighted sum by the `wanted` tensors."""
    everything = [*rows, *shared]
    values = torch.zeros_like(weights)
    slopes = [torch.zeros_like(everything[place]) for place in wanted]
    counted = torch.nonzero(weights, as_tuple=True)[0]
    for places in counted.split(size) if len(counted) else ():
        tensors = [*(t[places] for t in rows), *shared]
        with torch.set_grad_enabled(bool(wanted)):
            leaves = [tensors[place].detach().requires_grad_() for place in wanted]
            for place, leaf in zip(wanted, leaves):
                tensors[place] = leaf
            found = function(tensors[: len(rows)], tensors[len(rows) :])
            weighted = torch.sum(weights[places] * found)
        values[places] = found.detach()
        found_slopes = torch.autograd.grad(weighted, leaves, allow_unused=True) if wanted else []
        for place, slope, by in zip(wanted, slopes, found_slopes):
            if by is None:  # what the function doesn't read costs nothing
                continue
            if place < len(rows):
                slope[places] = by
            else:
                slope += by
    return values, slopes
