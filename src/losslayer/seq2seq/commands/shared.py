"""What the commands share: their options, and how they read and tell."""

import contextlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import note
from losslayer.seq2seq.config import changed
from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.pairs import Pairs, read_pairs
from losslayer.seq2seq.seq2seq import Seq2Seq

DEFAULT = Path("runs/seq2seq")

Models = Annotated[
    list[Path], typer.Option("--model", help="Folder that `train` wrote; several are an ensemble.")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="Which of its weights: best, last or average; default: what it kept."),
]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.OPTION=VALUE", help="Change an option; repeatable."),
]
Data = Annotated[
    list[Path],
    typer.Argument(help="A table with two columns, or a file of sources and one of targets."),
]


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Warnings within it are told as lines."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for line in dict.fromkeys(str(warning.message) for warning in found):
        note(line)


def load(folders: Sequence[Path], checkpoint: str | None = None) -> Seq2Seq:
    """A model, or several as an ensemble."""
    first, *others = [Seq2Seq.load(folder, checkpoint) for folder in folders]
    return first.together(others) if others else first


def decoding(
    model: Seq2Seq, changes: list[str] | None, **options: int | bool | list[int] | None
) -> DecodingSettings:
    """The model's way to decode, with what the command line changes in it."""
    given = [
        f"decoding.{name}={json.dumps(value)}"
        for name, value in options.items()
        if value is not None
    ]
    for change in changes or []:
        if not change.strip().startswith("decoding."):
            raise ll.ArgumentError(
                f"--set: must be decoding.option=value here. Received: {change!r}."
            )
    return changed(model.settings, [*given, *(changes or [])]).decoding


def measured_pairs(model: Seq2Seq, data: Sequence[Path]) -> Pairs:
    """Pairs to measure with: all of them can be used, or it is an error."""
    columns = model.settings.data
    return read_pairs(list(data), columns.source, columns.target, columns.header)
