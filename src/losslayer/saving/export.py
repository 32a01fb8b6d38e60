"""An encoder as ONNX, with free batch and time, and the proof that it gives the same vectors."""

import os
import tempfile
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from losslayer.saving.graphs import ExportError, session, write_graphs
from losslayer_serve.vectors import unit


class Parity(NamedTuple):
    """How near an exported encoder is to the one it was made from.

    Attributes:
        difference: The largest difference of a value of the unit vectors.
        padding: The same between a text with padding behind it and without.
        texts: How many texts were encoded.
        times: The lengths to which they were padded.
    """

    difference: float
    padding: float
    texts: int
    times: tuple[int, ...]


def golden_ids(vocabulary_size: int, longest: int, seed: int = 0) -> list[np.ndarray]:
    """Random texts of all lengths from 1 to `longest`, in batches of several shapes.

    Args:
        vocabulary_size: Number of token ids, 0 for padding included.
        longest: Largest number of tokens.
        seed: Another seed, other texts.

    Returns:
        Token ids, int32 `(batch, time)`, zeros behind the shorter texts of a batch.
    """
    generator = np.random.default_rng(seed)
    times = sorted({1, min(5, longest), -(-longest // 2), longest})
    batches = []
    for batch, time in zip((1, 3, 2, 5), times, strict=False):
        ids = generator.integers(1, vocabulary_size, (batch, time), "int32")
        lengths = generator.integers(1, time + 1, batch)
        lengths[0] = time
        batches.append(np.where(np.arange(time) < lengths[:, None], ids, 0).astype("int32"))
    return batches


def export_encoder(
    path: str | PathLike[str],
    encoder: keras.Model,
    build: Callable[[Any], keras.Model],
    spec: Any,
    golden: Sequence[np.ndarray],
    tolerance: float = 1e-5,
) -> Parity:
    """Write an encoder as ONNX, if the file then gives the same vectors.

    The file is made by TensorFlow in a process of its own, on the CPU, so the running engine may be
    any: `build(spec)` is called there, and the weights are handed over as safetensors. Then each
    golden batch goes through `encoder` as it is here and through the file by ONNX Runtime, and each
    of its texts once more by itself, without padding.

    Args:
        path: Where to write.
        encoder: Token ids `(batch, time)`, padded with 0, to vectors `(batch, dim)`.
        build: A function of a module that builds the same encoder from `spec`, with any weights.
            Constants in its graph are NumPy arrays.
        spec: Plain data.
        golden: Token ids, int32 `(batch, time)`; `golden_ids` makes some.
        tolerance: The largest difference of a value of the unit vectors. The default is what
            float32 on a CPU keeps; against an encoder in lower precision it must be larger.

    Returns:
        The differences that were found.

    Raises:
        ExportError: If a package is missing, the encoder can't be written, or a difference is
            larger than `tolerance`. What is at `path` is then left as it was.
    """
    if not golden:
        raise ExportError("export_encoder: `golden` must have a batch. Received: none")
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        write_graphs(folder, encoder, build, spec)
        written = Path(folder, "whole.onnx")
        parity = _compare(encoder, written, golden)
        if not parity.difference <= tolerance:  # not: `>`, which NaN passes
            raise ExportError(
                f"{path}: not written, the exported encoder gives other vectors: they differ by "
                f"{parity.difference:.2g}, at most {tolerance:.2g} is allowed"
            )
        if not parity.padding <= tolerance:
            raise ExportError(
                f"{path}: not written, padding changes the vectors of the encoder: they differ by "
                f"{parity.padding:.2g}, at most {tolerance:.2g} is allowed. Give it a mask"
            )
        os.replace(written, path)
    return parity


def _compare(encoder: keras.Model, written: Path, golden: Sequence[np.ndarray]) -> Parity:
    runs = session(written)

    def exported(ids: np.ndarray) -> np.ndarray:
        return unit(runs.run(None, {runs.get_inputs()[0].name: ids})[0])

    difference, padding = [], []
    try:
        for ids in golden:
            found = exported(ids)
            expected = unit(keras.ops.convert_to_numpy(encoder(ids, training=False)))
            difference.append(_largest(found - expected))
            for row, length in enumerate((ids != 0).sum(axis=1)):
                alone = exported(ids[row : row + 1, : max(length, 1)])
                padding.append(_largest(found[row] - alone))
    except Exception as problem:  # ONNX Runtime's errors have no public class
        raise ExportError(f"the exported encoder can't be run ({problem})") from problem
    texts, times = sum(map(len, golden)), sorted({ids.shape[1] for ids in golden})
    return Parity(_highest(difference), _highest(padding), texts, tuple(times))


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values)))


def _highest(values: list[float]) -> float:
    """Their maximum; NaN if there is one, unlike `max`."""
    return float(np.max(values))
