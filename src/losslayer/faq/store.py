"""A matcher as a folder that other programs can read too.

- `model`: a `losslayer_serve.folder`: the settings, the weights as safetensors, `tokenizer.json`,
  what was measured; each file with its SHA-256. `export` adds the encoders as ONNX.
- `index`: a `losslayer_serve.index`: the entries and their vectors.
"""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from losslayer.faq.model import Models, build
from losslayer.faq.settings import Settings
from losslayer.faq.vectors import unit_vectors
from losslayer.saving import Parity, export_encoder, golden_ids, read_weights, write_weights
from losslayer.text import Tokenizer
from losslayer_serve.errors import FolderError
from losslayer_serve.files import read_json, write_json
from losslayer_serve.folder import (
    SPEC,
    TOKENIZER,
    WEIGHTS,
    ModelFolder,
    fingerprint,
    new_model_folder,
    open_folder,
)
from losslayer_serve.index import Index
from losslayer_serve.new_folder import new_folder, put_back
from losslayer_serve.saved import INDEX, KIND, MARKER, MODEL, PARTS

if TYPE_CHECKING:
    from losslayer.faq.matcher import Matcher


def save(matcher: "Matcher", path: str | PathLike[str]) -> None:
    """Write the folder, whole or not at all; what `tune` and `export` added to one is not kept."""
    settings = matcher.settings
    encoder = {
        "longest": settings.longest,
        "longest_answer": settings.longest_answer,
        "vocabulary_size": matcher.tokenizer.vocabulary_size,
        "settings": dataclasses.asdict(settings),
    }
    with new_folder(path, MARKER, PARTS) as whole:
        with new_model_folder(whole / MODEL, {"kind": KIND, "encoder": encoder}) as folder:
            write_weights(folder / WEIGHTS, matcher.question_encoder)  # the other one's are in it
            matcher.tokenizer.save(folder / TOKENIZER)
            write_json(folder / "metrics.json", matcher.metrics)
            write_json(folder / "history.json", matcher.history)
            if matcher.history:
                from losslayer.faq.curves import draw_curves  # only who trains draws

                random = settings.random_epochs if settings.mines(settings.random_epochs) else 0
                draw_curves(folder / "curves.png", matcher.history, random)
        made = fingerprint(open_folder(whole / MODEL, KIND))
        Index.create(whole / INDEX, made, matcher.entries, matcher.vectors)


def load(path: str | PathLike[str]) -> tuple[dict[str, Any], Index]:
    """Read the folder into the arguments of `Matcher`, and the index that they came from."""
    folder, settings, models = _read(path)
    index = Index.open(Path(path) / INDEX, fingerprint(folder), prepare=False)
    parts = {
        "question_encoder": models.question,
        "answer_encoder": models.answer,
        "tokenizer": Tokenizer.load(folder.file(TOKENIZER)),
        "entries": index.entries,
        "vectors": index.rows.vectors(index.rows.live),
        "settings": settings,
        "history": read_json(folder.file("history.json")),
        "metrics": read_json(folder.file("metrics.json")),
    }
    return parts, index


def open_entry_encoder(
    path: str | PathLike[str],
) -> tuple[Callable[[Sequence[str]], np.ndarray], str]:
    """The encoder of what entries have to read, and the fingerprint of its vectors.

    The index isn't read: it may be damaged.
    """
    folder, settings, models = _read(path)
    tokenizer = Tokenizer.load(folder.file(TOKENIZER))

    def encode(texts: Sequence[str]) -> np.ndarray:
        return unit_vectors(models.answer, tokenizer(texts), settings.longest_answer)

    return encode, fingerprint(folder)


def export(path: str | PathLike[str]) -> dict[str, Parity]:
    """Add both encoders as ONNX to a matcher's folder, and prove that they are the same.

    Returns:
        How near each is to its encoder here, by name.
    """
    folder, settings, models = _read(path)
    size = folder.spec["encoder"]["vocabulary_size"]
    longest = {"question": settings.longest, "answer": settings.longest_answer}
    parities = {}
    with new_model_folder(folder.path, folder.spec) as fresh:
        for name in folder.digests.keys() - {SPEC}:
            shutil.copy2(folder.path / name, fresh / name)
        for side, make in (("question", question_encoder), ("answer", answer_encoder)):
            parities[side] = export_encoder(
                fresh / f"{side}.onnx",
                getattr(models, side),
                make,
                folder.spec["encoder"],
                golden_ids(size, longest[side]),
            )
    return parities


def question_encoder(encoder: dict[str, Any]) -> keras.Model:
    """The encoder of questions that `encoder` of a spec describes, with its first weights."""
    return build(encoder["vocabulary_size"], Settings(**encoder["settings"])).question


def answer_encoder(encoder: dict[str, Any]) -> keras.Model:
    """The encoder of titles, likewise."""
    return build(encoder["vocabulary_size"], Settings(**encoder["settings"])).answer


def _read(path: str | PathLike[str]) -> tuple[ModelFolder, Settings, Models]:
    """The checked folder, its settings and the encoders with their weights."""
    put_back(path)
    if not (Path(path) / MARKER).is_file():
        raise FolderError(f"{path}: no matcher is saved there (it holds no {MARKER})")
    folder = open_folder(Path(path) / MODEL, KIND)
    try:
        settings = Settings(**folder.spec["encoder"]["settings"])
        models = build(folder.spec["encoder"]["vocabulary_size"], settings)
    except (KeyError, TypeError, ValueError) as problem:
        raise FolderError(f"{folder.path / SPEC}: can't be read ({problem})") from problem
    read_weights(folder.file(WEIGHTS), models.question)
    return folder, settings, models
