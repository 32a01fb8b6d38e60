"""Loss layers, and plain layers that they build on.

    triplet      TripletMargin(margin, similarity), MinedTripletMargin(margin, mining, similarity)
    in_batch     InBatchNegatives(temperature)
    similarity   CosineSimilarity, EuclideanDistance: plain layers
    sequence     SequenceCrossEntropy(label_smoothing, per), LinearCrossEntropy(head)
    classification   Focal(gamma, alpha)
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import Focal
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.in_batch import InBatchNegatives
from losslayer.losses.latent import KLDivergence
from losslayer.losses.sequence import LinearCrossEntropy, SequenceCrossEntropy
from losslayer.losses.similarity import CosineSimilarity, EuclideanDistance
from losslayer.losses.triplet import MinedTripletMargin, TripletMargin

__all__ = [
    "CosineSimilarity",
    "EuclideanDistance",
    "Focal",
    "FromKeras",
    "InBatchNegatives",
    "KLDivergence",
    "LinearCrossEntropy",
    "MinedTripletMargin",
    "SequenceCrossEntropy",
    "TripletMargin",
    "identity",
]
