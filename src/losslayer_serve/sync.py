"""What is written stays, also when the power fails."""

import os
from os import PathLike
from pathlib import Path


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
