"""Loss layers, and plain layers that they build on.

    triplet      TripletMargin(margin, similarity), MinedTripletMargin(margin, mining, similarity)
    in_batch     InBatchNegatives(temperature, ...), SigmoidPairs(temperature, bias)
    pairs        Contrastive(margin), CoSENT(scale)
    ranking      MarginMSE(), ListSoftmax()
    similarity   CosineSimilarity, EuclideanDistance: plain layers
    sequence     SequenceCrossEntropy(label_smoothing, per, z_loss), LinearCrossEntropy(head)
    ctc          CTC(blank)
    crf          CRF(tags, constraints), allowed_transitions(tags, scheme)
    classification   Focal(gamma, alpha), ArcFace(classes, margin, scale)
    distillation   Distillation(temperature), FeatureDistillation(distance), RDrop()
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import ArcFace, Focal
from losslayer.losses.crf import CRF, allowed_transitions
from losslayer.losses.ctc import CTC
from losslayer.losses.distillation import Distillation, FeatureDistillation, RDrop
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.in_batch import InBatchNegatives, SigmoidPairs
from losslayer.losses.latent import KLDivergence
from losslayer.losses.pairs import Contrastive, CoSENT
from losslayer.losses.ranking import ListSoftmax, MarginMSE
from losslayer.losses.sequence import LinearCrossEntropy, SequenceCrossEntropy
from losslayer.losses.similarity import CosineSimilarity, EuclideanDistance
from losslayer.losses.triplet import MinedTripletMargin, TripletMargin

__all__ = [
    "CRF",
    "CTC",
    "ArcFace",
    "CoSENT",
    "Contrastive",
    "CosineSimilarity",
    "Distillation",
    "EuclideanDistance",
    "FeatureDistillation",
    "Focal",
    "FromKeras",
    "InBatchNegatives",
    "KLDivergence",
    "LinearCrossEntropy",
    "ListSoftmax",
    "MarginMSE",
    "MinedTripletMargin",
    "RDrop",
    "SequenceCrossEntropy",
    "SigmoidPairs",
    "TripletMargin",
    "allowed_transitions",
    "identity",
]
