"""Layers of Keras, computed faster.

LSTM   `keras.layers.LSTM`: the same weights, arguments and numbers
"""

from losslayer.layers.lstm import LSTM

__all__ = ["LSTM"]
