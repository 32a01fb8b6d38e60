"""PyTorch."""

import torch

from losslayer.kernels.linear_cross_entropy import torch_products as products
from losslayer.kernels.linear_cross_entropy.common import rows_of_a_chunk
from losslayer.kernels.moderate import MODERATE


@torch.compiler.disable  # it has nothing to gain, and its tracer doesn't take such functions
def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """As in `reference`; described in `jax`."""
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
    if products.uses_onednn(table):
        table = table.contiguous()  # a Dense layer gives a transpose: turn it once
    values = torch.zeros_like(weights)
    slopes = [torch.zeros_like(t) if w else None for t, w in zip((hidden, table, bias), wanted)]
    by_hidden, by_table, by_bias = slopes
    mean_row = table.mean(0) if smoothing else None
    mean_bias = bias.mean() if smoothing and bias is not None else 0.0
    moderate = bool(_largest_logit(hidden[counted], table, bias) < MODERATE)
    # One buffer for all chunks: fresh memory costs more than the arithmetic on it.
    buffer = hidden.new_empty(chunk, len(table))
    for places in counted.split(max(chunk, 1)):
        rows, label, weight = hidden[places], labels[places], weights[places]
        logits = products.logits(rows, table, out=buffer[: len(places)])
        if bias is not None:
            logits += bias
        chosen = logits.gather(1, label[:, None].long())[:, 0]
        target = (1 - smoothing) * chosen
        if smoothing:
            target += smoothing * (rows @ mean_row + mean_bias)
        # Where no largest logit is looked for, two passes over the chunk are spared.
        top = logits.new_zeros(len(places)) if moderate else logits.amax(1)
        exponentials = (logits if moderate else logits.sub_(top[:, None])).exp_()
        total = exponentials.sum(1)
        log_sum = top + torch.log(total)
        values[places] = log_sum - target + z_loss * log_sum.square()
        # The slope of the weighted sum by a logit is `factor * exponential`, less the target's.
        factor = weight * (1 + 2 * z_loss * log_sum) / total
        own, rest = (1 - smoothing) * weight, smoothing * weight
        slope = None if by_hidden is None else torch.zeros_like(rows)
        products.add_products(exponentials, table, factor[:, None] * rows, slope, by_table)
        if by_hidden is not None:
            slope = factor[:, None] * slope - own[:, None] * table[label]
            if smoothing:
                slope -= rest[:, None] * mean_row
            by_hidden[places] = slope
        if by_table is not None:
            by_table.index_add_(0, label, own[:, None] * rows, alpha=-1)
            if smoothing:
                by_table -= (rest @ rows) / len(table)
        if by_bias is not None:
            by_bias.addmv_(exponentials.T, factor)
            by_bias.index_add_(0, label, own, alpha=-1)
            if smoothing:
                by_bias -= rest.sum() / len(table)
    return values, *slopes


def _largest_logit(hidden, table, bias):
    """What no logit exceeds, either way: |table| |hidden| + |bias|."""
    if not len(hidden):
        return 0.0
    rows, words = (torch.linalg.vector_norm(t, dim=1).amax() for t in (hidden, table))
    return rows * words + (0.0 if bias is None else bias.abs().amax())
