"""Losses over sequences of tags."""

import itertools

import numpy as np

import losslayer as ll

from .common import Case, log_of_sum_of_exp, random


def CRF():
    # As the layer will hold them.
    transitions, start, end = (
        random(i).normal(size=s).astype("float32") for i, s in ((2, (4, 4)), (3, 4), (4, 4))
    )
    allowed = np.array(ll.losses.allowed_transitions(["O", "B-X", "I-X", "B-Y"], "BIO"))

    def oracle(allowed):
        def step(table, before, after):
            return float(table) if allowed[before, after] else -1e6

        def score(logits, tags):
            total = step(start[tags[0]], -1, tags[0]) + step(end[tags[-1]], tags[-1], -1)
            total += sum(row[tag] for row, tag in zip(logits, tags))
            return total + sum(step(transitions[p], *p) for p in itertools.pairwise(tags))

        def values(logits, labels):
            def one(logits, labels):
                every = itertools.product(range(4), repeat=len(labels))
                return log_of_sum_of_exp([score(logits, t) for t in every]) - score(logits, labels)

            return np.array([one(*example) for example in zip(logits, labels)])

        return values

    def layer(constraints=None):
        crf = ll.losses.CRF(4, constraints)
        crf.build([(None, None, 4)])
        crf.set_weights([transitions, start, end])
        return crf

    def inputs(labels):
        return {"logits": random(1).normal(size=(6, 3, 4)), "labels": np.array(labels)}

    symmetries = {"a constant more": lambda logits, labels: (logits + 3, labels)}
    square = ((True,) * 3,) * 3
    refused = (
        {"tags": 0},
        {"tags": 2.5},
        {"tags": 3, "constraints": square},
        {"tags": 2, "constraints": np.ones((3, 3))},
        {"tags": 1, "constraints": ((True,), (True, False))},
    )
    any_labels = inputs(random().integers(0, 4, (6, 3)))
    # Those that aren't allowed cost 1e6, of which central differences see only rounding.
    legal = inputs([[0, 0, 0], [1, 2, 2], [3, 1, 0], [0, 1, 2], [3, 3, 3], [1, 1, 2]])
    yield Case(layer(), oracle(np.ones((5, 5), bool)), any_labels, symmetries, refused, whole=True)
    yield Case(layer(allowed.tolist()), oracle(allowed), legal, symmetries)
