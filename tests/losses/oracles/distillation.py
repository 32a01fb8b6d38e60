"""Losses between two models, or two passes of one."""

import math

import losslayer as ll

from .common import Case, cosine, each, log_of_sum_of_exp, random


def probabilities(logits):
    """The softmax."""
    top = log_of_sum_of_exp(logits)
    return [math.exp(x - top) for x in logits]


def divergence(p, q):
    """KL(p || q)."""
    return math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q))


def pairs(*names, shape=(6, 5, 4)):
    return {name: random(i).normal(size=shape) for i, name in enumerate(names)}


MOVED = {"a constant more in one": lambda a, b: (a + 4, b), "in the other": lambda a, b: (a, b - 4)}


def Distillation():
    def oracle(temperature):
        def values(logits, teacher_logits):
            def element(place):
                p, q = (probabilities(t[place] / temperature) for t in (teacher_logits, logits))
                return temperature**2 * divergence(p, q)

            return each(element, logits.shape[:-1])

        return values

    refused = ({"temperature": 0}, {"temperature": -1}, {"temperature": "2"})
    loss = ll.losses.Distillation
    yield Case(loss(2.0), oracle(2.0), None, MOVED, refused, whole=True)
    yield Case(loss(), oracle(1.0), pairs("logits", "teacher_logits"), MOVED)


def FeatureDistillation():
    def squared(features, teacher_features):
        def element(place):
            both = features[place], teacher_features[place]
            return sum((a - b) ** 2 for a, b in zip(*both)) / len(both[0])

        return each(element, features.shape[:-1])

    def angle(features, teacher_features):
        def element(place):
            return 1 - cosine(features[place], teacher_features[place])

        return each(element, features.shape[:-1])

    turned = {"both turned around": lambda a, b: (-a, -b)}
    long = {"one made longer": lambda a, b: (2 * a, b), "the other": lambda a, b: (a, 3 * b)}
    refused = ({"distance": "euclidean"}, {"distance": None})
    loss = ll.losses.FeatureDistillation
    yield Case(loss(), squared, None, turned, refused, whole=True)
    yield Case(loss("cosine"), angle, pairs("features", "teacher_features"), {**turned, **long})


def RDrop():
    def values(logits_a, logits_b):
        def element(place):
            p, q = probabilities(logits_a[place]), probabilities(logits_b[place])
            return (divergence(p, q) + divergence(q, p)) / 2

        return each(element, logits_a.shape[:-1])

    symmetries = {**MOVED, "one for the other": lambda a, b: (b, a)}
    yield Case(ll.losses.RDrop(), values, None, symmetries, whole=True)
    yield Case(ll.losses.RDrop(), values, pairs("logits_a", "logits_b"), symmetries)
