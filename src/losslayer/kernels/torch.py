"""PyTorch."""

import torch

from losslayer.kernels.common import rows_of_a_chunk


@torch.compiler.disable  # it has nothing to gain, and its tracer doesn't take such functions
def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """As in `losslayer.kernels.reference`; described in `losslayer.kernels.jax`."""
    if not torch.is_grad_enabled():
        tensors = hidden, table, bias, labels, weights
        values = _chunks(*tensors, smoothing, z_loss, (False,) * 3)[0]
        return torch.sum(weights * values)
    return _Total.apply(hidden, table, bias, labels, weights, smoothing, z_loss)


class _Total(torch.autograd.Function):
    """The weighted sum, and on the way there what its gradient is made of."""

    @staticmethod
    def forward(ctx, hidden, table, bias, labels, weights, smoothing, z_loss):
        tensors = hidden, table, bias, labels, weights
        values, *slopes = _chunks(*tensors, smoothing, z_loss, ctx.needs_input_grad[:3])
        ctx.save_for_backward(values, *slopes)
        return torch.sum(weights * values)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        values, *slopes = ctx.saved_tensors
        scaled = [None if slope is None else upstream * slope for slope in slopes]
        return *scaled, None, upstream * values, None, None


def _chunks(hidden, table, bias, labels, weights, smoothing, z_loss, wanted):
    """The value of each token, and the slopes of their weighted sum by hidden, table and bias."""
    counted = torch.nonzero(weights, as_tuple=True)[0]
    chunk = min(rows_of_a_chunk(hidden.shape[1]), len(counted))
    values = torch.zeros_like(weights)
    slopes = [torch.zeros_like(t) if w else None for t, w in zip((hidden, table, bias), wanted)]
    by_hidden, by_table, by_bias = slopes
    mean_row = table.mean(0) if smoothing else None
    mean_bias = bias.mean() if smoothing and bias is not None else 0.0
    # One buffer for all chunks: fresh memory costs more than the arithmetic on it.
    buffer = hidden.new_empty(len(table), chunk)
    for places in counted.split(max(chunk, 1)):
        rows, label, weight = hidden[places], labels[places], weights[places]
        logits = torch.mm(table, rows.T, out=buffer[:, : len(places)])
        if bias is not None:
            logits += bias[:, None]
        chosen = logits.gather(0, label[None].long())[0]
        target = (1 - smoothing) * chosen
        if smoothing:
            target += smoothing * (rows @ mean_row + mean_bias)
        top = logits.amax(0)
        exponentials = logits.sub_(top).exp_()
        total = exponentials.sum(0)
        log_sum = top + torch.log(total)
        values[places] = log_sum - target + z_loss * log_sum.square()
        # The slope of the weighted sum by a logit is `factor * exponential`, less the target's.
        factor = weight * (1 + 2 * z_loss * log_sum) / total
        own, rest = (1 - smoothing) * weight, smoothing * weight
        if by_hidden is not None:
            slope = factor[:, None] * (exponentials.T @ table) - own[:, None] * table[label]
            if smoothing:
                slope -= rest[:, None] * mean_row
            by_hidden[places] = slope
        if by_table is not None:
            by_table.addmm_(exponentials, factor[:, None] * rows)
            by_table.index_add_(0, label, own[:, None] * rows, alpha=-1)
            if smoothing:
                by_table -= (rest @ rows) / len(table)
        if by_bias is not None:
            by_bias.addmv_(exponentials, factor)
            by_bias.index_add_(0, label, own, alpha=-1)
            if smoothing:
                by_bias -= rest.sum() / len(table)
    return values, *slopes


@torch.compiler.disable
def sum_of_rows(function, rows, shared, weights, size):
    """As in `losslayer.kernels.reference`; described in `losslayer.kernels.jax`."""
    if not torch.is_grad_enabled():
        return torch.sum(weights * _in_turn(function, rows, shared, weights, size, [])[0])
    return _SumOfRows.apply(function, len(rows), size, weights, *rows, *shared)


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
        found_slopes = (
            torch.autograd.grad(weighted, leaves, materialize_grads=True) if wanted else []
        )
        for place, slope, by in zip(wanted, slopes, found_slopes):
            if place < len(rows):
                slope[places] = by
            else:
                slope += by
    return values, slopes
