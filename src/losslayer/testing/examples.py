"""Example inputs of a loss layer, from what it declares about its arguments."""

import numpy as np

from losslayer.core.errors import refuse
from losslayer.core.layer import tensor_signature

# Different for each axis, so that no check mistakes one for the other.
_SIZES = {"batch": 6, "time": 5, "dim": 4, "num_negatives": 3, "class": 7, "vocab": 7, "list": 8}
_CLASSES = ("class", "vocab")


def example_inputs(layer, seed):
    """Random arrays by the names of the arguments of `layer.values`.

    Their axes are those that `layer.axes` declares (`...` becomes the batch axis); what is in
    `layer.integers` is a class id, all else is normally distributed.
    """
    random = np.random.default_rng(seed)
    arrays = {}
    for name in tensor_signature(layer).parameters:
        if name not in layer.axes:
            rule = f"hold example arrays for {name}, whose axes the layer does not declare"
            refuse("check_loss", "inputs", rule, None)
        words = [w.strip("[]").replace("...", "batch") for w in layer.axes[name].split()]
        unknown = [w for w in words if w not in _SIZES]
        if unknown:
            rule = f"hold example arrays, because the axes {unknown} have no size of their own"
            refuse("check_loss", "inputs", rule, None)
        shape = tuple(_SIZES[w] for w in words)
        if name in layer.integers:
            arrays[name] = random.integers(0, _class_count(layer), shape).astype("int32")
        else:
            arrays[name] = random.normal(size=shape).astype("float32")
    return arrays


def _class_count(layer):
    words = " ".join(layer.axes.values()).replace("[", "").replace("]", "").split()
    return min([_SIZES[w] for w in _CLASSES if w in words], default=2)
