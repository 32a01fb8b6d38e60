"""`losslayer faq evaluate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from losslayer.commands.console import Json, Model, note
from losslayer.faq import search
from losslayer.faq.asked import read_asked
from losslayer.faq.commands.shared import Entry, Question, check_free
from losslayer.faq.evaluation import Result, evaluate, results_text
from losslayer.faq.figures import Figure, by, calibration, figures, shown
from losslayer.faq.report import report_text
from losslayer_serve.files import write_whole
from losslayer_serve.saved import DEFAULT
from losslayer_serve.searcher import Searcher

COLUMNS = ("group", "language")


def evaluate_command(
    table: Annotated[Path, typer.Argument(help="Questions to measure with.")],
    model: Model = DEFAULT,
    question: Question = "question",
    entry: Entry = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the result of each question, JSON lines.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File for a report to read in a browser, HTML.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace these files if they are there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how often the right entry is found, and how sure the answers are.

        losslayer faq evaluate test_questions.csv --model runs/faq --report report.html

    Each row has a question and the id of its entry; an empty id says that no entry answers.
    Columns `group` and `language` add figures for each of their values. Beside a figure stands
    its 95 % interval: how far another draw of as many questions might have moved it.
    """
    for path in (out, report):
        check_free(path, overwrite)
    encoder, index = search.open_index(model)
    asked = read_asked(table, index.entries, question, entry)
    results = evaluate(Searcher(encoder, index), asked, note)
    if out:
        write_whole(out, results_text(results))
    if report:
        write_whole(report, report_text(model, table, encoder, index, results))
    if as_json:
        print(json.dumps(_as_json(results), ensure_ascii=False))
        return
    print(f"{table}: {len(results):,} questions")
    unanswerable = sum(one.entry is None for one in results)
    if unanswerable:
        print(f"{unanswerable:,} of them no entry answers")
    print(f"\n{_figures_table(figures(results))}")
    for column in COLUMNS:
        if named := by(results, column):
            print(f"\n{_groups_table(column, named)}")
    if index.ranking.threshold is None:
        print("\nEvery answer is accepted until `losslayer faq tune` has chosen a threshold.")
    for what, path in (("results", out), ("report", report)):
        if path:
            print(f"\n{what}  {path}")


def _as_json(results: list[Result]) -> dict[str, Any]:
    def plain(found: dict[str, Figure]) -> dict[str, Any]:
        return {name: figure._asdict() for name, figure in found.items()}

    return {
        "questions": len(results),
        "unanswerable": sum(one.entry is None for one in results),
        "figures": plain(figures(results)),
        **{
            column: {name: plain(found) for name, found in by(results, column).items()}
            for column in COLUMNS
        },
        "calibration": [one._asdict() for one in calibration(results)],
    }


def _figures_table(found: dict[str, Figure]) -> str:
    lines = [f"{'':12}{'':>8}  95 % interval"]
    for name, figure in found.items():
        line = f"{name:12}{shown(name, figure.value):>8}"
        if figure.low is not None and figure.high is not None:
            line += f"  {shown(name, figure.low)} to {shown(name, figure.high)}"
        lines.append(line)
    return "\n".join(lines)


def _groups_table(column: str, named: dict[str, dict[str, Figure]]) -> str:
    width = max(len(column), *(len(name) for name in named), 6)
    lines = [f"{column:{width}}  questions  accuracy@1  95 % interval      MRR"]
    for name, found in named.items():
        first, mrr = found["accuracy@1"], found["mrr"]
        interval = f"{100 * (first.low or 0):.1f} to {100 * (first.high or 0):.1f} %"
        lines.append(
            f"{name or '(none)':{width}}  {first.questions:9,}  {100 * first.value:8.1f} %"
            f"  {interval:17}{mrr.value:.3f}"
        )
    return "\n".join(lines)
