"""A tagger as a folder: a `losslayer_serve.folder` of settings, vocabulary and weights."""

import dataclasses
from os import PathLike
from typing import TYPE_CHECKING, Any

from losslayer.saving import read_weights, write_weights
from losslayer.tag.model import build
from losslayer.tag.scheme import SCHEMES, measure_of
from losslayer.tag.settings import Settings
from losslayer.tag.vocabulary import Vocabulary
from losslayer_serve.errors import FolderError
from losslayer_serve.files import read_json, write_json
from losslayer_serve.folder import WEIGHTS, new_model_folder, open_folder

if TYPE_CHECKING:
    from losslayer.tag.tagger import Tagger

KIND = "tag"
VOCABULARY, HISTORY, METRICS = "vocabulary.json", "history.json", "metrics.json"
CURVES = "curves.png"


def save(tagger: "Tagger", path: str | PathLike[str]) -> None:
    """Write the folder, whole or not at all."""
    spec = {
        "kind": KIND,
        "scheme": tagger.scheme,
        "settings": dataclasses.asdict(tagger.settings),
    }
    with new_model_folder(path, spec) as folder:
        write_weights(folder / WEIGHTS, tagger.model)
        write_json(folder / VOCABULARY, dataclasses.asdict(tagger.vocabulary))
        write_json(folder / HISTORY, tagger.history)
        write_json(folder / METRICS, tagger.metrics)
        if tagger.history:
            from losslayer.tag.curves import draw_curves  # only who trains draws

            draw_curves(folder / CURVES, tagger.history, measure_of(tagger.scheme))


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Read the folder into the arguments of `Tagger`."""
    folder = open_folder(path, KIND)
    try:
        settings, scheme = Settings(**folder.spec["settings"]), folder.spec["scheme"]
        vocabulary = Vocabulary(**read_json(folder.file(VOCABULARY)))
        if scheme not in SCHEMES:
            raise ValueError(f"the scheme {scheme!r} isn't known")
        model = build(vocabulary, settings, scheme)
    except FolderError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise FolderError(f"{path}: can't be read ({problem})") from problem
    read_weights(folder.file(WEIGHTS), model)
    return {
        "model": model,
        "vocabulary": vocabulary,
        "scheme": scheme,
        "settings": settings,
        "history": read_json(folder.file(HISTORY)),
        "metrics": read_json(folder.file(METRICS)),
    }
