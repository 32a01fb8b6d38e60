"""Loss layers, and a plain layer that they build on.

    triplet      TripletMargin(margin, similarity)
    in_batch     InBatchNegatives(temperature, ...), SigmoidPairs(temperature, bias)
    similarity   CosineSimilarity, a plain layer
    sequence     SequenceCrossEntropy(label_smoothing, per, z_loss), LinearCrossEntropy(head)
    ctc          CTC(blank)
    classification   Focal(gamma, alpha)
    distillation   Distillation(temperature), FeatureDistillation(distance), RDrop()
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import Focal
from losslayer.losses.ctc import CTC
from losslayer.losses.distillation import Distillation, FeatureDistillation, RDrop
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.in_batch import InBatchNegatives, SigmoidPairs
from losslayer.losses.latent import KLDivergence
from losslayer.losses.sequence import LinearCrossEntropy, SequenceCrossEntropy
from losslayer.losses.similarity import CosineSimilarity
from losslayer.losses.triplet import TripletMargin

__all__ = [
    "CTC",
    "CosineSimilarity",
    "Distillation",
    "FeatureDistillation",
    "Focal",
    "FromKeras",
    "InBatchNegatives",
    "KLDivergence",
    "LinearCrossEntropy",
    "RDrop",
    "SequenceCrossEntropy",
    "SigmoidPairs",
    "TripletMargin",
    "identity",
]
