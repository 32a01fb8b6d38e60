"""A model's weights as plain numbers and itself as ONNX: what the applications share.

- `write_weights`, `read_weights`: safetensors, written with one engine and read with any;
- `write_graphs`: a model, or parts of it, as ONNX; `session` runs one;
- `export_encoder`: an encoder as ONNX, proved to give the same vectors.

The folder that holds them is `losslayer_serve.folder`'s.
"""

from losslayer.saving.export import Parity, export_encoder, golden_ids
from losslayer.saving.graphs import ExportError, Graphs, session, write_graphs
from losslayer.saving.weights import WeightsError, read_weights, write_weights

__all__ = [
    "ExportError",
    "Graphs",
    "Parity",
    "WeightsError",
    "export_encoder",
    "golden_ids",
    "read_weights",
    "session",
    "write_graphs",
    "write_weights",
]
