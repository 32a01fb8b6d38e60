"""A long short-term memory, read over all its steps.

lstm(...)   its state after each step, and after the last; None on TensorFlow
"""

import importlib
from typing import Any

import keras

lstm: Any = None
# A loop of our own is no faster on TensorFlow, and its ONNX export knows the one of Keras.
if keras.backend.backend() != "tensorflow":
    lstm = importlib.import_module(f"{__name__}.{keras.backend.backend()}").lstm
