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


def MinedTripletMargin():
    def oracle(margin, mining, similarity):
        def values(embeddings, matches):
            if matches.ndim == 1:
                matches = matches[:, None] == matches
            every = range(len(embeddings))

            def anchor(a):
                near = [similarity(embeddings[a], embeddings[i]) for i in every]
                right = [near[i] for i in every if i != a and matches[a, i]]
                wrong = [near[i] for i in every if i != a and not matches[a, i]]
                if not right or not wrong:
                    return 0
                if mining == "hard":
                    triplets = [(min(right), max(wrong))]
                elif mining == "all":
                    triplets = [(p, n) for p in right for n in wrong]
                else:
                    triplets = [
                        (p, max([n for n in wrong if n < p], default=min(wrong))) for p in right
                    ]
                return sum(max(0, margin + n - p) for p, n in triplets) / len(triplets)

            return np.array([anchor(a) for a in every])

        return values

    vectors = random().normal(size=(6, 4))
    groups = {"embeddings": vectors, "matches": np.array([3, 3, 3, 8, 8, 8])}
    ahead = (np.arange(6) - np.arange(6)[:, None]) % 6
    pairs = {"embeddings": vectors, "matches": (ahead == 1) | (ahead == 3)}  # not symmetric
    turned = {
        "length of embeddings": lambda e, matches: (3 * e, matches),
        "all dims turned round": lambda e, matches: (e[:, ::-1], matches),
        "names of groups": lambda e, matches: (e, 20 - matches),
    }
    moved = {"all moved": lambda e, matches: (e + 1, matches)}
    refused = (
        {"margin": -0.1},
        {"mining": "easy"},
        {"mining": None},
        {"similarity": "cosine"},
    )
    loss = ll.losses.MinedTripletMargin
    layer = loss(mining="hard")
    yield Case(layer, oracle(0.2, "hard", cosine), groups, turned, refused, whole=True)
    yield Case(loss(0.5, "all"), oracle(0.5, "all", cosine), groups, turned)
    yield Case(loss(0.5), oracle(0.5, "semihard", cosine), groups, turned)
    for mining in ("all", "hard", "semihard"):
        layer = loss(3.0, mining, MinusSquaredDistance())
        yield Case(layer, oracle(3.0, mining, minus_squared_distance), pairs, moved)
