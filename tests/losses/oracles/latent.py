"""Losses on latent variables."""

import math

import losslayer as ll

from .common import Case, each


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
