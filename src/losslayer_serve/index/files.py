"""Files of an index: what is wrong with one, and one writer at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import filelock

from losslayer_serve.index.errors import DamagedIndexError, LockedIndexError

Content = TypeVar("Content")


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
