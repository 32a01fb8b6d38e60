"""JAX."""

import jax
import jax.numpy as jnp


def sum_of_rows(function, rows, shared, weights, size):
    """As in `reference`; each step computes the slopes of its rows at once."""

    @jax.custom_vjp
    def total(rows, shared, weights):
        values, _ = _in_turn(function, rows, shared, weights, size, [])
        return jnp.sum(weights * values)

    def forward(rows, shared, weights):
        wanted = [place for place, t in enumerate([*rows, *shared]) if t.perturbed]
        rows, shared, weights = [t.value for t in rows], [t.value for t in shared], weights.value
        values, slopes = _in_turn(function, rows, shared, weights, size, wanted)
        slopes = [slopes.get(place) for place in range(len(rows) + len(shared))]
        return jnp.sum(weights * values), (values, slopes[: len(rows)], slopes[len(rows) :])

    def backward(residuals, upstream):
        values, *slopes = residuals
        scaled = [[None if s is None else upstream * s for s in group] for group in slopes]
        return *scaled, upstream * values

    total.defvjp(forward, backward, symbolic_zeros=True)
    return total(rows, shared, weights)


def values_of_rows(function, rows, shared, weights, size):
    """As in `reference`."""
    given = jax.lax.stop_gradient((rows, shared, weights))
    return _in_turn(function, *given, size, [])[0]


def _in_turn(function, rows, shared, weights, size, wanted):
    """The value of each row, and the slopes of their weighted sum by the `wanted` tensors."""
    count, size = len(weights), min(size, max(len(weights), 1))
    counts = weights != 0
    order = jnp.argsort(jnp.logical_not(counts), stable=True)
    order = jnp.pad(order, (0, size), constant_values=count)

    def body(number, carry):
        values, slopes = carry
        places = jax.lax.dynamic_slice(order, (number * size,), (size,))
        tensors = [*(t.at[places].get(mode="clip") for t in rows), *shared]
        weight = weights.at[places].get(mode="fill", fill_value=0)

        def weighted(leaves):
            given = [leaves.get(place, t) for place, t in enumerate(tensors)]
            found = jnp.where(weight != 0, function(given[: len(rows)], given[len(rows) :]), 0)
            return jnp.sum(weight * found), found

        leaves = {place: tensors[place] for place in wanted}
        (_, found), by = jax.value_and_grad(weighted, has_aux=True)(leaves)
        for place, slope in by.items():
            if place < len(rows):
                slopes[place] = slopes[place].at[places].set(slope, mode="drop")
            else:
                slopes[place] += slope
        return values.at[places].set(found, mode="drop"), slopes

    tensors = [*rows, *shared]
    start = jnp.zeros_like(weights), {place: jnp.zeros_like(tensors[place]) for place in wanted}
    return jax.lax.fori_loop(0, -(-jnp.sum(counts) // size), body, start)
