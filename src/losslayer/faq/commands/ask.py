"""`losslayer faq ask`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.faq import search
from losslayer.faq.commands.shared import DEFAULT, note
from losslayer_serve.index import Hit
from losslayer_serve.searcher import Searcher

# Of an answer in the terminal; `--json` and the page give all of it.
WIDTH = 160


def ask(
    questions: Annotated[
        list[str] | None, typer.Argument(help="Questions, each in quotes.")
    ] = None,
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    top: Annotated[int, typer.Option(min=1, help="Entries to show for each question.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a question, one a line.")
    ] = False,
) -> None:
    """Show the entries nearest to each question, with their scores.

    The questions are the arguments:

        losslayer faq ask --model runs/faq "where is my card?" "how do I top up?"

    Without arguments they are asked for at a terminal, or read from a pipe, one a line:

        losslayer faq ask --model runs/faq --json < questions.txt

    A score is the cosine of the question's vector and the entry's, at most 1; after
    `losslayer faq tune` the words count too, and what is not sure enough is marked.
    """
    searcher = Searcher(*search.open_index(model))
    for asked in questions or _lines():
        if not asked.strip():
            continue
        [hits] = searcher.ask([asked], top)
        if as_json:
            answered = any(hit.accepted for hit in hits)
            found = [hit._asdict() for hit in hits]
            result = {"question": asked, "answered": answered, "hits": found}
            print(json.dumps(result, ensure_ascii=False), flush=True)
        else:
            print(_hits_text(asked, hits), flush=True)


def _lines() -> Iterator[str]:
    """Questions typed at a terminal, or the lines of a pipe."""
    if not sys.stdin.isatty():
        try:
            yield from (line.rstrip("\n") for line in sys.stdin)
        except UnicodeDecodeError as problem:
            raise ll.ArgumentError(
                f"ask: standard input must be UTF-8. Received: {problem}. Save it as UTF-8"
            ) from None
        return
    note("Type a question; an empty line ends.")
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def _hits_text(question: str, hits: list[Hit]) -> str:
    lines = [question]
    if hits and not hits[0].accepted:
        lines.append("  no answer is sure enough; the nearest are")
    for hit in hits:
        lines.append(f"  {hit.score:6.3f}  {hit.title}  [{hit.id}]")
        if hit.answer:
            lines.append(f"          {_start(hit.answer)}")
    return "\n".join([*lines, ""])


def _start(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
