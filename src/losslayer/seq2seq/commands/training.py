"""`losslayer seq2seq train`."""

import contextlib
import json
import time
from pathlib import Path
from typing import Annotated, Any

import keras
import typer

import losslayer as ll
from losslayer.commands.console import Json, Out, Overwrite, note
from losslayer.commands.place import Place
from losslayer.seq2seq import store
from losslayer.seq2seq.commands.shared import DEFAULT, Change
from losslayer.seq2seq.config import changed, read_config
from losslayer.seq2seq.evaluation import duration
from losslayer.seq2seq.pairs import Pairs, read_pairs
from losslayer.seq2seq.progress import ProgressBar
from losslayer.seq2seq.seq2seq import Seq2Seq
from losslayer.seq2seq.settings import Settings
from losslayer.seq2seq.training import TOKENS

Files = list[Path] | None


def train(
    config: Annotated[
        Path | None, typer.Argument(help="TOML file with the options; else all have defaults.")
    ] = None,
    train: Annotated[
        Files, typer.Option(help="Table to learn from; or, given twice, sources and targets.")
    ] = None,
    dev: Annotated[Files, typer.Option(help="Other pairs, to measure on while training.")] = None,
    source: Annotated[str | None, typer.Option(help="The table's column with sources.")] = None,
    target: Annotated[str | None, typer.Option(help="The column with targets.")] = None,
    header: Annotated[
        bool | None, typer.Option(help="Whether the table's first line names its columns.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Times each pair is seen, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another run.")] = None,
    change: Change = None,
    out: Out = DEFAULT,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a model on pairs of sequences.

    From a table with the columns `word` and `sounds`, the sounds separated by spaces:

        losslayer seq2seq train --train train.tsv --dev dev.tsv --source word --target sounds
        --set data.target_tokens=words --out runs/g2p

    From two files with a sentence in each line, in parts of words that come often:

        losslayer seq2seq train --train train.de --train train.en --dev dev.de --dev dev.en
        --set data.source_tokens=bpe --set data.target_tokens=bpe

    All options can stand in a TOML file with the sections [data], [model], [training] and
    [decoding]; the file config.toml of a trained model has them all.

        losslayer seq2seq train options.toml --set training.epochs=50

    Ctrl-C ends the training early and keeps what has been learned so far. The same command then
    goes on where it was; so it does after any other end.
    """
    started = time.perf_counter()
    settings = read_config(config) if config else Settings()
    given: dict[str, Any] = {
        "data.train": [*map(str, train)] if train else None,
        "data.dev": [*map(str, dev)] if dev else None,
        "data.source": source,
        "data.target": target,
        "data.header": header,
        "training.epochs": epochs,
        "model.seed": seed,
    }
    options = [
        f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in given.items() if v is not None
    ]
    settings = changed(settings, [*options, *(change or [])])
    place = Place(out, store.MARKER, overwrite, also=(f"*{TOKENS}",))
    known, measured = _read(settings)
    note(f"Training on {keras.config.backend()}; the first epoch compiles the model.")
    model = place.train(lambda state: _trained(known, measured, settings, state))
    model.metrics["dev"] = model.evaluate(measured)
    place.save(model)
    seconds = time.perf_counter() - started
    if as_json:
        result = {
            "model": str(out),
            "pairs": len(known),
            "dev_pairs": len(measured),
            "dev": model.metrics["dev"],
            "checkpoint": model.checkpoint,
            "epochs": sum("epoch" in record for record in model.history),
            "interrupted": model.interrupted,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(result))
        return
    print(f"\n{measured.origin}, which the weights were chosen by ({model.checkpoint}):\n")
    print(figures_table({"dev": model.metrics["dev"]}))
    print(f"\nmodel   {out}   ({duration(seconds)})")
    print(f"curves  {out / store.CURVES}")
    print(f'try it  losslayer seq2seq predict --model {out} "{known.sources[0]}"')


def figures_table(columns: dict[str, dict[str, Any]]) -> str:
    """Figures by name, a column for each that was measured."""
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    width = max(8, *(len(column) for column in columns))
    lines = [" " * 20 + "".join(f"{column:>{width + 2}}" for column in columns)]
    for name in names:
        cells = [figures.get(name, "") for figures in columns.values()]
        shown = [f"{cell:.4g}" if isinstance(cell, (int, float)) else cell for cell in cells]
        lines.append(f"{name:20}" + "".join(f"{cell:>{width + 2}}" for cell in shown))
    return "\n".join(lines)


def _read(settings: Settings) -> tuple[Pairs, Pairs]:
    """The pairs to learn from, and those to measure on."""
    data = settings.data
    for name in ("train", "dev"):
        if not getattr(data, name):
            raise ll.ArgumentError(
                f"train: `{name}` must be given: a table, or two files. Received: none. "
                f"Add --{name} FILE, or {name} = ... under [data] in the configuration."
            )
    columns = (data.source, data.target, data.header)
    known = read_pairs(data.train, *columns, drop=True)
    # A measure over fewer pairs would be another one: here each must be usable.
    measured = read_pairs(data.dev, *columns)
    note(known.report())
    note(measured.report())
    seen = set(known.sources)
    both = sum(source in seen for source in measured.sources)
    if both:
        note(f"{both:,} sources of {measured.origin} are among those trained on as well")
    return known, measured


def _trained(known: Pairs, measured: Pairs, settings: Settings, state: Path) -> Seq2Seq:
    with contextlib.closing(ProgressBar()) as progress:
        return Seq2Seq.train(known, measured, settings, progress.line, state, [progress])
