"""A trained model as a folder that other programs can read too.

A `losslayer_serve.folder`: settings, tokenisers, weights as safetensors, what was measured; each
file with its SHA-256. Nothing of it is run or unpickled.
"""

import dataclasses
import json
import shutil
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losslayer import options
from losslayer.saving import read_weights, write_weights
from losslayer.seq2seq.config import settings_from, write_config
from losslayer.seq2seq.evaluation import set_weights, weights_of
from losslayer.seq2seq.model import build
from losslayer.seq2seq.settings import CHECKPOINTS, Settings
from losslayer.seq2seq.tokens import Tokens
from losslayer_serve.errors import FolderError
from losslayer_serve.files import read_json, write_json
from losslayer_serve.folder import (
    MANIFEST,
    SPEC,
    TOKENIZER,
    WEIGHTS,
    ModelFolder,
    new_model_folder,
    open_folder,
)

if TYPE_CHECKING:
    from losslayer.seq2seq.seq2seq import Seq2Seq

KIND = "seq2seq"
MARKER = MANIFEST
CONFIG, METRICS, HISTORY, CURVES = "config.toml", "metrics.json", "history.json", "curves.png"


def save(model: "Seq2Seq", path: str | PathLike[str]) -> None:
    """Write the folder, whole or not at all; an earlier model there is replaced."""
    spec = {
        "kind": KIND,
        "settings": json.loads(json.dumps(dataclasses.asdict(model.settings))),
        "vocabulary": {
            "source": model.source_tokens.vocabulary_size,
            "target": model.target_tokens.vocabulary_size,
        },
        "checkpoint": model.checkpoint,
    }
    with new_model_folder(path, spec) as folder:
        training = model.models.training
        write_weights(folder / WEIGHTS, training)
        kept = weights_of(training)
        for name, weights in model.checkpoints.items():
            if name != model.checkpoint:
                set_weights(training, weights)
                write_weights(folder / _weights(name), training)
        set_weights(training, kept)
        if model.settings.data.shared:
            model.source_tokens.save(folder / TOKENIZER)
        else:
            model.source_tokens.save(folder / f"source_{TOKENIZER}")
            model.target_tokens.save(folder / f"target_{TOKENIZER}")
        write_config(folder / CONFIG, model.settings)
        write_json(folder / METRICS, model.metrics)
        write_json(folder / HISTORY, model.history)
        if model.history:
            from losslayer.seq2seq.pictures import draw_curves  # only who trains draws

            draw_curves(folder / CURVES, model.history)


def load(path: str | PathLike[str], checkpoint: str | None = None) -> dict[str, Any]:
    """Read the folder into the arguments of `Seq2Seq`.

    Args:
        path: What `save` wrote.
        checkpoint: Which weights: "best", "last" or "average"; by default those that were kept.
    """
    folder = open_folder(path, KIND)
    settings, sizes, kept = _spec(folder)
    models = build(settings.model, sizes["source"], sizes["target"])
    chosen = checkpoint or kept
    options.choice("load", "checkpoint", chosen, CHECKPOINTS)
    read_weights(folder.file(WEIGHTS if chosen == kept else _weights(chosen)), models.training)
    data = settings.data
    if data.shared:
        source = target = _tokens(folder, TOKENIZER, data.source_tokens)
    else:
        source = _tokens(folder, f"source_{TOKENIZER}", data.source_tokens)
        target = _tokens(folder, f"target_{TOKENIZER}", data.target_tokens)
    if (source.vocabulary_size, target.vocabulary_size) != (sizes["source"], sizes["target"]):
        raise FolderError(f"{folder.path}: its tokenisers have other sizes than its {SPEC} says")
    return {
        "models": models,
        "source_tokens": source,
        "target_tokens": target,
        "settings": settings,
        "history": read_json(folder.file(HISTORY)),
        "metrics": read_json(folder.file(METRICS)),
        "checkpoint": chosen,
    }


def add_files(path: str | PathLike[str], files: dict[str, Path]) -> None:
    """Add files to a saved model, or replace them; all others stay."""
    folder = open_folder(path, KIND)
    with new_model_folder(path, folder.spec) as fresh:
        for name in folder.digests.keys() - {SPEC, *files}:
            shutil.copy2(folder.path / name, fresh / name)
        for name, file in files.items():
            shutil.copy2(file, fresh / name)


def _spec(folder: ModelFolder) -> tuple[Settings, dict[str, int], str]:
    """Settings, sizes of the vocabularies, and which checkpoint the weights are."""
    where, spec = f"{folder.path / SPEC}", folder.spec
    try:
        sizes = {side: spec["vocabulary"][side] for side in ("source", "target")}
        if not all(type(size) is int and size > 0 for size in sizes.values()):
            raise ValueError(f"`vocabulary` is {spec['vocabulary']!r:.80}")
        return settings_from(spec["settings"], where), sizes, str(spec["checkpoint"])
    except (KeyError, TypeError, ValueError) as problem:
        raise FolderError(f"{where}: can't be read ({problem})") from problem


def _tokens(folder: ModelFolder, name: str, kind: str) -> Tokens:
    path = folder.file(name)
    try:
        return Tokens.load(path, kind)
    except Exception as problem:  # the library's errors have no class of their own
        raise FolderError(f"{path}: can't be read ({problem})") from problem


def _weights(checkpoint: str) -> str:
    return f"{checkpoint}.safetensors"
