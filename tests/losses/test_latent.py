"""The divergence near its optimum, and with a part of the prior."""

import math
from fractions import Fraction

import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject


def exact(x):
    """exp(x) - 1 - x, by its series in fractions."""
    x = Fraction(float(x))
    return float(sum(x**n / math.factorial(n) for n in range(2, 30)))


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.1, 0.499, 0.501, 2.0])
def test_no_digits_are_lost_near_the_optimum(size):
    """Values and slopes have all digits of float32, where exp(x) - 1 - x has none left."""
    log_variance = np.array([[size], [-size], [size / 3]], "float32")
    subject = Subject(
        ll.losses.KLDivergence(), {"mean": np.zeros((3, 1)), "log_variance": log_variance}
    )
    expected = [exact(x) / 2 for x in log_variance[:, 0]]
    np.testing.assert_allclose(subject.run()[0], expected, rtol=1e-6)
    slopes = np.expm1(log_variance.astype("float64")) / 2 / 3  # of the mean over three
    np.testing.assert_allclose(subject.gradient()["log_variance"], slopes, rtol=1e-6)


def test_prior_is_standard_where_it_is_left_out():
    """No prior, either of its two alone, and zeros for both are the same."""
    mean, log_variance = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    zero, layer = np.zeros((5, 3), "float32"), ll.losses.KLDivergence()
    expected = ops.convert_to_numpy(layer(mean, log_variance)[0])
    for names in (("prior_mean",), ("prior_log_variance",), ("prior_mean", "prior_log_variance")):
        prior = dict.fromkeys(names, zero)
        found = ops.convert_to_numpy(layer(mean, log_variance, **prior)[0])
        np.testing.assert_allclose(found, expected, rtol=1e-6)
