"""Keras's own losses."""

import keras

import losslayer as ll

from .common import Case, each, log_of_sum_of_exp, random


def FromKeras():
    def huber(y_true, y_pred):
        def one(error):
            return error**2 / 2 if error <= 0.7 else 0.7 * (error - 0.35)

        def element(place):
            return sum(one(abs(p - t)) for p, t in zip(y_pred[place], y_true[place])) / 4

        return each(element, (6,))

    def cross_entropy(y_true, y_pred):
        def element(place):
            return log_of_sum_of_exp(y_pred[place]) - y_pred[place][y_true[place]]

        return each(element, y_true.shape)

    reals = {"y_true": random(1).normal(size=(6, 4)), "y_pred": random(2).normal(size=(6, 4))}
    classes = {"y_true": random().integers(0, 7, (6, 5)), "y_pred": random().normal(size=(6, 5, 7))}
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    refused = ({"loss": "huber"}, {"loss": keras.losses.Huber}, {"loss": ignoring})
    both = {"truth and prediction swapped": lambda y_true, y_pred: (y_pred, y_true)}
    loss = ll.losses.FromKeras
    layer = loss(keras.losses.Huber(delta=0.7, reduction=None))
    yield Case(layer, huber, reals, both, refused, whole=True)
    layer = loss(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    yield Case(layer, cross_entropy, classes, whole=True)
