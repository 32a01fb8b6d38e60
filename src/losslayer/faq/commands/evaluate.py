"""`losslayer faq evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losslayer.faq import search
from losslayer.faq.commands.shared import DEFAULT
from losslayer.faq.reading import read_pairs


def evaluate(
    table: Annotated[Path, typer.Argument(help="Questions to measure with.")],
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    question: Annotated[str, typer.Option(help="Column with the questions.")] = "question",
    entry: Annotated[str, typer.Option(help="Column with the entries' ids.")] = "entry",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Measure how often the right entry is found, and how sure the answers are.

    losslayer faq evaluate test_questions.csv --model runs/faq
    """
    encoder, index = search.open_index(model)
    examples = read_pairs(table, search.entries_of(index), question, entry, drop=False)
    found = search.evaluate(encoder, index, examples)
    if as_json:
        print(json.dumps({"questions": len(examples), **found}))
        return
    print(f"{table}: {len(examples):,} questions\n")
    for name, value in found.items():
        print(f"{name:12}{100 * value:6.1f}" if name != "mrr" else f"{name:12}{value:6.3f}")
