"""`losslayer seq2seq average`."""

import json
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import Json, Overwrite
from losslayer.commands.place import check_place
from losslayer.seq2seq import store
from losslayer.seq2seq.seq2seq import Seq2Seq


def average(
    models: Annotated[list[Path], typer.Argument(help="Folders of models, two or more.")],
    out: Annotated[Path, typer.Option(help="Folder to write the mean to.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the mean of the weights of several models of one kind.

        losslayer seq2seq average runs/a runs/b runs/c --out runs/mean

    Of use for trainings that began with the same weights; of others, take an ensemble: give
    `predict` and `evaluate` several --model.
    """
    if len(models) < 2:
        raise ll.ArgumentError(f"average: `models` must be two or more. Received: {len(models)}.")
    check_place(out, store.MARKER, overwrite)
    first, *others = [Seq2Seq.load(folder) for folder in models]
    first.average(others)
    first.metrics, first.history = {}, []
    first.save(out)
    if as_json:
        print(json.dumps({"model": str(out), "models": [str(folder) for folder in models]}))
        return
    print(f"model   {out}   (the mean of {len(models)})")
