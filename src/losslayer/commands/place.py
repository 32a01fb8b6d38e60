"""Where `train` puts a model, and where it goes on from."""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, TypeVar

import losslayer as ll
from losslayer.commands.console import note
from losslayer_serve.errors import FolderError
from losslayer_serve.new_folder import check_replaceable

STATES = "*.run"  # the files of ll.callbacks.Resume


class Trained(Protocol):
    """What a training returns."""

    interrupted: bool

    def save(self, path: Path) -> None:
        """Write it to a folder."""


Model = TypeVar("Model", bound=Trained)


def check_place(
    out: Path, marker: str, overwrite: bool, parts: Collection[str] | None = None
) -> None:
    """Raise `FolderError` unless a model may be written there, before any work is done for it.

    Args:
        out: Folder to write the model to.
        marker: Name of a file that the folder of such a model holds.
        overwrite: Whether an earlier model may be replaced.
        parts: Names of all that such a folder holds, where other files are to be kept.
    """
    if not out.name:
        raise FolderError(f"{out}: must have a name of its own. Give another --out")
    check_replaceable(out, marker, parts)
    if (out / marker).exists() and not overwrite:
        raise FolderError(f"{out}: holds a model already. Add --overwrite to replace it")


class Place:
    """Where a training puts its model; the state that it goes on from lies beside that.

    The state is there until the training has ended by itself and its model is saved.

    Args:
        out: Folder to write the model to.
        marker: Name of a file that the folder of such a model holds.
        overwrite: Whether an earlier model, or another training's state, may be replaced.
        parts: Names of all that such a folder holds, where other files are to be kept.
        also: Patterns of files of the state, beside those of `losslayer.callbacks.Resume`.

    Raises:
        FolderError: No model may be written there.
    """

    def __init__(
        self,
        out: Path,
        marker: str,
        overwrite: bool,
        parts: Collection[str] | None = None,
        also: Collection[str] = (),
    ) -> None:
        self.out, self.overwrite = out, overwrite
        self.state = out.parent / f"{out.name}.partial"
        self._patterns = (STATES, *also)
        self.goes_on = any(self.state.glob(STATES))
        check_place(out, marker, overwrite or self.goes_on, parts)

    def train(
        self, run: Callable[[Path], Model], kept: str = "what has been learned so far"
    ) -> Model:
        """Train, from the state on if there is one.

        Args:
            run: Trains with the folder of the state and returns the model.
            kept: What an interrupted training leaves, for who reads it.

        Raises:
            FolderError: The state is another training's, and may not be replaced.
        """
        if self.goes_on:
            note(f"{self.state}: holds a training that ended early; going on with it.")
        try:
            model = run(self.state)
        except ll.ResumeError as problem:
            if not self.overwrite:
                advice = "Add --overwrite to start anew, or give another --out"
                raise FolderError(f"{self.state}: {problem} {advice}") from problem
            note(f"{self.state}: holds another training, or none that can be read; starting anew.")
            self._clear()
            model = run(self.state)
        if model.interrupted:
            note(f"Stopped early, {kept} is kept; the same command goes on.")
        return model

    def save(self, model: Trained) -> None:
        """Write the model; a training that has ended by itself needs its state no longer."""
        model.save(self.out)
        if not model.interrupted:
            self._clear()

    def _clear(self) -> None:
        """Remove the state, and its folder if nothing else is in it."""
        for pattern in self._patterns:
            for path in self.state.glob(pattern):
                path.unlink()
        with contextlib.suppress(OSError):
            self.state.rmdir()
