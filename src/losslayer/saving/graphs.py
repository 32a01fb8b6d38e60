"""Models as ONNX files, with free batch and time, whichever engine trained them.

TensorFlow writes them, in a process of its own and on the CPU: from there loops keep a free number
of steps. Whether a file says what the model says is for the caller to prove.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import keras

import losslayer as ll
from losslayer.saving.weights import write_weights

NEEDED = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")


class ExportError(ll.LosslayerError, ValueError):
    """A model that can't be exported, or says something else once it is."""


class Graphs(NamedTuple):
    """A model of which several parts are written, over the same layers.

    Attributes:
        whole: The model that has all the weights.
        parts: The parts by name: models with a dict of outputs. A file has the names of their
            inputs and outputs.
        times: What the free sizes of an input or output are called, the batch apart, by its name.
    """

    whole: keras.Model
    parts: Mapping[str, keras.Model]
    times: Mapping[str, str]


def write_graphs(
    folder: str | PathLike[str],
    model: keras.Model,
    build: Callable[[Any], keras.Model | Graphs],
    spec: Any,
) -> None:
    """Write a model, or parts of it, as ONNX.

    `build(spec)` is called in another process, and the weights of `model` are put into what it
    returns, or into its `whole`.

    Args:
        folder: Where `<part>.onnx` is written for each part, or `whole.onnx`.
        model: The weights to write.
        build: A function of a module that builds the same model from `spec`, with any weights.
            Constants in its graph are NumPy arrays.
        spec: Plain data.

    Raises:
        ExportError: If a package is missing or the model can't be written.
    """
    if build.__module__ == "__main__" or "<" in build.__qualname__:
        raise ExportError(
            "write_graphs: `build` must be a function of a module that another process can "
            f"import. Received: build={build!r}"
        )
    require(*NEEDED)
    weights = Path(folder, "weights.safetensors")
    write_weights(weights, model)
    order = {
        "build": f"{build.__module__}:{build.__qualname__}",
        "spec": spec,
        "weights": str(weights),
        "folder": str(folder),
    }
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "CUDA_VISIBLE_DEVICES": "-1",  # its memory belongs to whoever trains
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", "losslayer.saving.export_process"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise ExportError(f"{order['build']}: can't be exported ({said[-1]})")


def session(path: str | PathLike[str]) -> Any:
    """An ONNX file, ready to be run by ONNX Runtime on the CPU.

    Raises:
        ExportError: If ONNX Runtime is not installed, or can't read the file.
    """
    require("onnxruntime")
    import onnxruntime  # here: only who exports needs it

    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime's errors have no public class
        raise ExportError(f"{path}: can't be read by ONNX Runtime ({problem})") from problem


def require(*packages: str) -> None:
    """Raise `ExportError` for the first package that isn't installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ExportError(f'`{package}` is not installed. Run: pip install "losslayer[onnx]"')
