"""Losses over sequences."""

import math

import keras
import numpy as np

import losslayer as ll

from .common import Case, each, log_of_sum_of_exp, random


def SequenceCrossEntropy():
    def oracle(smoothing, per, z_loss):
        def values(logits, labels):
            def token(place):
                scores, vocab = logits[place], logits.shape[-1]
                target = [smoothing / vocab] * vocab
                target[labels[place]] += 1 - smoothing
                top = log_of_sum_of_exp(scores)
                return -sum(t * (s - top) for t, s in zip(target, scores)) + z_loss * top**2

            tokens = each(token, labels.shape)
            return tokens if per == "token" else np.array([sum(r) / len(r) for r in tokens])

        return values

    symmetries = {
        "a constant more": lambda logits, labels: (logits + 5, labels),
        "words in another order": lambda logits, labels: (logits[..., ::-1], 6 - labels),
    }
    refused = (
        {"label_smoothing": 1},
        {"label_smoothing": -0.1},
        {"label_smoothing": "0.1"},
        {"per": "batch"},
        {"z_loss": -1},
    )
    for smoothing, per, z_loss, whole in (
        (0.0, "token", 0.0, False),
        (0.1, "sequence", 0.01, True),
    ):
        layer = ll.losses.SequenceCrossEntropy(smoothing, per, z_loss)
        kept = dict(symmetries)
        if z_loss:  # what pulls the logits to 0
            del kept["a constant more"]
        yield Case(layer, oracle(smoothing, per, z_loss), None, kept, refused, whole)


def LinearCrossEntropy():
    # As the head will hold them.
    table, bias = (random(i).normal(size=s).astype("float32") for i, s in ((2, (7, 4)), (3, 7)))

    def oracle(smoothing, z_loss, bias):
        def values(hidden, labels):
            def token(place):
                scores = [
                    math.fsum(h * float(w) for h, w in zip(hidden[place], row)) + float(b)
                    for row, b in zip(table, bias)
                ]
                target = [smoothing / 7] * 7
                target[labels[place]] += 1 - smoothing
                top = log_of_sum_of_exp(scores)
                return -sum(t * (s - top) for t, s in zip(target, scores)) + z_loss * top**2

            return np.array(each(token, labels.shape).mean())

        return values

    def head(layer, *weights):
        layer.build((None, 4))
        layer.set_weights(weights)
        return layer

    wide = {"hidden": random().normal(size=(6, 5, 4)), "labels": random().integers(0, 7, (6, 5))}
    flat = {"hidden": random().normal(size=(6, 4)), "labels": random().integers(0, 7, 6)}
    both = {
        "time backwards": lambda hidden, labels: (hidden[:, ::-1], labels[:, ::-1]),
    }
    dense = head(keras.layers.Dense(7), table.T, bias)
    plain = head(keras.layers.Dense(7, use_bias=False), table.T)
    tied = head(keras.layers.Embedding(7, 4), table)
    refused = (
        {"head": 7},
        {"head": keras.layers.Dense(7, activation="softmax")},
        {"head": plain, "label_smoothing": 1},
        {"head": plain, "z_loss": -1e-4},
    )
    loss, none = ll.losses.LinearCrossEntropy, np.zeros(7)
    yield Case(loss(dense), oracle(0, 0, bias), wide, both, refused, whole=True)
    yield Case(loss(plain, label_smoothing=0.1), oracle(0.1, 0, none), flat)
    yield Case(loss(tied, label_smoothing=0.2, z_loss=0.01), oracle(0.2, 0.01, none), wide, both)
