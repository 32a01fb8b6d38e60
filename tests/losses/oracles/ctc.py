"""Labels without an alignment."""

import itertools
import math

import numpy as np

import losslayer as ll

from .common import Case, each, log_of_sum_of_exp, random


def read(path, blank):
    """What a path of classes, one for each frame, reads as."""
    return [c for c, before in zip(path, (None, *path)) if c not in (before, blank)]


def CTC():
    def oracle(blank):
        def values(logits, labels, logit_lengths, label_lengths):
            def sequence(place):
                frames = logits[place][: logit_lengths[place]]
                wanted = list(labels[place][: label_lengths[place]])
                tops = [log_of_sum_of_exp(frame) for frame in frames]
                paths = itertools.product(range(logits.shape[-1]), repeat=len(frames))
                return -log_of_sum_of_exp(
                    [
                        math.fsum(f[c] - top for f, c, top in zip(frames, path, tops))
                        for path in paths
                        if read(path, blank) == wanted
                    ]
                )

            return each(sequence, labels.shape[:1])

        return values

    def inputs(blank):
        # Among them equal neighbours, a sequence without labels, one with a single alignment, and
        # one without frames. Beyond the lengths stands what no table holds.
        labels = np.array([[1, 2, 1], [2, 2, 9], [9, 9, -1], [1, 3, 1], [3, 9, 9], [-1, -1, -1]])
        labels = np.where(labels == blank, 0, labels)
        return {
            "logits": random().normal(size=(6, 5, 4)),
            "labels": labels,
            "logit_lengths": np.array([5, 4, 3, 3, 1, 0]),
            "label_lengths": np.array([3, 2, 0, 3, 1, 0]),
        }

    symmetries = {
        "a constant more in each frame": lambda logits, *others: (
            logits + np.arange(5)[:, None],
            *others,
        ),
        "two classes swapped": lambda logits, labels, *lengths: (
            logits[..., [0, 2, 1, 3]],
            np.array([0, 2, 1, 3, -1])[np.clip(labels, -1, 3)],
            *lengths,
        ),
    }
    refused = ({"blank": -1}, {"blank": 1.0}, {"blank": None})
    yield Case(ll.losses.CTC(), oracle(0), inputs(0), symmetries, refused, whole=True)
    yield Case(ll.losses.CTC(blank=3), oracle(3), inputs(3))
