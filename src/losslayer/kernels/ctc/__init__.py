"""Connectionist temporal classification: one reference, and what PyTorch brings along.

ctc_loss(...)   the negative log-probability of each sequence of labels, over all alignments
"""

import keras

if keras.backend.backend() == "torch":
    from losslayer.kernels.ctc.torch import ctc_loss
else:
    from losslayer.kernels.ctc.reference import ctc_loss

__all__ = ["ctc_loss"]
