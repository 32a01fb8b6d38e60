"""Files that are there whole or not at all, and stay, also when the power fails."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO


def sync(path: str | PathLike[str]) -> None:
    """Put a file's content, or the names in a folder, on the disk, where the system can do that."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: str | PathLike[str]) -> None:
    """Put a folder and all that is in it on the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            sync(Path(parent, name))
        sync(parent)


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when all of it is on the disk."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: str | PathLike[str], text: str) -> None:
    """Write a file in UTF-8, whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: str | PathLike[str], content: Any) -> None:
    """Write plain data as JSON that people can read too."""
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str | PathLike[str]) -> Any:
    """What `write_json` was given."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | PathLike[str]) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
