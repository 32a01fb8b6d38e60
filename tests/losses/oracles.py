"""For each loss a function of its name: configurations, example inputs, and the values once more.

The values are loops over elements with `math`, written from the formula and not from the code.
"""

import dataclasses
import itertools
import math
import typing

import keras
import numpy as np

import losslayer as ll


@dataclasses.dataclass
class Case:
    """One configuration of a loss, and what `check_loss` is told about it."""

    layer: ll.LossLayer
    oracle: typing.Callable
    inputs: dict | None = None
    symmetries: dict = dataclasses.field(default_factory=dict)
    refused: tuple = ()
    whole: bool = False  # run every check, also those on which configurations have no influence


def cases(cls):
    """The cases of a loss; KeyError if it has none."""
    return list(globals()[cls.__name__]())


def each(function, shape):
    """An array of `function(place)` for each place of an array of that shape."""
    values = np.zeros(shape)
    for place in itertools.product(*map(range, shape)):
        values[place] = function(place)
    return values


def log_of_sum_of_exp(numbers):
    """log(exp(x1) + exp(x2) + ...)."""
    top = max(numbers)
    return top + math.log(math.fsum(math.exp(x - top) for x in numbers))


def random(seed=5):
    """A generator of numbers for example inputs."""
    return np.random.default_rng(seed)


# Matching


def cosine(a, b):
    """a . b / (|a| |b|)."""
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b)) / lengths


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


def InBatchNegatives():
    def oracle(temperature):
        def values(anchor, positive):
            def one(place):
                scores = [cosine(anchor[place], p) / temperature for p in positive]
                return log_of_sum_of_exp(scores) - scores[place[0]]

            return each(one, anchor.shape[:1])

        return values

    symmetries = {
        "length of anchor": lambda a, p: (3 * a, p),
        "length of positive": lambda a, p: (a, 0.1 * p),
        "all dims turned round": lambda a, p: (a[:, ::-1], p[:, ::-1]),
    }
    refused = ({"temperature": 0}, {"temperature": -0.05}, {"temperature": "0.05"})
    loss = ll.losses.InBatchNegatives
    yield Case(loss(), oracle(0.05), None, symmetries, refused, whole=True)
    yield Case(loss(temperature=2), oracle(2), None, symmetries)


# Sequences


def SequenceCrossEntropy():
    def oracle(smoothing, per):
        def values(logits, labels):
            def token(place):
                scores, vocab = logits[place], logits.shape[-1]
                target = [smoothing / vocab] * vocab
                target[labels[place]] += 1 - smoothing
                top = log_of_sum_of_exp(scores)
                return -sum(t * (s - top) for t, s in zip(target, scores))

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
    )
    for smoothing, per, whole in (
        (0.0, "token", False),
        (0.1, "sequence", True),
    ):
        layer = ll.losses.SequenceCrossEntropy(label_smoothing=smoothing, per=per)
        yield Case(layer, oracle(smoothing, per), None, symmetries, refused, whole)


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


# Classes


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


# Latent variables


def KLDivergence():
    def values(mean, log_variance):
        def element(place):
            pairs = zip(mean[place], log_variance[place])
            return sum(m**2 + math.exp(v) - 1 - v for m, v in pairs) / 2

        return each(element, mean.shape[:1])

    symmetries = {
        "sign of the mean": lambda mean, log_variance: (-mean, log_variance),
        "order of dims": lambda mean, log_variance: (mean[:, ::-1], log_variance[:, ::-1]),
    }
    yield Case(ll.losses.KLDivergence(), values, None, symmetries, whole=True)


# Keras's own


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
