"""A matcher as a folder of files that other programs can read too.

- `matcher.json`: entries and settings; the file by which the folder is known;
- `question_encoder.keras`: token ids to vectors; `answer_encoder.keras`: the same for titles;
- `tokenizer.json`: of Hugging Face `tokenizers`;
- `vectors.npy`: unit vectors of the entries, float32, `(entry, dim)`;
- `metrics.json`, `history.json`, `curves.png`: what was measured.
"""

import dataclasses
import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from losslayer.faq.curves import draw_curves
from losslayer.faq.entries import Entry
from losslayer.faq.settings import Settings
from losslayer.text import FolderError, Tokenizer, new_folder

if TYPE_CHECKING:
    from losslayer.faq.matcher import Matcher

MARKER = "matcher.json"
FORMAT = 1


def save(matcher: "Matcher", path: str | PathLike[str]) -> None:
    """Write the folder, whole or not at all."""
    with new_folder(path, MARKER) as folder:
        matcher.question_encoder.save(folder / "question_encoder.keras")
        matcher.answer_encoder.save(folder / "answer_encoder.keras")
        matcher.tokenizer.save(folder / "tokenizer.json")
        np.save(folder / "vectors.npy", matcher.vectors, allow_pickle=False)
        _write_json(folder / "metrics.json", matcher.metrics)
        _write_json(folder / "history.json", matcher.history)
        if matcher.history:
            draw_curves(folder / "curves.png", matcher.history, matcher.settings.random_epochs)
        content = {
            "format": FORMAT,
            "settings": dataclasses.asdict(matcher.settings),
            "entries": [entry._asdict() for entry in matcher.entries],
        }
        _write_json(folder / MARKER, content)


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Read the folder into the arguments of `Matcher`."""
    folder = Path(path)
    if not (folder / MARKER).is_file():
        raise FolderError(f"{folder}: no matcher is saved there (it holds no {MARKER})")
    try:
        content = _read_json(folder / MARKER)
        if content["format"] != FORMAT:
            raise FolderError(
                f"{folder}: format {content['format']!r}, this version reads {FORMAT}. "
                "Train it again"
            )
        parts = {
            "question_encoder": _encoder(folder / "question_encoder.keras"),
            "answer_encoder": _encoder(folder / "answer_encoder.keras"),
            "tokenizer": Tokenizer.load(folder / "tokenizer.json"),
            "entries": [Entry(**entry) for entry in content["entries"]],
            "vectors": np.load(folder / "vectors.npy", allow_pickle=False),
            "settings": Settings(**content["settings"]),
            "history": _read_json(folder / "history.json"),
            "metrics": _read_json(folder / "metrics.json"),
        }
    except FolderError:
        raise
    except Exception as problem:
        # Whatever a library says about a damaged file, the folder is what is wrong.
        raise FolderError(f"{folder}: can't be read ({problem})") from problem
    if len(parts["vectors"]) != len(parts["entries"]):
        raise FolderError(
            f"{folder}: {len(parts['vectors'])} vectors for {len(parts['entries'])} entries"
        )
    return parts


def _encoder(path: Path) -> keras.Model:
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
