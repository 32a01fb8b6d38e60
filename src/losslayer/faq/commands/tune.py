"""`losslayer faq tune`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losslayer.faq import search
from losslayer.faq.commands.shared import DEFAULT
from losslayer.faq.reading import read_pairs


def tune(
    table: Annotated[
        Path, typer.Argument(help="Questions that were not trained on, nor are measured with.")
    ],
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    question: Annotated[str, typer.Option(help="Column with the questions.")] = "question",
    entry: Annotated[str, typer.Option(help="Column with the entries' ids.")] = "entry",
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the accepted answers to be right.")
    ] = 0.95,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Choose how much words count, and from which score on an answer is given.

        losslayer faq tune dev_questions.csv --model runs/faq --precision 0.95

    The weight of the cosine beside BM25 is the one with the best mean reciprocal rank on
    these questions; the threshold is the lowest score from which on the share of right
    answers among them reaches the precision. Both are stored with the index, and count
    in `ask` and `serve`.
    """
    encoder, index = search.open_index(model)
    examples = read_pairs(table, search.entries_of(index), question, entry, drop=False)
    ranking, mrr = search.tune(encoder, index, examples, precision)
    if as_json:
        print(json.dumps({**ranking.stored(), "mrr": mrr}))
        return
    print(f"weight of the cosine {ranking.weight:g}, of BM25 {1 - ranking.weight:g}")
    for weight, value in mrr.items():
        print(f"  {weight:4.2f}  MRR {value:.4f}{'  <' if weight == ranking.weight else ''}")
    print(ranking.threshold)
