"""Folders of results that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from losslayer_serve.errors import FolderError


def check_replaceable(
    path: str | PathLike[str], marker: str, parts: Collection[str] | None = None
) -> None:
    """Raise `FolderError` unless `path` is free, empty, or a folder that we wrote.

    Such a folder holds `marker`, and nothing but `parts` where these are given.
    """
    path = Path(path)
    if path.is_dir() and ((path / marker).is_file() or not any(path.iterdir())):
        others = {entry.name for entry in path.iterdir()} - set(parts) if parts else set()
        if others:
            raise FolderError(
                f"{path}: holds {min(others)} besides, which would be lost; nothing was changed. "
                "Move it, or give another place"
            )
        return
    if path.exists() or path.is_symlink():
        raise FolderError(
            f"{path}: exists and is no folder that this command wrote (it holds no {marker}); "
            "nothing was changed. Give another place"
        )


@contextmanager
def new_folder(
    path: str | PathLike[str], marker: str, parts: Collection[str] | None = None
) -> Iterator[Path]:
    """Write a folder beside `path` and put it in place when all is written.

    An earlier result, known by its file `marker`, is replaced; anything else is
    refused and left alone. If the body raises, `path` is as it was before.

    Args:
        path: Where the folder is to be.
        marker: Name of a file that the body writes and by which a later call
            knows the folder as one that it may replace.
        parts: Names of all that the body writes; with anything else in it a folder is refused too.

    Yields:
        The temporary folder to write into.
    """
    path = Path(path)
    check_replaceable(path, marker, parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that the renaming below can't be half done.
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        if not (fresh / marker).is_file():
            raise AssertionError(f"new_folder: the body wrote no {marker}")
        check_replaceable(path, marker, parts)
        if path.exists():
            os.replace(path, temporary / "old")
        os.replace(fresh, path)
    except BaseException:
        if (temporary / "old").exists() and not path.exists():
            os.replace(temporary / "old", path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
