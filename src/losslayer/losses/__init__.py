"""Loss layers, and a plain layer that they build on.

    matching     TripletMargin(margin, similarity), CosineSimilarity
    sequence     SequenceCrossEntropy(label_smoothing, per)
    classification   Focal(gamma, alpha)
    latent       KLDivergence()
    from_keras   FromKeras(loss), identity

Each takes tensors of a graph and gives the pair `(values, weights)`; see `losslayer.LossLayer`.
"""

from losslayer.losses.classification import Focal
from losslayer.losses.from_keras import FromKeras, identity
from losslayer.losses.latent import KLDivergence
from losslayer.losses.matching import CosineSimilarity, TripletMargin
from losslayer.losses.sequence import SequenceCrossEntropy

__all__ = [
    "CosineSimilarity",
    "Focal",
    "FromKeras",
    "KLDivergence",
    "SequenceCrossEntropy",
    "TripletMargin",
    "identity",
]
