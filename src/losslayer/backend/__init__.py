"""What differs between the engines and is no kernel.

connected(function, variables)   which variables each of several scalars depends on
value_and_gradient(function, arrays)
compiled(function)               as `fit` would compile it, and a count of its traces
float64()                        a context in which float64 stays float64
"""

import importlib

import keras

_engine = importlib.import_module(f"losslayer.backend.{keras.backend.backend()}")

compiled = _engine.compiled
connected = _engine.connected
float64 = _engine.float64
value_and_gradient = _engine.value_and_gradient
