"""Writes an ONNX file from TensorFlow: a process of its own, whichever engine trained the model.

TensorFlow, because from there loops keep a free number of steps: PyTorch's exporter fixes the
number it was shown, JAX has none of its own.
"""

import importlib
import json
import sys
from typing import Any

import keras
import numpy as np
import onnx
from tf2onnx import utils
from tf2onnx.handler import tf_op

from losslayer.saving.weights import read_weights


@tf_op("Erfc")
class Erfc:
    """`1 - erf(x)`, in which TensorFlow computes the exact GELU, and which tf2onnx can't write."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **unused: Any) -> None:
        """Replace the node, from ONNX's operator set 9 on, which has `Erf`."""
        [x], [result] = node.input, node.output
        dtype, shape = ctx.get_dtype(result), ctx.get_shape(result)
        ctx.remove_node(node.name)
        one = ctx.make_const(
            utils.make_name("one"), np.ones((), utils.map_onnx_to_numpy_type(dtype))
        )
        erf = ctx.make_node("Erf", [x], shapes=[shape], dtypes=[dtype])
        ctx.make_node(
            "Sub", [one.output[0], erf.output[0]], outputs=[result], shapes=[shape], dtypes=[dtype]
        )


def main() -> None:
    """Build, load, export; the order is one JSON object on standard input."""
    order = json.load(sys.stdin)
    module, _, function = order["build"].partition(":")
    encoder = getattr(importlib.import_module(module), function)(order["spec"])
    read_weights(order["weights"], encoder)
    [tokens] = encoder.inputs
    signature = keras.InputSpec(shape=(None, None), dtype=tokens.dtype, name=tokens.name)
    encoder.export(order["out"], format="onnx", verbose=False, input_signature=[signature])
    written = onnx.load(order["out"])
    if len(written.graph.input) > 1:
        # So end tensors that the engine made while the graph was built, as `ops.arange` does.
        sys.exit("the constants in the graph of the encoder must be NumPy arrays")
    _name_sizes(written.graph.input[0], ["batch", "time"])
    _name_sizes(written.graph.output[0], ["batch"])
    onnx.save(written, order["out"])


def _name_sizes(value: onnx.ValueInfoProto, names: list[str]) -> None:
    """Call the free sizes what they are."""
    for size, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
        size.dim_param = name


if __name__ == "__main__":
    main()
