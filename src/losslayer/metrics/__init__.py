"""Metrics whose value does not depend on how the data are cut into batches.

    ExactMean        the mean of all values, each with its weight
    Perplexity       exp of that mean
    ChunkF1          F1, precision or recall of chunks, such as the words of a segmentation
    MaskedAccuracy   the share of elements whose largest logit is their label's

Ordinary Keras metrics: `Model.add_metric` takes them like any other.
"""

from losslayer.core.reduction import ExactMean
from losslayer.metrics.accuracy import MaskedAccuracy
from losslayer.metrics.chunks import ChunkF1
from losslayer.metrics.perplexity import Perplexity

__all__ = ["ChunkF1", "ExactMean", "MaskedAccuracy", "Perplexity"]
