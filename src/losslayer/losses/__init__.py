"""Loss layers, and plain layers that they build on.

    triplet      TripletMargin(margin, similarity), MinedTripletMargin(margin, mining, similarity)
    pairs        Contrastive(margin), CoSENT(scale)
    ranking      MarginMSE(), ListSoftmax()
    in_batch     InBatchNegatives(temperature)
    similarity   CosineSimilarity, EuclideanDistance: plain layers
    sequence     SequenceCrossEntropy(label_smoothing, per), LinearCrossEntropy(head)
    classification   Focal(gamma, alpha), ArcFace(classes, margin, scale)
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import ArcFace, Focal
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.in_batch import InBatchNegatives
from losslayer.losses.latent import KLDivergence
from losslayer.losses.pairs import Contrastive, CoSENT
from losslayer.losses.ranking import ListSoftmax, MarginMSE
from losslayer.losses.sequence import LinearCrossEntropy, SequenceCrossEntropy
from losslayer.losses.similarity import CosineSimilarity, EuclideanDistance
from losslayer.losses.triplet import MinedTripletMargin, TripletMargin

__all__ = [
    "ArcFace",
    "CoSENT",
    "Contrastive",
    "CosineSimilarity",
    "EuclideanDistance",
    "Focal",
    "FromKeras",
    "InBatchNegatives",
    "KLDivergence",
    "LinearCrossEntropy",
    "ListSoftmax",
    "MarginMSE",
    "MinedTripletMargin",
    "SequenceCrossEntropy",
    "TripletMargin",
    "identity",
]
