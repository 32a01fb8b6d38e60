"""`losslayer faq compare`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losslayer.commands.console import Json, note
from losslayer.faq import search
from losslayer.faq.asked import read_asked
from losslayer.faq.commands.shared import Entry, Question
from losslayer.faq.comparison import Comparison, compare
from losslayer.faq.evaluation import Result, evaluate, read_results
from losslayer.faq.figures import shown
from losslayer.text import TableError
from losslayer_serve.searcher import Searcher

SHOWN = 10  # questions of each side; `--json` has all


def compare_command(
    a: Annotated[Path, typer.Argument(help="A model's folder, or what `evaluate --out` wrote.")],
    b: Annotated[Path, typer.Argument(help="The other one, of either kind.")],
    table: Annotated[
        Path | None, typer.Argument(help="Questions to measure with; needed for a model.")
    ] = None,
    question: Question = "question",
    entry: Entry = None,
    as_json: Json = False,
) -> None:
    """Say whether B finds the right entries more often than A, or chance explains it.

        losslayer faq compare runs/old runs/new test_questions.csv

    Both are asked the same questions. Beside each difference stands its 95 % interval, and p: how
    often a difference as large comes about by chance where the two are no different (a
    randomisation test; of accuracy@1, McNemar's). Then come the questions that changed sides.
    """
    found = compare(*(_results(path, table, question, entry) for path in (a, b)))
    if as_json:
        print(json.dumps(_as_json(found), ensure_ascii=False))
        return
    print(f"{found.questions:,} questions. A is {a}, B is {b}.\n")
    print(f"{'':12}{'A':>8}{'B':>9}{'B - A':>9}  {'95 % interval':17}{'p':>7}")
    for name, one in found.differences.items():
        interval = f"{shown(name, one.low)} to {shown(name, one.high)}"
        print(
            f"{name:12}{shown(name, one.a):>8}{shown(name, one.b):>9}"
            f"{shown(name, one.difference):>9}  {interval:17}{one.p:7.4f}"
        )
    for title, pairs in (("only B has right", found.gained), ("only A has right", found.lost)):
        print(f"\n{len(pairs):,} questions {title}")
        for pair in pairs[:SHOWN]:
            said = [result.hits[0].id if result.hits else "nothing" for result in pair]
            asked = pair[0]
            print(f"  {asked.question}\n    right: {asked.entry}, A: {said[0]}, B: {said[1]}")
        if len(pairs) > SHOWN:
            print(f"  ... and {len(pairs) - SHOWN:,} more; --json has all")


def _results(path: Path, table: Path | None, question: str, entry: str | None) -> list[Result]:
    """The results of a model, or those of a file."""
    if path.is_file():
        return read_results(path)
    if table is None:
        raise TableError(f"compare: {path} is no file of results. A model needs a TABLE to answer")
    encoder, index = search.open_index(path)
    asked = read_asked(table, index.entries, question, entry)
    return evaluate(Searcher(encoder, index), asked, lambda line: note(f"{path}: {line}"))


def _as_json(found: Comparison) -> dict[str, object]:
    def plain(pairs: list[tuple[Result, Result]]) -> list[dict[str, object]]:
        return [
            {
                "question": one.question,
                "entry": one.entry,
                "line": one.line,
                "a": [hit.id for hit in one.hits],
                "b": [hit.id for hit in other.hits],
            }
            for one, other in pairs
        ]

    return {
        "questions": found.questions,
        "differences": {name: one._asdict() for name, one in found.differences.items()},
        "gained": plain(found.gained),
        "lost": plain(found.lost),
    }
