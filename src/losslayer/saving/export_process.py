"""Writes ONNX files from TensorFlow: a process of its own, whichever engine trained the model.

TensorFlow, because from there loops keep a free number of steps: PyTorch's exporter fixes the
number it was shown, JAX has none of its own.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from tf2onnx import utils
from tf2onnx.handler import tf_op

from losslayer.saving.graphs import Graphs
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
    graphs = getattr(importlib.import_module(module), function)(order["spec"])
    if not isinstance(graphs, Graphs):
        graphs = Graphs(graphs, {"whole": graphs}, {})
    read_weights(order["weights"], graphs.whole)
    for name, part in graphs.parts.items():
        _write(Path(order["folder"], f"{name}.onnx"), part, graphs.times)


def _write(path: Path, model: keras.Model, times: Mapping[str, str]) -> None:
    def signature(tensor: Any) -> keras.InputSpec:
        return keras.InputSpec(shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)

    signatures = [keras.tree.map_structure(signature, model.input)]
    model.export(path, format="onnx", verbose=False, input_signature=signatures)
    written = onnx.load(path)
    inputs, outputs = written.graph.input, written.graph.output
    if len(inputs) > len(model.inputs):
        # So end tensors that the engine made while the graph was built, as `ops.arange` does.
        sys.exit("the constants in the graph of the model must be NumPy arrays")
    named = model.output if isinstance(model.output, dict) else {outputs[0].name: model.output}
    shapes = {name: tensor.shape for name, tensor in named.items()}
    shapes |= {tensor.name: tensor.shape for tensor in model.inputs}
    for value in (*inputs, *outputs):
        time = times.get(value.name, "time")
        sizes = zip(value.type.tensor_type.shape.dim, shapes[value.name])
        for axis, (size, known) in enumerate(sizes):
            if known is None:
                size.dim_param = time if axis else "batch"
            else:
                size.dim_value = known
    onnx.save(written, path)


if __name__ == "__main__":
    main()
