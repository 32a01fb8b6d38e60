"""Losses over classes."""

import math

import numpy as np

import losslayer as ll

from .common import Case, cosine, each, log_of_sum_of_exp, random


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


def ArcFace():
    centres = random(4).normal(size=(7, 4)).astype("float32")  # as the layer will hold them

    def oracle(margin, scale):
        def values(embeddings, labels):
            def element(place):
                angles = [math.acos(cosine(embeddings[place], c)) for c in centres.tolist()]
                logits = [scale * math.cos(angle) for angle in angles]
                angle, label = angles[labels[place]], labels[place]
                if angle + margin <= math.pi:
                    logits[label] = scale * math.cos(angle + margin)
                else:
                    logits[label] = scale * (math.cos(angle) - margin * math.sin(margin))
                return log_of_sum_of_exp(logits) - logits[label]

            return each(element, labels.shape)

        return values

    def layer(*arguments):
        made = ll.losses.ArcFace(7, *arguments)
        made.build([(None, 4), (None,)])
        made.set_weights([centres])
        return made

    labels = random().integers(0, 7, 6)
    inputs = {"embeddings": random().normal(size=(6, 4)), "labels": labels}
    # Two whose angle is nearly pi.
    turned = np.where(np.arange(6)[:, None] < 2, -centres[labels], inputs["embeddings"])
    turned = {"embeddings": turned + random(6).normal(size=(6, 4)) / 10, "labels": labels}
    lengths = {"length of embeddings": lambda e, labels: (3 * e, labels)}
    refused = (
        {"classes": 1},
        {"classes": 2.5},
        {"classes": 7, "margin": -0.1},
        {"classes": 7, "margin": 28.6},
        {"classes": 7, "scale": 0},
    )
    yield Case(layer(0.5, 4.0), oracle(0.5, 4.0), inputs, lengths, refused, whole=True)
    yield Case(layer(0.8, 2.0), oracle(0.8, 2.0), turned, lengths)
    yield Case(layer(0, 64.0), oracle(0, 64.0), inputs, lengths)
