"""Values of rows that meet all others, a few rows at a time.

sum_of_rows(...)      their weighted sum
values_of_rows(...)   themselves, without a gradient
"""

import importlib

import keras

_engine = importlib.import_module(f"{__name__}.{keras.backend.backend()}")

sum_of_rows = _engine.sum_of_rows
values_of_rows = _engine.values_of_rows
