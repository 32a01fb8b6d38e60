"""The operations that are worth an engine's own code, each beside a reference in `keras.ops`.

ctc_loss(...)               negative log-probability of labels, over all alignments
linear_cross_entropy(...)   cross entropy of the words of a linear head, without its logits
sum_of_rows(...)            of values of rows that meet all others, without a score for each pair
"""

import importlib

import keras

from losslayer.kernels.ctc import ctc_loss

_engine = importlib.import_module(f"losslayer.kernels.{keras.backend.backend()}")

linear_cross_entropy = _engine.linear_cross_entropy
sum_of_rows = _engine.sum_of_rows

__all__ = ["ctc_loss", "linear_cross_entropy", "sum_of_rows"]
