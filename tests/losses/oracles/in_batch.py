"""Losses with the other examples of the batch."""

import losslayer as ll

from .common import Case, cosine, each, log_of_sum_of_exp


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
