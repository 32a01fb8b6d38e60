"""What the commands of the tagger share: options, notes, the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from losslayer.commands.console import note
from losslayer.tag.page import Marked, write_page
from losslayer.tag.sentences import Sentence
from losslayer.tag.tagger import Tagger

DEFAULT = Path("runs/tagger")
ON_PAGE = 200  # sentences on a page that `evaluate` or `predict` writes

Word = Annotated[int, typer.Option(help="Column of the words, from 0; -1 is the last.")]
Tag = Annotated[int, typer.Option(help="Column of the tags, from 0; -1 is the last.")]
Page = Annotated[
    Path | None, typer.Option(help=f"Write a page with marked chunks, of {ON_PAGE} sentences.")
]


def note_long(tagger: Tagger, sentences: Sequence[Sentence]) -> None:
    """Say how many sentences are too long to be tagged at once."""
    longest = tagger.settings.longest
    if more := sum(len(sentence.tokens) > longest for sentence in sentences):
        note(f"{more:,} sentences have more than {longest} tokens; they are tagged in pieces.")


def save_page(path: Path, title: str, marked: Sequence[Marked], count: int, tagger: Tagger) -> None:
    """Write the page of tagged sentences, of which there are `count`."""
    write_page(path, title, marked, tagger.scheme, tagger.segments)
    shown = f"the first {len(marked):,} of " if len(marked) < count else ""
    note(f"{path}: a page with {shown}{count:,} sentences")
