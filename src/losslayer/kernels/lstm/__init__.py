"""A long short-term memory, read over all its steps.

lstm(...)   its state after each step, and after the last; None on TensorFlow
"""

import importlib
from typing import Any

import keras

lstm: Any = None
# Not there: the export to ONNX goes through TensorFlow, and knows the loop of Keras.
if keras.backend.backend() != "tensorflow":
    lstm = importlib.import_module(f"{__name__}.{keras.backend.backend()}").lstm
