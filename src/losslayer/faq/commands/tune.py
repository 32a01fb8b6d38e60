"""`losslayer faq tune`."""

import json
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import Json, Model
from losslayer.faq import search
from losslayer.faq.asked import read_asked
from losslayer.faq.commands.shared import Entry, Question
from losslayer_serve.saved import DEFAULT


def tune(
    table: Annotated[
        Path, typer.Argument(help="Questions that were not trained on, nor are measured with.")
    ],
    model: Model = DEFAULT,
    question: Question = "question",
    entry: Entry = None,
    precision: Annotated[
        float, typer.Option(help="Share of the accepted answers to be right, in (0, 1].")
    ] = 0.95,
    as_json: Json = False,
) -> None:
    """Choose how much words count, and from which score on an answer is given.

        losslayer faq tune dev_questions.csv --model runs/faq --precision 0.95

    The weight of the cosine beside BM25 is the one with the best mean reciprocal rank on
    these questions; the threshold is the lowest score from which on the share of right
    answers among them reaches the precision. Questions that no entry answers, with an empty
    cell for the id, belong among them: they can only be answered wrongly. Both are stored
    with the index, and count in `ask` and `serve`.
    """
    if not 0 < precision <= 1:
        raise ll.ArgumentError(f"tune: `--precision` must be in (0, 1]. Received: {precision:g}.")
    encoder, index = search.open_index(model)
    asked = read_asked(table, index.entries, question, entry)
    ranking, mrr = search.tune(encoder, index, asked, precision)
    if as_json:
        print(json.dumps({**ranking.stored(), "mrr": mrr}))
        return
    print(f"weight of the cosine {ranking.weight:g}, of BM25 {1 - ranking.weight:g}")
    for weight, value in mrr.items():
        print(f"  {weight:4.2f}  MRR {value:.4f}{'  <' if weight == ranking.weight else ''}")
    print(ranking.threshold)
