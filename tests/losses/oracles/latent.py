"""Losses on latent variables."""

import math

import losslayer as ll

from .common import Case, each, random


def KLDivergence():
    def values(mean, log_variance, *prior):
        prior_mean, prior_log_variance = prior or (0 * mean, 0 * log_variance)

        def element(place):
            four = (mean, log_variance, prior_mean, prior_log_variance)
            # The variances apart, and their logarithms: not the ratio that the code computes.
            return sum(
                (math.exp(v) + (m - pm) ** 2) / math.exp(pv) / 2 - 0.5 + (pv - v) / 2
                for m, v, pm, pv in zip(*(tensor[place] for tensor in four))
            )

        return each(element, mean.shape[:1])

    def moved(mean, log_variance, prior_mean, prior_log_variance):
        return mean + 3, log_variance, prior_mean + 3, prior_log_variance

    def scaled(mean, log_variance, prior_mean, prior_log_variance):
        more = 2 * math.log(5)
        return 5 * mean, log_variance + more, 5 * prior_mean, prior_log_variance + more

    symmetries = {
        "sign of both means": lambda m, v, pm, pv: (-m, v, -pm, pv),
        "order of dims": lambda *four: tuple(tensor[:, ::-1] for tensor in four),
        "both moved": moved,
        "both in another unit": scaled,
    }
    normal = {"mean": random().normal(size=(6, 4)), "log_variance": random(6).normal(size=(6, 4))}
    yield Case(ll.losses.KLDivergence(), values, None, symmetries, whole=True)
    yield Case(ll.losses.KLDivergence(), values, normal)
