"""What the oracles share."""

import dataclasses
import itertools
import math
import typing

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


def cosine(a, b):
    """a . b / (|a| |b|)."""
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b)) / lengths
