"""The folder of a trained model, whole and unchanged or refused by name.

- `spec.json`: plain data, from which the application's own code builds the model;
- `weights.safetensors`, `tokenizer.json`, and further files of the application;
- `losslayer-manifest.json`: size and SHA-256 of each of them.

Nothing in it is run or unpickled. The manifest finds what was damaged, mixed up or half copied. It
is no signature: who can write the whole folder can write a manifest that fits.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from losslayer_serve.errors import ArgumentError, FolderError
from losslayer_serve.files import sha256
from losslayer_serve.new_folder import new_folder, put_back

# By this file a folder is known as one that may be replaced: a name that nobody else uses.
MANIFEST = "losslayer-manifest.json"
SPEC = "spec.json"
WEIGHTS = "weights.safetensors"
TOKENIZER = "tokenizer.json"
FORMAT = 1

# The folder is flat, so no name leads anywhere else.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_MANIFEST = 1_000_000


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose files are those of its manifest.

    Attributes:
        path: Where it is.
        spec: The content of `spec.json`.
        digests: The SHA-256 of each file by its name, in hexadecimal.
    """

    path: Path
    spec: dict[str, Any]
    digests: dict[str, str]

    def file(self, name: str, advice: str = "") -> Path:
        """The path of a file; a `FolderError` that ends with `advice` if there is none."""
        if name not in self.digests:
            raise FolderError(f"{self.path}: holds no {name}. {advice}".rstrip())
        return self.path / name


@contextmanager
def new_model_folder(path: str | PathLike[str], spec: dict[str, Any]) -> Iterator[Path]:
    """Write the folder of a model beside `path` and put it in place when all is written.

    Args:
        path: Where the folder is to be. An earlier model there is replaced.
        spec: Plain data, with the name of the application under `kind`.

    Yields:
        The temporary folder, in which the body writes the other files.

    Raises:
        FolderError: If something else than a model is there, which is left alone.
    """
    try:
        text = json.dumps(spec, ensure_ascii=False, indent=1, allow_nan=False)
        content = (text + "\n").encode()
        plain = json.loads(content) == spec and isinstance(spec.get("kind"), str)
    except (AttributeError, TypeError, ValueError):
        plain = False
    if not plain:
        raise ArgumentError(
            "new_model_folder: `spec` must be a dict of plain data (text, finite numbers, lists, "
            f"dicts with text as keys) with a text `kind`. Received: spec={spec!r:.200}"
        )
    with new_folder(path, MANIFEST) as folder:
        (folder / SPEC).write_bytes(content)
        yield folder
        files = {
            name: {"size": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
            for name in _plain_files(folder)
        }
        (folder / MANIFEST).write_bytes(_manifest_bytes(files))


def open_folder(path: str | PathLike[str], kind: str) -> ModelFolder:
    """Check the folder of a model: every file, before anything of it is used.

    Args:
        path: What `new_model_folder` wrote.
        kind: The application that the model must be of.

    Raises:
        FolderError: If it is no such folder, of another kind or a newer format, or if a file is
            changed, missing, cut off, added, a link, or named so that it could lie elsewhere.
    """
    folder = Path(path)
    put_back(folder)
    try:
        if not (folder / MANIFEST).is_file():
            raise FolderError(f"{folder}: no model is saved there (it holds no {MANIFEST})")
        found = _plain_files(folder) - {MANIFEST}
        files = _manifest(folder)
        for name in sorted(found - files.keys()):
            raise FolderError(f"{folder / name}: isn't listed in {MANIFEST}. Take it out")
        for name in sorted(files.keys() - found):
            raise FolderError(f"{folder / name}: is missing")
        for name, (size, digest) in files.items():
            if (present := (folder / name).stat().st_size) != size:
                raise FolderError(f"{folder / name}: has {present} bytes, must have {size}")
            if sha256(folder / name) != digest:
                raise FolderError(f"{folder / name}: was changed, its SHA-256 isn't {digest}")
        if SPEC not in files:
            raise FolderError(f"{folder / SPEC}: is missing")
        spec = _json(folder / SPEC)
    except OSError as problem:
        where = problem.filename or folder
        raise FolderError(f"{where}: can't be read ({problem.strerror})") from None
    received = spec.get("kind") if isinstance(spec, dict) else None
    if received != kind:
        raise FolderError(f"{folder}: must hold a model of kind {kind!r}, is of {received!r:.80}")
    return ModelFolder(folder, spec, {name: digest for name, (_, digest) in files.items()})


def fingerprint(folder: ModelFolder) -> str:
    """What the vectors of a model depend on, as one SHA-256.

    Returns:
        Hexadecimal; another one for other weights, another tokeniser, or another `encoder` in the
        spec.
    """
    parts = [folder.digests.get(WEIGHTS), folder.digests.get(TOKENIZER), folder.spec.get("encoder")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain_files(folder: Path) -> set[str]:
    """The names in a folder; an error for what is no plain file or has a name we don't write."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() or not entry.is_file():
                raise FolderError(f"{folder}: {entry.name!r} must be a plain file, no link")
            _check_name(folder, entry.name)
            names.add(entry.name)
    return names


def _check_name(folder: Path, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise FolderError(
            f"{folder}: the file name {name!r:.120} must be of letters, digits and `_.-`"
        )


def _manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest of each file, from a manifest that is byte for byte what we write."""
    path = folder / MANIFEST
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise FolderError(f"{path}: must have at most {_LARGEST_MANIFEST} bytes")
    content = _json(path)
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise FolderError(f"{path}: was changed, it says no format")
    if content["format"] != FORMAT:
        raise FolderError(
            f"{folder}: is of format {content['format']}, this version of losslayer reads {FORMAT}"
        )
    files = content.get("files")
    if not isinstance(files, dict):
        raise FolderError(f"{path}: was changed, it lists no files")
    for name, listed in files.items():
        _check_name(folder, name)
        if (
            not isinstance(listed, dict)
            or type(listed.get("size")) is not int
            or not isinstance(listed.get("sha256"), str)
            or not _DIGEST.fullmatch(listed["sha256"])
        ):
            raise FolderError(f"{path}: was changed, it gives no size and SHA-256 of {name}")
    if path.read_bytes() != _manifest_bytes(files):
        raise FolderError(f"{path}: was changed, it isn't written as losslayer writes it")
    return {name: (listed["size"], listed["sha256"]) for name, listed in files.items()}


def _manifest_bytes(files: dict[str, Any]) -> bytes:
    content = {"format": FORMAT, "files": dict(sorted(files.items()))}
    return (json.dumps(content, indent=1) + "\n").encode()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise FolderError(f"{path}: is no JSON ({problem})") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
