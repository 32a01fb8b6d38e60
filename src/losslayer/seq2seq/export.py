"""A model as ONNX files, which `Exported` runs."""

import dataclasses
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import keras
from keras import ops

import losslayer as ll
from losslayer.saving import Graphs, write_graphs
from losslayer.seq2seq import store
from losslayer.seq2seq.ensemble import sync
from losslayer.seq2seq.exported import DECODER, ENCODER, FILES, SCORER, Exported
from losslayer.seq2seq.model import Models, ModelSettings, build
from losslayer.seq2seq.parity import ExportParity, Pair, compare, golden_pairs
from losslayer.seq2seq.scoring import of_targets


def export(path: str | PathLike[str]) -> ExportParity:
    """Add a model as ONNX to its folder, proved to say what it says.

    Args:
        path: What `Seq2Seq.save` wrote. All that is in it stays.

    Returns:
        The differences that were found.

    Raises:
        FolderError: If it isn't such a folder, or a part is missing or broken.
        losslayer.saving.ExportError: If a package is missing, or the files say something else.
    """
    models = store.load(path)["models"]
    with tempfile.TemporaryDirectory(prefix="losslayer-") as folder:
        parity = export_models(folder, models)
        store.add_files(path, {name: Path(folder, name) for name in FILES})
    return parity


def export_models(
    folder: str | PathLike[str],
    models: Models,
    golden: Sequence[Pair] | None = None,
    tolerance: float = 1e-4,
) -> ExportParity:
    """Write the files, and compare what they say with what the model says.

    Args:
        folder: Where to write; also what is needed on the way.
        models: What `build` returned.
        golden: What both are asked; None: `golden_pairs`.
        tolerance: The largest difference of a log-probability. The default is what float32 keeps;
            against a model in lower precision it must be larger.

    Returns:
        The differences that were found.

    Raises:
        ExportError: If a package is missing, the model can't be written, or a difference is larger.
    """
    sync([models])
    sizes = (models.source_vocabulary, models.target_vocabulary)
    if golden is None:
        golden = golden_pairs(*sizes, models.settings.longest)
    if not golden:
        raise ll.ArgumentError("export_models: `golden` must have a batch. Received: none.")
    spec = {"settings": dataclasses.asdict(models.settings), "vocabularies": sizes}
    write_graphs(folder, models.training, graphs, spec)
    return compare(models, Exported(folder), golden, tolerance)


def graphs(spec: dict[str, Any]) -> Graphs:
    """The three parts of a model with its first weights; `spec` is what `export_models` makes."""
    models = build(ModelSettings(**spec["settings"]), *spec["vocabularies"])
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    log_p = ops.log_softmax(models.training.inference([source, target]))
    scores = {"log_probability": of_targets(log_p, target)}

    memory = models.network.encode(source)
    prefix = keras.Input((None,), dtype="int32", name="prefix")
    read = {
        name: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        for name, tensor in _flat(memory).items()
    }
    hidden = models.network.decode(prefix, _nested(memory, read))
    logits = {"logits": models.head(hidden[:, -1])}
    return Graphs(
        models.training,
        {
            SCORER: keras.Model({"source": source, "target": target}, scores),
            ENCODER: keras.Model({"source": source}, _flat(memory)),
            DECODER: keras.Model({"prefix": prefix, **read}, logits),
        },
        {
            **dict.fromkeys(["source", *read], "source_time"),
            "target": "target_time",
            "log_probability": "target_time - 1",
            "prefix": "prefix_time",
        },
    )


def _flat(memory: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a memory by name; those of a list are numbered."""
    found: dict[str, Any] = {}
    for name, value in memory.items():
        if isinstance(value, list):
            found |= {f"{name}_{number}": tensor for number, tensor in enumerate(value)}
        else:
            found[name] = value
    return found


def _nested(memory: dict[str, Any], flat: dict[str, Any]) -> dict[str, Any]:
    """`memory` with other tensors, given as `_flat` gives its own."""
    return {
        name: [flat[f"{name}_{number}"] for number in range(len(value))]
        if isinstance(value, list)
        else flat[name]
        for name, value in memory.items()
    }
