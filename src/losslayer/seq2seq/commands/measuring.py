"""`losslayer seq2seq evaluate`, `compare` and `check`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from losslayer.commands.console import Json
from losslayer.seq2seq import compare as comparing
from losslayer.seq2seq.commands.export import OnnxFolder, onnx_folder
from losslayer.seq2seq.commands.shared import (
    DEFAULT,
    Change,
    Checkpoint,
    Data,
    Models,
    decoding,
    load,
    measured_pairs,
    told,
)
from losslayer.seq2seq.commands.training import figures_table


def evaluate(
    data: Data,
    model: Models = [DEFAULT],  # noqa: B006
    checkpoint: Checkpoint = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Measure a model on pairs: perplexity, accuracy, error rates, BLEU and chrF.

        losslayer seq2seq evaluate test.tsv --model runs/g2p

    Several --model are measured together, as an ensemble.
    """
    used = load(model, checkpoint)
    pairs = measured_pairs(used, data)
    with told():
        figures = used.evaluate(pairs, decoding(used, change))
    if as_json:
        print(json.dumps({"pairs": len(pairs), **figures}))
        return
    print(f"{pairs.origin}: {len(pairs):,} pairs\n")
    print(figures_table({" + ".join(map(str, model)): figures}))


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a model.")],
    second: Annotated[Path, typer.Argument(help="Folder of another.")],
    data: Data,
    samples: Annotated[int, typer.Option(min=1, help="How often rows are drawn.")] = 1000,
    as_json: Json = False,
) -> None:
    """Say whether a model is better than another, or only luckier with these rows.

        losslayer seq2seq compare runs/gru runs/transformer test.tsv

    The paired bootstrap: rows are drawn anew, the same for both, and both are measured on them.
    """
    one, other = load([first]), load([second])
    pairs = measured_pairs(one, data)
    with told():
        outputs, others = one.texts(pairs.sources), other.texts(pairs.sources)
    symbols, bleu = one.target_tokens.symbols, one.settings.data.bleu
    found = comparing.compare(outputs, others, pairs.targets, symbols, bleu, samples)
    if as_json:
        print(json.dumps({name: figures._asdict() for name, figures in found.items()}))
        return
    print(f"{pairs.origin}: {len(pairs):,} pairs, {samples:,} samples of them")
    print(f"first   {first}\nsecond  {second}\n")
    print(f"{'':6}{'first':>9}{'second':>9}   second - first, 95 % of samples     p")
    for name, row in found.items():
        between = f"{row.low:+.2f} to {row.high:+.2f}"
        print(f"{name:6}{row.first:9.2f}{row.second:9.2f}   {between:>31}  {row.p:6.3f}")


def check(
    data: Data,
    model: Models = [DEFAULT],  # noqa: B006
    checkpoint: Checkpoint = None,
    rows: Annotated[int, typer.Option(min=1, help="How many pairs are tried.")] = 32,
    exported: OnnxFolder = None,
    as_json: Json = False,
) -> None:
    """Check that a model says the same in all the ways in which it can be asked.

        losslayer seq2seq check dev.tsv --model runs/g2p

    The score of a target at once is that step by step, padding changes nothing, and the search
    says of its outputs what scoring them says. ONNX files say it too, where `export` added them
    to the model; those of another checkpoint or folder only with --exported. The command fails if
    one is not so.
    """
    used = load(model, checkpoint)
    files = onnx_folder(model, checkpoint, exported)
    found = used.check(measured_pairs(used, data), rows, files)
    if as_json:
        print(json.dumps(dataclasses.asdict(found)))
        return
    for name, value in dataclasses.asdict(found).items():
        if value is not None:
            print(f"{name:10}{value:12.6g}")
    print("\nin order")
