"""Folders of results that are written whole or not at all.

A folder can't be renamed over another one: the earlier result is set aside first. A writer that is
killed between the two renamings leaves it there, beside its place; whoever reads or writes next
puts it back.

    runs/faq            the result
    runs/.faq.old       an earlier one, set aside for as long as it takes to rename
    runs/.faq.ab12cd    what is being written
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from losslayer_serve.errors import FolderError
from losslayer_serve.files import sync, sync_tree


def put_back(path: str | PathLike[str]) -> None:
    """Put an earlier result in its place again, if the writer of the next one was killed."""
    path = Path(path)
    if not path.exists():
        with contextlib.suppress(OSError):  # there is none, or another process was quicker
            os.rename(_aside(path), path)


def check_replaceable(
    path: str | PathLike[str], marker: str, parts: Collection[str] | None = None
) -> None:
    """Raise `FolderError` unless `path` is free, empty, or a folder that we wrote.

    Such a folder holds `marker`, and nothing but `parts` where these are given.
    """
    path = Path(path)
    put_back(path)
    if path.is_dir() and ((path / marker).is_file() or not any(path.iterdir())):
        others = {entry.name for entry in path.iterdir() if parts and not _is_ours(entry, parts)}
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
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        if not (fresh / marker).is_file():
            raise AssertionError(f"new_folder: the body wrote no {marker}")
        sync_tree(fresh)
        check_replaceable(path, marker, parts)
        _put_in_place(fresh, path)
    except BaseException:
        put_back(path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    """Rename `fresh` to `path`; what is there is deleted when the disk has the new name."""
    while True:
        if path.exists():
            shutil.rmtree(_aside(path), ignore_errors=True)  # older than what is in its place
            os.rename(path, _aside(path))
        try:
            os.rename(fresh, path)
            break
        except OSError:
            if not path.exists():
                raise
            # A reader who came in between has put the earlier result back: once more.
    sync(path.parent)
    shutil.rmtree(_aside(path), ignore_errors=True)


def _aside(path: Path) -> Path:
    """Where an earlier result is while the next one takes its place."""
    return path.with_name(f".{path.name}.old")


def _is_ours(entry: Path, parts: Collection[str]) -> bool:
    """Whether it is one of the parts, or what a writer of one has left when it was killed."""
    return any(entry.name == part or entry.name.startswith(f".{part}.") for part in parts)
