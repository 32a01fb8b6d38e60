"""JAX."""

import jax
import jax.numpy as jnp

from losslayer.kernels.crf.scan import viterbi as viterbi


@jax.custom_vjp
def log_partition(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf.reference`.

    The gradient of a step is a softmax of what it had before, so that is all that is kept; a tape
    would keep tag times as much.
    """
    return _forward(logits, transitions, start, end, positions, first)[0]


def marginals(logits, transitions, start, end, positions, first):
    """As in `losslayer.kernels.crf`: the gradient of the sum by the logits."""
    last, before = _sums(logits, transitions, start, positions, first)
    slope = jax.nn.softmax(last + end, axis=1)
    return _slopes(slope, before, transitions, positions, first)[0]


def _sums(logits, transitions, start, positions, first):
    """Sums over all beginnings that end in a tag: after the last position, and before each."""

    def step(before, given):
        score, counts, begins = given
        after = jax.nn.logsumexp(before[:, :, None] + transitions, axis=1)
        after = jnp.where(begins[:, None], start, after) + score
        return jnp.where(counts[:, None], after, before), before

    given = jnp.moveaxis(logits, 1, 0), positions.T, first.T
    return jax.lax.scan(step, jnp.zeros_like(logits[:, 0]), given)


def _slopes(slope, before, transitions, positions, first):
    """From the slope by the last sums: the slopes by logits and transitions."""

    def step(carry, given):
        slope, by_transitions = carry
        before, counts, goes_on = given
        shares = jax.nn.softmax(before[:, :, None] + transitions, axis=1)
        pairs = jnp.where(goes_on[:, None, None], shares * slope[:, None, :], 0)
        here = jnp.where(counts[:, None], slope, 0)
        slope = jnp.where(counts[:, None], jnp.sum(pairs, axis=2), slope)
        return (slope, by_transitions + jnp.sum(pairs, axis=0)), here

    given = before, positions.T, (positions & ~first).T
    start = slope, jnp.zeros_like(transitions)
    (_, by_transitions), by_logits = jax.lax.scan(step, start, given, reverse=True)
    return jnp.moveaxis(by_logits, 0, 1), by_transitions


def _forward(logits, transitions, start, end, positions, first):
    last, before = _sums(logits, transitions, start, positions, first)
    kept = last + end, before, transitions, positions, first
    return jax.nn.logsumexp(last + end, axis=1), kept


def _backward(kept, upstream):
    ends, before, transitions, positions, first = kept
    slope = upstream[:, None] * jax.nn.softmax(ends, axis=1)
    by_logits, by_transitions = _slopes(slope, before, transitions, positions, first)
    by_start = jnp.sum(jnp.where(first[:, :, None], by_logits, 0), axis=(0, 1))
    return by_logits, by_transitions, by_start, jnp.sum(slope, axis=0), None, None


log_partition.defvjp(_forward, _backward)
