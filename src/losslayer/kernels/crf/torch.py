"""PyTorch."""

import torch


@torch.compiler.disable  # its tracer doesn't take such functions
def log_partition(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf.reference`; described in `losslayer.kernels.crf.jax`."""
    return _LogPartition.apply(logits, transitions, start, end, positions, first)


def marginals(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`: the gradient of the sum by the logits."""
    last, before = _sums(logits, transitions, start, positions, first)
    slope = torch.softmax(last + end, dim=1)
    return _slopes(slope, before, transitions, positions, first)[0]


def viterbi(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`; described in `losslayer.kernels.crf.scan`."""
    best, before = torch.zeros_like(logits[:, 0]), []
    counts, begins = positions.unbind(1), first[:, :, None].unbind(1)
    for t, score in enumerate(logits.unbind(1)):
        before.append(best)
        after = (best[:, :, None] + transitions).amax(dim=1)
        after = torch.where(begins[t], start, after) + score
        best = torch.where(counts[t][:, None], after, best)
    tag, tags = (best + end).argmax(dim=1), []
    for t in reversed(range(len(before))):
        tags.append(torch.where(counts[t], tag, -1))
        previous = (before[t] + transitions.T[tag]).argmax(dim=1)
        tag = torch.where(counts[t], previous, tag)
    return torch.stack(tags[::-1], dim=1).int()


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, transitions, start, end, positions, first):
        last, before = _sums(logits, transitions, start, positions, first)
        ctx.save_for_backward(last + end, torch.stack(before), transitions, positions, first)
        return torch.logsumexp(last + end, dim=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        ends, before, transitions, positions, first = ctx.saved_tensors
        slope = upstream[:, None] * torch.softmax(ends, dim=1)
        by_logits, by_transitions = _slopes(slope, before, transitions, positions, first)
        by_start = torch.where(first[:, :, None], by_logits, 0).sum((0, 1))
        return by_logits, by_transitions, by_start, slope.sum(0), None, None


def _sums(logits, transitions, start, positions, first):
    """Sums over all beginnings that end in a tag: after the last position, and before each."""
    sums, before = torch.zeros_like(logits[:, 0]), []
    counts, begins = positions[:, :, None].unbind(1), first[:, :, None].unbind(1)
    for t, score in enumerate(logits.unbind(1)):
        before.append(sums)
        after = torch.logsumexp(sums[:, :, None] + transitions, dim=1)
        after = torch.where(begins[t], start, after) + score
        sums = torch.where(counts[t], after, sums)
    return sums, before


def _slopes(slope, before, transitions, positions, first):
    """From the slope by the last sums: the slopes by logits and transitions."""
    counts = positions[:, :, None].unbind(1)
    goes_on = (positions & ~first)[:, :, None].unbind(1)
    by_logits, by_transitions = [], torch.zeros_like(transitions)
    for t in reversed(range(len(before))):
        shares = torch.softmax(before[t][:, :, None] + transitions, dim=1)
        pairs = shares * torch.where(goes_on[t], slope, 0)[:, None, :]
        by_transitions = by_transitions + pairs.sum(0)
        by_logits.append(torch.where(counts[t], slope, 0))
        slope = torch.where(counts[t], pairs.sum(2), slope)
    return torch.stack(by_logits[::-1], dim=1), by_transitions
