"""JAX."""

import functools

import jax
import jax.numpy as jnp

from losslayer.kernels.linear_cross_entropy.common import rows_of_a_chunk


def linear_cross_entropy(hidden, table, bias, labels, weights, *, smoothing=0.0, z_loss=0.0):
    """As in `reference`; no more than a chunk of the logits is ever in memory.

    The result is one number, so the gradient that comes back is one too: what it multiplies is
    computed on the way there, while a chunk of logits is at hand, and nothing twice.
    """
    chunk = min(rows_of_a_chunk(hidden.shape[1]), max(len(hidden), 1))
    return _total(hidden, table, bias, labels, weights, (chunk, smoothing, z_loss))


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _total(hidden, table, bias, labels, weights, settings):
    values = _chunks(hidden, table, bias, labels, weights, settings, (False, False))[0]
    return jnp.sum(weights * values)


def _forward(hidden, table, bias, labels, weights, settings):
    wanted = hidden.perturbed, table.perturbed or (bias is not None and bias.perturbed)
    hidden, table, labels, weights = (t.value for t in (hidden, table, labels, weights))
    bias = None if bias is None else bias.value
    values, *slopes = _chunks(hidden, table, bias, labels, weights, settings, wanted)
    return jnp.sum(weights * values), (*slopes, values)


def _backward(settings, residuals, upstream):
    by_hidden, by_table, by_bias, values = residuals

    def scaled(slope):
        return None if slope is None else upstream * slope

    return scaled(by_hidden), scaled(by_table), scaled(by_bias), None, upstream * values


_total.defvjp(_forward, _backward, symbolic_zeros=True)


def _chunks(hidden, table, bias, labels, weights, settings, wanted):
    """The value of each token, and the slopes of their weighted sum by hidden, table and bias.

    The tokens that count are taken first, and a loop whose length is known only when it runs takes
    no others: they cost nothing, and no amount of padding compiles anew.
    """
    chunk, smoothing, z_loss = settings
    by_hidden_wanted, by_table_wanted = wanted
    tokens, vocab = len(hidden), len(table)
    counts = weights != 0
    order = jnp.argsort(jnp.logical_not(counts), stable=True)
    # What is beyond the end is read as the last token with weight 0, and written nowhere.
    order = jnp.pad(order, (0, chunk), constant_values=tokens)
    mean_row = jnp.mean(table, axis=0) if smoothing else None
    mean_bias = jnp.mean(bias) if smoothing and bias is not None else 0.0

    def body(number, carry):
        values, by_hidden, by_table, by_bias = carry
        places = jax.lax.dynamic_slice(order, (number * chunk,), (chunk,))
        rows = hidden.at[places].get(mode="clip")
        weight = weights.at[places].get(mode="fill", fill_value=0)
        label = labels.at[places].get(mode="clip")
        right = table[label]
        logits = table @ rows.T  # (vocab, token): both products after it run faster so
        chosen = jnp.sum(rows * right, axis=1)
        if bias is not None:
            logits = logits + bias[:, None]
            chosen = chosen + bias[label]
        target = (1 - smoothing) * chosen
        if smoothing:
            target = target + smoothing * (rows @ mean_row + mean_bias)
        top = jnp.max(logits, axis=0)
        exponentials = jnp.exp(logits - top)
        total = jnp.sum(exponentials, axis=0)
        log_sum = top + jnp.log(total)
        value = log_sum - target + z_loss * jnp.square(log_sum)
        values = values.at[places].set(value, mode="drop")
        # The slope of the weighted sum by a logit is `factor * exponential`, less the target's.
        factor = weight * (1 + 2 * z_loss * log_sum) / total
        if by_hidden_wanted:
            slope = factor[:, None] * (exponentials.T @ table)
            slope = slope - (weight * (1 - smoothing))[:, None] * right
            if smoothing:
                slope = slope - (weight * smoothing)[:, None] * mean_row
            by_hidden = by_hidden.at[places].set(slope, mode="drop")
        if by_table_wanted:
            by_table = by_table + exponentials @ (factor[:, None] * rows)
            if bias is not None:
                by_bias = by_bias + exponentials @ factor
        return values, by_hidden, by_table, by_bias

    by_table = by_bias = None
    if by_table_wanted:
        by_table, by_bias = _targets_slopes(hidden, bias, labels, weights, vocab, smoothing)
    start = (
        jnp.zeros_like(weights),
        jnp.zeros_like(hidden) if by_hidden_wanted else None,
        by_table,
        by_bias,
    )
    return jax.lax.fori_loop(0, -(-jnp.sum(counts) // chunk), body, start)


def _targets_slopes(hidden, bias, labels, weights, vocab, smoothing):
    """What the targets give to the slopes by table and bias: a row for each token, one for all."""
    own = -(1 - smoothing) * weights
    rest = -smoothing / vocab * weights
    by_table = jnp.broadcast_to(rest @ hidden, (vocab, hidden.shape[1]))
    by_table = by_table.at[labels].add(own[:, None] * hidden)
    if bias is None:
        return by_table, None
    return by_table, jnp.broadcast_to(jnp.sum(rest), (vocab,)).at[labels].add(own)
