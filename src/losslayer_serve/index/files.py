"""Files that are there whole or not at all, and one writer at a time."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import filelock

from losslayer_serve.index.errors import DamagedIndexError, LockedIndexError
from losslayer_serve.sync import sync

Content = TypeVar("Content")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when all of it is on the disk."""
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


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked(path: Path, read: Callable[[], Content]) -> Content:
    """What `read` returns; whatever it raises, the file is what is wrong."""
    try:
        return read()
    except Exception as problem:
        raise DamagedIndexError(
            f"{path}: can't be read ({problem}). Restore the file, or write the index anew"
        ) from problem


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it does.

    Raises:
        LockedIndexError: Another writer holds it.
    """
    lock = filelock.FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LockedIndexError(
            f"{folder}: another writer is changing this index; nothing was changed. "
            "Try again when it is through"
        ) from None
    try:
        yield
    finally:
        lock.release()
