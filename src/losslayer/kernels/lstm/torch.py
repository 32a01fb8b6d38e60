"""PyTorch: the engine's own loop, which knows lengths and no mask."""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


@torch.compiler.disable  # its tracer takes no sequences whose lengths are data
def lstm(inputs, kernel, recurrent_kernel, bias, mask, hidden, carry, *, sequences):
    """As in `reference`. The steps that count are moved to the front; no other is computed."""
    batch, time, _ = inputs.shape
    if inputs.is_meta:  # a symbolic call; lengths are data
        outputs = inputs.new_empty(batch, time, hidden.shape[1])
        return (outputs if sequences else None), hidden, carry
    bias = kernel.new_zeros(kernel.shape[1]) if bias is None else bias
    weights = [kernel.T, recurrent_kernel.T, bias, torch.zeros_like(bias)]
    # Whether there are biases, layers, dropout, training, both directions.
    settings = True, 1, 0.0, torch.is_grad_enabled(), False
    if mask is None or mask.all():
        states = hidden[None], carry[None]
        outputs, new_hidden, new_carry = torch.lstm(inputs, states, weights, *settings, True)
        return (outputs if sequences else None), new_hidden[0], new_carry[0]

    counted = mask.cumsum(1)  # up to each step
    lengths = counted[:, -1]
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        order = torch.argsort(mask.int(), dim=1, descending=True, stable=True)
        inputs = torch.take_along_dim(inputs, order[:, :, None], dim=1)
    packed = pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), True, enforce_sorted=False)
    states = hidden[None, packed.sorted_indices], carry[None, packed.sorted_indices]
    read, *new_states = torch.lstm(packed.data, packed.batch_sizes, states, weights, *settings)
    any_counts = lengths[:, None] > 0
    new_hidden, new_carry = (
        torch.where(any_counts, new[0, packed.unsorted_indices], old)
        for new, old in zip(new_states, (hidden, carry))
    )
    if not sequences:
        return None, new_hidden, new_carry
    outputs, _ = pad_packed_sequence(PackedSequence(read, *packed[1:]), True, total_length=time)
    # After each step: what the last one that counts has left.
    last = (counted - 1).clamp(min=0)[:, :, None]
    outputs = torch.take_along_dim(outputs, last, dim=1)
    outputs = torch.where(counted[:, :, None] > 0, outputs, hidden[:, None])
    return outputs, new_hidden, new_carry
