"""`losslayer seq2seq predict`, `score` and `attention`."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import Json, JsonLines, Model, asked_lines, note
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
from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.lines import read_lines
from losslayer.seq2seq.seq2seq import Prediction, Seq2Seq

# Lines that are decoded together: enough to sort them by length, few enough to see results soon.
CHUNK = 2048

Beam = Annotated[int | None, typer.Option(min=1, help="Hypotheses kept; 1 is greedy.")]


def predict(
    sources: Annotated[list[str] | None, typer.Argument(help="Sources, each in quotes.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Read the sources from a file (.gz too), one a line."),
    ] = None,
    model: Models = [DEFAULT],  # noqa: B006
    checkpoint: Checkpoint = None,
    beam: Beam = None,
    n_best: Annotated[int | None, typer.Option(min=1, help="Outputs for each source.")] = None,
    prefix: Annotated[str | None, typer.Option(help="How every output must begin.")] = None,
    allowed: Annotated[
        Path | None, typer.Option(help="File with the only outputs that there are, one a line.")
    ] = None,
    must_not: Annotated[
        list[str] | None, typer.Option(help="A token that never comes; repeatable.")
    ] = None,
    change: Change = None,
    as_json: JsonLines = False,
) -> None:
    """Print the output for each source.

        losslayer seq2seq predict --model runs/g2p "through" "though"

    Each is printed before its output, with a tab between. Without arguments they are asked for at
    a terminal, or read from a pipe or a file, one a line; there is a line for each, and an empty
    one for an empty one:

        losslayer seq2seq predict --model runs/g2p --file words.txt > sounds.txt

    With --n-best each output has a line with the number of its source, its score (the
    log-probability, with the length penalty) and its text, between tabs. Several --model are an
    ensemble. The options of [decoding] can be changed:

        losslayer seq2seq predict --n-best 3 --set decoding.length_penalty=1 "through"
    """
    if sources and file:
        raise ll.ArgumentError("predict: `--file` must be left out beside sources.")
    used = load(model, checkpoint)
    if n_best and n_best > (beam or used.settings.decoding.beam):
        beam = n_best
    never = [used.target_tokens.id_of(token) for token in must_not] if must_not else None
    chosen = decoding(used, change, beam=beam, n_best=n_best, must_not=never)
    only = [line for line in read_lines(allowed) if line.strip()] if allowed else None
    if sources:
        given = iter(sources)
    else:
        given = read_lines(file) if file else asked_lines("predict", "a source")
    at_once = 1 if not sources and file is None and sys.stdin.isatty() else CHUNK
    number = blank = 0
    while chunk := list(islice(given, at_once)):
        for text, found in zip(chunk, _of_all(used, chunk, chosen, prefix, only)):
            number += 1
            blank += not found
            if as_json:
                outputs = [{"text": output.text, "score": output.score} for output in found]
                print(json.dumps({"source": text, "outputs": outputs}, ensure_ascii=False))
            elif n_best is not None:
                for output in found:
                    print(f"{number}\t{output.score:.4f}\t{output.text}")
            else:
                best = found[0].text if found else ""
                print(f"{text}\t{best}" if sources else best)
        sys.stdout.flush()
    if blank:
        note(f"{blank:,} of {number:,} sources are blank, and so are their outputs")


def _of_all(
    used: Seq2Seq,
    texts: list[str],
    chosen: DecodingSettings,
    prefix: str | None,
    allowed: list[str] | None,
) -> list[list[Prediction]]:
    """The outputs of each text; none for a blank one."""
    full = [number for number, text in enumerate(texts) if text.strip()]
    found: list[list[Prediction]] = [[] for _ in texts]
    if full:
        with told():
            sources = [texts[number] for number in full]
            prefixes = [prefix] * len(full) if prefix else None
            predicted = used.predict(sources, chosen, prefixes, allowed)
        for number, outputs in zip(full, predicted):
            found[number] = outputs
    return found


def score(
    data: Data,
    model: Models = [DEFAULT],  # noqa: B006
    checkpoint: Checkpoint = None,
    as_json: JsonLines = False,
) -> None:
    """Print the log-probability of each given target, its end included.

    losslayer seq2seq score pairs.tsv --model runs/g2p
    """
    used = load(model, checkpoint)
    pairs = measured_pairs(used, data)
    with told():
        scores = used.score(pairs.sources, pairs.targets)
    for source, target, value in zip(pairs.sources, pairs.targets, scores):
        if as_json:
            row = {"source": source, "target": target, "score": float(value)}
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(f"{value:.4f}\t{source}\t{target}")


def attention(
    source: Annotated[str, typer.Argument(help="The source, in quotes.")],
    picture: Annotated[Path, typer.Option("--out", help="PNG file to write.")] = Path(
        "attention.png"
    ),
    model: Model = DEFAULT,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> None:
    """Draw what each output token looked at in the source, as a heat map.

    losslayer seq2seq attention "through" --model runs/g2p --out through.png
    """
    from losslayer.seq2seq.pictures import draw_attention

    if picture.suffix.lower() != ".png":
        raise ll.ArgumentError(f"attention: `--out` must end with .png. Received: {picture}.")
    used = load([model], checkpoint)
    with told():
        [[best, *_]] = used.predict([source], decoding(used, None, attention=True))
    assert best.attention is not None  # it was asked for
    title = f"{source} → {best.text}"
    with told():  # of letters that the font has not
        draw_attention(picture, best.attention, best.source_tokens, best.tokens, title)
    if as_json:
        print(json.dumps({"source": source, "output": best.text, "picture": str(picture)}))
        return
    print(f"{best.text}\n\npicture  {picture}")
