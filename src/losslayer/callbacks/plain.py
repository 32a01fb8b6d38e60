"""Nested plain values as JSON, with their arrays beside it: what no unpickling is needed for.

Plain are None, numbers, texts, and lists, tuples and dicts of these; arrays of NumPy and of the
engine (they come back as NumPy's). What comes back is of the same types, and bit for bit the same.
"""

import keras
import numpy as np

ATOMS = (type(None), bool, int, float, str)


def is_plain(value):
    """Whether `pack` takes `value`."""
    if isinstance(value, (list, tuple)):
        return type(value) in (list, tuple) and all(map(is_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(map(is_plain, [*value, *value.values()]))
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.hasobject is False and value.dtype.names is None
    return type(value) in ATOMS or keras.ops.is_tensor(value)


def pack(value, arrays):
    """`value` in terms of JSON; its arrays are appended to the list `arrays`."""
    if type(value) in ATOMS:
        return value
    if type(value) is list:
        return [pack(item, arrays) for item in value]
    if type(value) is tuple:
        return {"tuple": [pack(item, arrays) for item in value]}
    if type(value) is dict:
        return {"dict": [[pack(k, arrays), pack(v, arrays)] for k, v in value.items()]}
    if not is_plain(value):
        raise TypeError(f"{value!r} is no plain value")
    kind = "scalar" if isinstance(value, np.generic) else "array"
    arrays.append(keras.ops.convert_to_numpy(value))
    return {kind: len(arrays) - 1}


def unpack(packed, arrays):
    """What `pack` was given."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    [(kind, content)] = packed.items()
    if kind == "tuple":
        return tuple(unpack(item, arrays) for item in content)
    if kind == "dict":
        return {unpack(k, arrays): unpack(v, arrays) for k, v in content}
    return arrays[content][()] if kind == "scalar" else arrays[content]
