"""Loss layers, and a plain layer that they build on.

    triplet      TripletMargin(margin, similarity)
    in_batch     InBatchNegatives(temperature)
    similarity   CosineSimilarity, a plain layer
    sequence     SequenceCrossEntropy(label_smoothing, per), LinearCrossEntropy(head)
    crf          CRF(tags, constraints), allowed_transitions(tags, scheme)
    classification   Focal(gamma, alpha)
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import Focal
from losslayer.losses.crf import CRF, allowed_transitions
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.in_batch import InBatchNegatives
from losslayer.losses.latent import KLDivergence
from losslayer.losses.sequence import LinearCrossEntropy, SequenceCrossEntropy
from losslayer.losses.similarity import CosineSimilarity
from losslayer.losses.triplet import TripletMargin

__all__ = [
    "CRF",
    "CosineSimilarity",
    "Focal",
    "FromKeras",
    "InBatchNegatives",
    "KLDivergence",
    "LinearCrossEntropy",
    "SequenceCrossEntropy",
    "TripletMargin",
    "allowed_transitions",
    "identity",
]
