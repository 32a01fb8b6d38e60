"""The cross entropy of the words of a linear head, without its logits.

linear_cross_entropy(...)   the weighted sum over tokens
"""

import importlib

import keras

_engine = importlib.import_module(f"{__name__}.{keras.backend.backend()}")

linear_cross_entropy = _engine.linear_cross_entropy
