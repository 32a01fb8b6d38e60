"""Losses with the other examples of the batch."""

import math

import numpy as np

import losslayer as ll

from .common import Case, cosine, log_of_sum_of_exp, random


def turned(*arrays):
    """All dims the other way round; ids have none."""
    return [a[..., ::-1] if a.ndim > 1 and a.dtype.kind == "f" else a for a in arrays]


LENGTHS = {
    "length of anchor": lambda a, p, *more: (3 * a, p, *more),
    "length of positive": lambda a, p, *more: (a, 0.1 * p, *more),
    "all dims turned round": turned,
}


def trained(number):
    """A number as the weight that holds its logarithm has it."""
    return math.exp(np.float32(math.log(number)))


def inputs(*names):
    """Vectors, and what else a loss takes; some texts stand twice, and once as a negative."""
    everything = {
        "anchor": random(1).normal(size=(6, 4)),
        "positive": random(2).normal(size=(6, 4)),
        "negative": random(3).normal(size=(6, 2, 4)),
        "ids": np.array([7, 3, 7, 5, 1, 3]),
        "negative_ids": np.array([[2, 7], [3, 9], [8, 4], [6, 5], [0, 1], [9, 9]]),
        "log_q": random(4).normal(size=6),
    }
    return {name: everything[name] for name in ("anchor", "positive", *names)}


# Each positive's own, then others that are right: 8 and 6 are negatives, the rest positives too.
ALL_IDS = np.array([[7, 8, 7], [3, 3, 3], [7, 7, 7], [5, 3, 6], [1, 1, 7], [3, 3, 3]])


def wrong_ones(i, kinds, data):
    """Of each kind the wrong candidates for row `i` that don't have its text."""
    batch = len(data["anchor"])
    right = [np.atleast_1d(ids) for ids in data.get("ids", range(batch))]
    for kind in kinds:
        if kind != "negative":
            for j in range(batch):
                if right[j][0] not in right[i] and right[i][0] not in right[j]:
                    yield kind, j, data[kind][j]
        elif kind in data:
            for j in range(batch):
                texts = data.get("negative_ids", np.full((batch, 2), -1))[j]
                pairs = zip(texts, data["negative"][j])
                yield from ((kind, j, v) for text, v in pairs if text not in right[i])


def InBatchNegatives():
    def oracle(names, temperature=0.05, symmetric=False, same_side=False, hardness=0.0):
        def values(*arrays):
            data = dict(zip(("anchor", "positive", *names), arrays))
            log_q = data.get("log_q", np.zeros(6))

            def way(i, own, other):
                def score(kind, j, vector, factor):
                    asked = kind == "positive" and own == "anchor"
                    found = cosine(data[own][i], vector)
                    return found / temperature + factor * found - (log_q[j] if asked else 0)

                right = score(other, i, data[other][i], 0)
                kinds = [other] + [own] * same_side + ["negative"] * (own == "anchor")
                wrong = [score(*c, hardness) for c in wrong_ones(i, kinds, data)]
                return log_of_sum_of_exp([right, *wrong]) - right

            found = [way(i, "anchor", "positive") for i in range(6)]
            if symmetric:
                found += [way(i, "positive", "anchor") for i in range(6)]
            return np.array(math.fsum(found) / len(found))

        return values

    def case(names=(), whole=False, refused=(), temperature=0.05, several=False, **settings):
        given = inputs(*names) | ({"ids": ALL_IDS} if several else {})
        layer = ll.losses.InBatchNegatives(temperature=temperature, **settings)
        temperature = trained(temperature) if settings.pop("learned", False) else temperature
        values = oracle(names, temperature, **settings)
        return Case(layer, values, given, LENGTHS, refused, whole)

    refused = (
        {"temperature": 0},
        {"temperature": -0.05},
        {"temperature": "0.05"},
        {"hardness": -1},
        {"symmetric": "yes"},
        {"same_side": None},
        {"learned": 2},
    )
    yield case(whole=True, refused=refused)
    yield case(("negative",), temperature=2)
    yield case(("negative", "ids", "negative_ids", "log_q"), temperature=0.3, hardness=2.0)
    everything = ("negative", "ids", "negative_ids", "log_q")
    yield case(everything, symmetric=True, learned=True, hardness=0.5)
    yield case(("negative", "ids"), symmetric=True, same_side=True, temperature=0.5)
    everything = ("negative", "ids", "negative_ids")
    yield case(everything, several=True, symmetric=True, same_side=True, temperature=0.5)
    yield case(same_side=True, learned=True, temperature=0.5)


def SigmoidPairs():
    def oracle(names, temperature, bias):
        def values(*arrays):
            data = dict(zip(("anchor", "positive", *names), arrays))

            def pair(a, p, sign):
                score = cosine(a, p) / temperature + bias
                return math.log1p(math.exp(-sign * score))

            def row(i):
                anchor = data["anchor"][i]
                wrong = wrong_ones(i, ("positive", "negative"), data)
                terms = [pair(anchor, vector, -1) for _, _, vector in wrong]
                return math.fsum(terms) + pair(anchor, data["positive"][i], 1)

            return np.array(math.fsum(map(row, range(6))) / 6)

        return values

    def case(
        names=(), whole=False, refused=(), temperature=0.1, bias=-10.0, learned=True, several=False
    ):
        given = inputs(*names) | ({"ids": ALL_IDS} if several else {})
        layer = ll.losses.SigmoidPairs(temperature, bias, learned)
        values = oracle(names, trained(temperature) if learned else temperature, bias)
        return Case(layer, values, given, LENGTHS, refused, whole)

    refused = ({"temperature": 0}, {"bias": "-10"}, {"bias": float("nan")}, {"learned": "no"})
    yield case(whole=True, refused=refused)
    names = ("negative", "ids", "negative_ids")
    yield case(names, temperature=0.5, bias=1.0, learned=False)
    yield case(names, temperature=0.5, bias=1.0, several=True)
