"""`losslayer tag predict`."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from losslayer import options
from losslayer.commands.console import JsonLines, Model, asked_lines
from losslayer.tag import reading
from losslayer.tag.console import (
    DEFAULT,
    ON_PAGE,
    Page,
    Word,
    note_long,
    save_page,
)
from losslayer.tag.measures import chunks_of
from losslayer.tag.page import Marked
from losslayer.tag.sentences import Sentence, to_words
from losslayer.tag.tagger import Tagger
from losslayer.text.opened import opened

AT_ONCE = 512  # sentences that are read, tagged and written together
INPUTS = ("text", "lines", "columns")


def predict(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Sentences; default: standard input.")
    ] = None,
    model: Model = DEFAULT,
    format: Annotated[
        str,
        typer.Option(
            help="text: a sentence a line. lines: the same, its words between spaces. "
            "columns: a word a line."
        ),
    ] = "text",
    word: Word = 0,
    html: Page = None,
    as_json: JsonLines = False,
) -> None:
    """Tag sentences, or cut text into words.

    From files, a pipe or a terminal, a sentence a line:

        echo "Angela Merkel visited Rome." | losslayer tag predict --model runs/ner

        losslayer tag predict new.txt --model runs/ner --html new.html > new.conll

    Prints a word and its tag a line, behind the columns of `--format columns`; text that is cut
    into words is printed with spaces between these.
    """
    options.choice("tag", "--format", format, INPUTS)
    tagger = Tagger.load(model)
    at_terminal = not files and sys.stdin.isatty()
    inputs = {str(path): _file(path) for path in files or []}
    if not files:
        inputs["standard input"] = asked_lines("predict", "a sentence")
    marked: list[Marked] = []
    count = 0
    for name, lines in inputs.items():
        if format == "columns":
            sentences = reading.columns(lines, name, word, tag=None)
        else:
            sentences = reading.plain(lines, name, tagger.segments, spaces=format == "lines")
        while some := [*islice(sentences, 1 if at_terminal else AT_ONCE)]:
            if tagger.segments and format == "columns":
                some = [reading.joined(sentence) for sentence in some]
            note_long(tagger, some)
            found = tagger.predict(some)
            for sentence, tags in zip(some, found):
                print(_written(sentence, tags, tagger, as_json), flush=at_terminal)
            count += len(some)
            fresh = [Marked(s.tokens, tags) for s, tags in zip(some, found)]
            marked += fresh[: ON_PAGE - len(marked)]
    if html:
        save_page(html, ", ".join(inputs), marked, count, tagger)


def _file(path: Path) -> Iterator[str]:
    """The lines of a file."""
    with opened(path) as lines:
        yield from lines


def _written(sentence: Sentence, tags: Sequence[str], tagger: Tagger, as_json: bool) -> str:
    """A tagged sentence as text or JSON."""
    if tagger.segments:
        words = to_words(sentence, tags)
        if as_json:
            content: dict[str, Any] = {"text": "".join(sentence.tokens), "words": words}
            return json.dumps(content, ensure_ascii=False)
        return " ".join(words)
    if as_json:
        found = [
            {**chunk._asdict(), "text": " ".join(sentence.tokens[chunk.start : chunk.stop])}
            for chunk in chunks_of(tags, tagger.scheme)
        ]
        content = {"tokens": sentence.tokens, "tags": tags, "chunks": found}
        return json.dumps(content, ensure_ascii=False)
    rows = sentence.rows or [[token] for token in sentence.tokens]
    lines = ["\t".join([*row, tag]) for row, tag in zip(rows, tags)]
    return "\n".join([*sentence.comments, *lines, ""])
