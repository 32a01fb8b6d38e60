"""`losslayer faq ask`."""

import json
from typing import Annotated

import typer

from losslayer.commands.console import JsonLines, Model, asked_lines
from losslayer.faq import search
from losslayer_serve.index import Hit
from losslayer_serve.saved import DEFAULT

# Of an answer in the terminal; `--json` and the page give all of it.
WIDTH = 160


def ask(
    questions: Annotated[
        list[str] | None, typer.Argument(help="Questions, each in quotes.")
    ] = None,
    model: Model = DEFAULT,
    top: Annotated[int, typer.Option(min=1, help="Entries to show for each question.")] = 3,
    as_json: JsonLines = False,
) -> None:
    """Show the entries nearest to each question, with their scores.

    The questions are the arguments:

        losslayer faq ask --model runs/faq "where is my card?" "how do I top up?"

    Without arguments they are asked for at a terminal, or read from a pipe, one a line:

        losslayer faq ask --model runs/faq --json < questions.txt

    A score is the cosine of the question's vector and the entry's, at most 1; after
    `losslayer faq tune` the words count too, and what is not sure enough is marked.
    """
    searcher = search.open_searcher(model)
    for asked in questions or asked_lines("ask", "a question"):
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
