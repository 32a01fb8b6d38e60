"""Losses on how near two things are."""

import math

import numpy as np

import losslayer as ll

from .common import Case, each, random


def Contrastive():
    def oracle(margin):
        def values(distance, labels):
            def element(place):
                d = distance[place]
                return d**2 / 2 if labels[place] else max(0, margin - d) ** 2 / 2

            return each(element, labels.shape)

        return values

    def inputs(*shape):
        return {
            "distance": random().gamma(2.0, size=shape) / 2,
            "labels": random().integers(0, 2, shape),
        }

    refused = ({"margin": 0}, {"margin": -1}, {"margin": "1"})
    loss = ll.losses.Contrastive
    yield Case(loss(), oracle(1.0), inputs(6), {}, refused, whole=True)
    yield Case(loss(margin=2), oracle(2), inputs(6, 5))


def CoSENT():
    def oracle(scale):
        def values(similarity, targets):
            total = 1.0
            for s, t in zip(similarity, targets):
                for other_s, other_t in zip(similarity, targets):
                    if t < other_t:
                        total += math.exp(scale * (s - other_s))
            return np.array(math.log(total))

        return values

    def inputs(targets):
        return {"similarity": random().uniform(-1, 1, 6), "targets": targets}

    symmetries = {
        "a constant more": lambda s, t: (s + 1, t),
        "targets of the same order": lambda s, t: (s, t**3),
        "all turned round": lambda s, t: (-s, -t),
    }
    refused = ({"scale": 0}, {"scale": -20}, {"scale": "20"})
    reals, grades = random(2).normal(size=6), np.array([0, 2, 1, 1, 0, 2])
    loss = ll.losses.CoSENT
    yield Case(loss(), oracle(20), inputs(reals), symmetries, refused, whole=True)
    yield Case(loss(scale=1.5), oracle(1.5), inputs(grades), symmetries)
