"""Metrics whose value does not depend on how the data are cut into batches.

    ExactMean            the mean of all values, each with its weight
    ChunkF1              F1, precision or recall of chunks, such as the words of a segmentation
    Perplexity           exp of that mean
    MaskedAccuracy       the share of elements whose largest logit is their label's
    SequenceAccuracy     the share of sequences of which all such elements are right
    RecallAtK            the share of right candidates among the first k of a list
    MeanReciprocalRank   of the first right candidate
    NDCG                 how much of the relevance comes early

Ordinary Keras metrics: `Model.add_metric` takes them like any other.
"""

from losslayer.core.reduction import ExactMean
from losslayer.metrics.accuracy import MaskedAccuracy, SequenceAccuracy
from losslayer.metrics.chunks import ChunkF1
from losslayer.metrics.perplexity import Perplexity
from losslayer.metrics.ranking import NDCG, MeanReciprocalRank, RecallAtK

__all__ = [
    "NDCG",
    "ChunkF1",
    "ExactMean",
    "MaskedAccuracy",
    "MeanReciprocalRank",
    "Perplexity",
    "RecallAtK",
    "SequenceAccuracy",
]
