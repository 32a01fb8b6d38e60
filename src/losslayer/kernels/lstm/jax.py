"""JAX."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.jit, static_argnames="sequences")  # one program without `fit` too
def lstm(inputs, kernel, recurrent_kernel, bias, mask, hidden, carry, *, sequences):
    """As in `reference`.

    In the loops is only what waits for another step: one product of each step, on the way there
    and on the way back. What the inputs bring is one product before them. The loop back gives the
    slopes by the gates of all steps, and all other slopes are one product each behind it;
    differentiating the loop would sum those by the recurrent kernel up in it.
    """
    batch, time, dim = inputs.shape
    # Two axes, here and below: with three, the slope by a kernel takes a third longer.
    gates = jnp.swapaxes(inputs, 0, 1).reshape(time * batch, dim) @ kernel
    gates = gates.reshape(time, batch, -1)
    bias = jnp.zeros_like(gates[0, 0]) if bias is None else bias
    mask = None if mask is None else mask.T[:, :, None]
    outputs, hidden, carry = _steps(gates, recurrent_kernel, bias, mask, hidden, carry, sequences)
    return (jnp.swapaxes(outputs, 0, 1) if sequences else None), hidden, carry


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def _steps(gates, recurrent_kernel, bias, mask, hidden, carry, sequences):
    """The recursion, from what the inputs bring: `(time, batch, 4 * units)`."""

    def step(state, given):
        gates, counts = given
        hidden, carry, _ = _step(gates, recurrent_kernel, bias, counts, *state)
        return (hidden, carry), hidden if sequences else None

    (hidden, carry), outputs = jax.lax.scan(step, (hidden, carry), (gates, mask))
    return outputs, hidden, carry


def _step(gates, recurrent_kernel, bias, counts, hidden, carry):
    """The next hidden and carry, and the gates that led there."""
    # sigmoid(x) = (tanh(x / 2) + 1) / 2, so one function runs over all four.
    half = jnp.repeat(jnp.array([0.5, 0.5, 1, 0.5], gates.dtype), carry.shape[1])
    gates = jnp.tanh((gates + hidden @ recurrent_kernel + bias) * half) * half + (1 - half)
    i, f, g, o = jnp.split(gates, 4, axis=1)
    new_carry = f * carry + i * g
    new_hidden = o * jnp.tanh(new_carry)
    if counts is not None:
        new_hidden = jnp.where(counts, new_hidden, hidden)
        new_carry = jnp.where(counts, new_carry, carry)
    return new_hidden, new_carry, gates


def _forward(gates, recurrent_kernel, bias, mask, hidden, carry, sequences):
    """The same, and what the way back needs: of each step the gates and the state before it."""
    read = functools.partial(jax.lax.dynamic_index_in_dim, axis=0, keepdims=False)
    write = functools.partial(jax.lax.dynamic_update_index_in_dim, axis=0)

    def step(t, found):
        hidden, carry, gates, hiddens, carries, outputs = found
        hiddens, carries = write(hiddens, hidden, t), write(carries, carry, t)
        counts = None if mask is None else read(mask, t)
        hidden, carry, new = _step(read(gates, t), recurrent_kernel, bias, counts, hidden, carry)
        outputs = write(outputs, hidden, t) if sequences else None
        return hidden, carry, write(gates, new, t), hiddens, carries, outputs

    # A loop and no scan: the gates go where what the inputs brought was read.
    nothing = jnp.zeros((len(gates), *hidden.shape), gates.dtype)
    found = hidden, carry, gates, nothing, nothing, nothing if sequences else None
    hidden, carry, *kept, outputs = jax.lax.fori_loop(0, len(gates), step, found)
    return (outputs, hidden, carry), (kept, recurrent_kernel, mask)


def _backward(sequences, kept, upstream):
    (gates, hiddens, carries), recurrent_kernel, mask = kept
    by_outputs, by_hidden, by_carry = upstream

    def step(slopes, given):
        by_hidden, by_carry = slopes
        gates, carry, counts, by_output = given
        i, f, g, o = jnp.split(gates, 4, axis=1)
        if by_output is not None:
            by_hidden = by_hidden + by_output
        squashed = jnp.tanh(f * carry + i * g)
        by_new = by_carry + by_hidden * o * (1 - squashed * squashed)
        by_gates = jnp.concatenate(
            [
                by_new * g * i * (1 - i),
                by_new * carry * f * (1 - f),
                by_new * i * (1 - g * g),
                by_hidden * squashed * o * (1 - o),
            ],
            axis=1,
        )
        by_before = by_new * f
        if counts is not None:
            by_gates = jnp.where(counts, by_gates, 0)
            by_before = jnp.where(counts, by_before, by_carry)
        through = by_gates @ recurrent_kernel.T
        if counts is not None:
            through = jnp.where(counts, through, by_hidden)
        return (through, by_before), by_gates

    given = gates, carries, mask, by_outputs
    slopes, by_gates = jax.lax.scan(step, (by_hidden, by_carry), given, reverse=True)
    hiddens, flat = (t.reshape(-1, t.shape[2]) for t in (hiddens, by_gates))
    return by_gates, hiddens.T @ flat, jnp.sum(flat, axis=0), None, *slopes


_steps.defvjp(_forward, _backward)
