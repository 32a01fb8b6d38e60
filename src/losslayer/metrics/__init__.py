"""Metrics whose value does not depend on how the data are cut into batches.

    ExactMean          the mean of all values, each with its weight
    Perplexity         exp of that mean
    MaskedAccuracy     the share of elements whose largest logit is their label's
    SequenceAccuracy   the share of sequences of which all such elements are right

Ordinary Keras metrics: `Model.add_metric` takes them like any other.
"""

from losslayer.core.reduction import ExactMean
from losslayer.metrics.accuracy import MaskedAccuracy, SequenceAccuracy
from losslayer.metrics.perplexity import Perplexity

__all__ = ["ExactMean", "MaskedAccuracy", "Perplexity", "SequenceAccuracy"]
