"""What the commands share."""

from pathlib import Path
from typing import Annotated

import typer

from losslayer_serve.errors import FolderError

Question = Annotated[str, typer.Option(help="Column with the questions.")]
Entry = Annotated[
    str | None,
    typer.Option(
        help="Column with the entries' ids, empty where none answers; default: entry, or else id."
    ),
]


def check_free(path: Path | None, overwrite: bool) -> None:
    """Raise `FolderError` if a file can't be written there, before any work is done for it."""
    if path is None:
        return
    if path.is_dir() or (path.exists() and not overwrite):
        raise FolderError(f"{path}: is there already. Add --overwrite, or give another name")
    if not path.parent.is_dir():
        raise FolderError(f"{path}: there is no folder {path.parent}. Make it first")
