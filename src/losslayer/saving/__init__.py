"""A model's weights as plain numbers and its encoders as ONNX: what the applications share.

- `write_weights`, `read_weights`: safetensors, written with one engine and read with any;
- `export_encoder`: an encoder as ONNX, proved to give the same vectors.

The folder that holds them is `losslayer_serve.folder`'s.
"""

from losslayer.saving.export import ExportError, Parity, export_encoder, golden_ids
from losslayer.saving.weights import WeightsError, read_weights, write_weights

__all__ = [
    "ExportError",
    "Parity",
    "WeightsError",
    "export_encoder",
    "golden_ids",
    "read_weights",
    "write_weights",
]
