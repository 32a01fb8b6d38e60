"""`losslayer seq2seq export`."""

import importlib.util
import json
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import Json, Model, note
from losslayer.seq2seq.commands.shared import DEFAULT
from losslayer.seq2seq.exported import FILES
from losslayer.seq2seq.seq2seq import Seq2Seq

OnnxFolder = Annotated[
    Path | None, typer.Option(help="Folder with the ONNX files of the model, if it isn't its own.")
]


def export(model: Model = DEFAULT, as_json: Json = False) -> None:
    """Add a model as ONNX to its folder, and prove that it says the same.

        losslayer seq2seq export --model runs/g2p

    ONNX Runtime then runs it without Keras: scorer.onnx gives the log-probability of each token of
    a target; encoder.onnx reads a source, and decoder.onnx says what comes after the beginning of
    a target. Pairs of several lengths go through the old and the new form; the command fails, and
    the folder stays as it was, if a log-probability differs by more than 1e-4.
    """
    note(f"{model}: TensorFlow writes the files, in a process of its own.")
    found = Seq2Seq.export(model)
    if as_json:
        print(json.dumps({"model": str(model), "files": FILES, **found._asdict()}))
        return
    longest = max(max(source, target) for _, source, target in found.shapes)
    print(
        f"over {found.rows} pairs of up to {longest} tokens, log-probabilities differ by at most\n"
    )
    print(f"a target's tokens   {found.score:.1e}")
    print(f"without padding     {found.padding:.1e}")
    print(f"after a prefix      {found.next_token:.1e}")
    print(f"\nfiles     {', '.join(str(model / name) for name in FILES)}")
    print(f"try them  losslayer seq2seq check PAIRS --model {model}")


def onnx_folder(models: list[Path], checkpoint: str | None, given: Path | None) -> Path | None:
    """Where the ONNX files of a model are: as the command line says, or in its own folder."""
    if given is not None:
        if len(models) > 1:
            raise ll.ArgumentError(
                "check: `--exported` must be left out beside several --model: it is of one. "
                f"Received: {given}."
            )
        return given
    if len(models) > 1 or checkpoint is not None or not (models[0] / FILES[0]).is_file():
        return None
    if importlib.util.find_spec("onnxruntime") is None:
        note(f"{models[0]}: its ONNX files are not asked, `onnxruntime` is not installed")
        return None
    return models[0]
