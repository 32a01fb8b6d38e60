"""Losses over classes."""

import math

import losslayer as ll

from .common import Case, each, log_of_sum_of_exp, random


def Focal():
    def of(p, gamma, factor):
        return factor * (1 - p) ** gamma * -math.log(p)

    def oracle(gamma, alpha=None):
        def values(logits, labels):
            def element(place):
                p = math.exp(logits[place][labels[place]] - log_of_sum_of_exp(logits[place]))
                return of(p, gamma, 1 if alpha is None else alpha[labels[place]])

            return each(element, labels.shape)

        return values

    def binary(gamma, alpha=None):
        def values(logits, labels):
            def element(place):
                p = 1 / (1 + math.exp(-logits[place]))
                factors = (1, 1) if alpha is None else (1 - alpha, alpha)
                return of(p if labels[place] else 1 - p, gamma, factors[labels[place]])

            return each(element, labels.shape)

        return values

    def inputs(logits, labels, classes):
        return {
            "logits": random().normal(size=logits),
            "labels": random().integers(0, classes, labels),
        }

    refused = ({"gamma": -1}, {"gamma": None}, {"alpha": 1.5}, {"alpha": -1}, {"alpha": (1, -1)})
    moved = {"a constant more": lambda logits, labels: (logits - 4, labels)}
    turned = {"the classes swapped": lambda logits, labels: (-logits, 1 - labels)}
    loss, alpha = ll.losses.Focal, (0.5, 1.0, 2.0, 0.0)
    yield Case(loss(), oracle(2.0), None, moved, refused, whole=True)
    yield Case(loss(gamma=0), oracle(0), None, moved)
    wide = inputs((6, 5, 4), (6, 5), 4)
    yield Case(loss(gamma=0.5, alpha=alpha), oracle(0.5, alpha), wide, moved)
    yield Case(loss(gamma=1.5), binary(1.5), inputs((6, 5), (6, 5), 2), turned)
    yield Case(loss(alpha=0.25), binary(2.0, 0.25), inputs(6, 6, 2))
