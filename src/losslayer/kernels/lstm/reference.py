"""In `keras.ops`, straight from the recursion: what the others are tested against."""

from keras import ops


def lstm(inputs, kernel, recurrent_kernel, bias, mask, hidden, carry, *, sequences):
    """A long short-term memory, read once from the first step to the last.

        i, f, g, o = split(inputs_t kernel + hidden_t-1 recurrent_kernel + bias)
        carry_t = sigmoid(f) carry_t-1 + sigmoid(i) tanh(g)
        hidden_t = sigmoid(o) tanh(carry_t)

    A step that the mask passes over leaves both as they are, wherever it stands.

    Args:
        inputs: `(batch, time, dim)`; anything finite where the mask is false.
        kernel: `(dim, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`, or None.
        mask: Boolean, `(batch, time)`; true counts. None: all do.
        hidden: What step 0 begins with, `(batch, units)`.
        carry: The same of the carry, `(batch, units)`.
        sequences: Whether `hidden` is wanted after each step.

    Returns:
        `hidden` after each step, `(batch, time, units)`, or None; `hidden` and `carry` after the
        last one, `(batch, units)` each.
    """
    outputs = []
    for t in range(inputs.shape[1]):
        gates = ops.matmul(inputs[:, t], kernel) + ops.matmul(hidden, recurrent_kernel)
        i, f, g, o = ops.split(gates if bias is None else gates + bias, 4, axis=1)
        new_carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(g)
        new_hidden = ops.sigmoid(o) * ops.tanh(new_carry)
        counts = True if mask is None else mask[:, t, None]
        carry, hidden = ops.where(counts, new_carry, carry), ops.where(counts, new_hidden, hidden)
        outputs.append(hidden)
    return (ops.stack(outputs, axis=1) if sequences else None), hidden, carry
