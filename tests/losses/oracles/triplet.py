"""Losses on a right and a wrong answer."""

import keras
import numpy as np

import losslayer as ll

from .common import Case, cosine, random


def minus_squared_distance(a, b):
    """-|a - b|^2."""
    return -sum((x - y) ** 2 for x, y in zip(a, b))


@keras.saving.register_keras_serializable(package="tests")
class MinusSquaredDistance(keras.layers.Layer):
    """A similarity that a user might bring."""

    def call(self, a, b):
        return -keras.ops.sum(keras.ops.square(a - b), axis=-1)


def TripletMargin():
    def oracle(margin, similarity):
        def triplet(anchor, positive, negative):
            return max(0, margin + similarity(anchor, negative) - similarity(anchor, positive))

        def values(anchor, positive, negative):
            several = negative if negative.ndim == 3 else negative[:, None]
            return np.array(
                [
                    sum(triplet(a, p, n) for n in ns) / len(ns)
                    for a, p, ns in zip(anchor, positive, several)
                ]
            )

        return values

    def inputs(*more):
        shapes = {"anchor": (6, 4), "positive": (6, 4), "negative": (6, *more, 4)}
        return {
            name: random().normal(size=(7, *shape))[i]
            for i, (name, shape) in enumerate(shapes.items())
        }

    lengths = {
        "length of anchor": lambda a, p, n: (3 * a, p, n),
        "length of positive": lambda a, p, n: (a, 3 * p, n),
        "length of negative": lambda a, p, n: (a, p, 0.1 * n),
        "all dims turned round": lambda a, p, n: (a[..., ::-1], p[..., ::-1], n[..., ::-1]),
    }
    moved = {"all moved": lambda a, p, n: (a + 1, p + 1, n + 1)}
    order = {"order of negatives": lambda a, p, n: (a, p, n[:, ::-1])}
    refused = (
        {"margin": -0.1},
        {"margin": "0.1"},
        {"margin": float("nan")},
        {"margin": True},
        {"similarity": "cosine"},
    )
    loss = ll.losses.TripletMargin
    yield Case(loss(), oracle(0.2, cosine), inputs(), lengths, refused, whole=True)
    yield Case(loss(margin=1.5), oracle(1.5, cosine), inputs(3), {**lengths, **order})
    layer = loss(margin=2.0, similarity=MinusSquaredDistance())
    yield Case(layer, oracle(2.0, minus_squared_distance), inputs(), moved)
