"""Attention, for whole sequences and for one step of one."""

import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

# A score that leaves no weight, and is finite in half precision too.
NEVER = -3e4


def weights_of(scores: Any, mask: Any) -> Any:
    """Softmax over the last axis, in float32, of the scores where `mask` is true.

    Where it is true nowhere, all weights are the same: padding reads something finite.
    """
    return ops.softmax(ops.where(mask, ops.cast(scores, "float32"), NEVER))


class Nearness:
    """A score for each distance between the place that reads and the place that is read.

        score = learned[distance] - |distance|

    so attention begins near the diagonal and learns how far to go, and to which side. A learned
    score for each distance: Raffel et al. 2020, arXiv:1910.10683, section 2.1; one that falls with
    the distance: Press et al. 2022, arXiv:2108.12409.

    Args:
        name: Name of its layer.
        farthest: Distances beyond it have the score that it has.
    """

    def __init__(self, name: str, farthest: int = 16) -> None:
        self.farthest = farthest
        self.learned = layers.Embedding(
            2 * farthest + 1, 1, embeddings_initializer="zeros", name=name
        )

    def __call__(self, asking: Any, read: Any) -> Any:
        """Scores `(batch, queries, time)` of places `(batch, queries)` and `(batch, time)`."""
        distance = ops.expand_dims(read, 1) - ops.expand_dims(asking, 2)
        distance = ops.clip(distance, -self.farthest, self.farthest)
        learned = self.learned(distance + self.farthest)[..., 0]
        return learned - ops.cast(ops.abs(distance), learned.dtype)


class Attention:
    """Scaled dot products in several heads (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

    Keys and values are made apart from the reading, so that a step can keep them.

    Args:
        name: What the names of its layers begin with.
        dim: Size of what goes in and comes out.
        heads: How many heads share it.
        seeds: Where seeds come from.
    """

    def __init__(self, name: str, dim: int, heads: int, seeds: Iterator[int]) -> None:
        size = dim // heads
        limit = math.sqrt(3 / dim)  # Glorot's, of the whole matrix

        def projection(equation: str, shape: tuple, bias: str, part: str) -> layers.Layer:
            start = keras.initializers.RandomUniform(-limit, limit, seed=next(seeds))
            return layers.EinsumDense(
                equation, shape, bias_axes=bias, kernel_initializer=start, name=f"{name}_{part}"
            )

        apart = ("abc,cde->adbe", (heads, None, size), "de")
        self.query = projection(*apart, "query")
        self.key = projection(*apart, "key")
        self.value = projection(*apart, "value")
        self.out = projection("abcd,bde->ace", (None, dim), "e", "out")
        self.scale = 1 / math.sqrt(size)

    def memory(self, read: Any) -> tuple[Any, Any]:
        """Keys and values, `(batch, heads, time, size)` each, of `(batch, time, dim)`."""
        return self.key(read), self.value(read)

    def __call__(self, asking: Any, keys: Any, values: Any, mask: Any) -> tuple[Any, Any]:
        """What `asking` reads.

        Args:
            asking: `(batch, queries, dim)`.
            keys: `(batch, heads, time, size)`.
            values: The same.
            mask: What may be read, broadcastable to `(batch, heads, queries, time)`.

        Returns:
            `(batch, queries, dim)`, and the weights `(batch, heads, queries, time)`.
        """
        scores = ops.einsum("bhqd,bhkd->bhqk", self.query(asking) * self.scale, keys)
        weights = weights_of(scores, mask)
        read = ops.einsum("bhqk,bhkd->bhqd", ops.cast(weights, values.dtype), values)
        return self.out(read), weights
