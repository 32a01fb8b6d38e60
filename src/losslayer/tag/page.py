"""Sentences with their chunks marked, as a page for a browser."""

from collections.abc import Iterable, Sequence
from html import escape
from os import PathLike
from typing import NamedTuple

from losslayer.tag.measures import chunks_of
from losslayer.tag.sentences import Chunk
from losslayer_serve.files import write_whole

# Backgrounds on which black text can be read, told apart by the colour-blind in this order.
COLOURS = ("#cfe3f7", "#fbdcc0", "#d3efd6", "#f4d3e6", "#fdf3bd", "#dcd5f2", "#cdeeee", "#e3e3e3")

STYLE = """
body { font: 17px/2.3 system-ui, "Noto Sans CJK SC", "Noto Sans", sans-serif; color: #111;
       background: #fff; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 20px; } p { margin: .7em 0; } .n { color: #666; font-size: 12px; }
mark { display: inline-block; max-width: 100%; line-height: 1.5; padding: 0 .3em; margin: 0 1px;
       border-radius: .3em; color: inherit; }
mark small { font-size: 10px; margin-left: .4em; color: #333; }
mark.wrong { outline: 2px solid #b3261e; }
.true { border-left: 3px solid #666; padding-left: .6em; margin-left: 1.5em; }
"""


class Marked(NamedTuple):
    """A sentence, the tags that were found, and the true ones where they are known."""

    tokens: Sequence[str]
    tags: Sequence[str]
    true: Sequence[str] = ()


def write_page(
    path: str | PathLike[str], title: str, sentences: Iterable[Marked], scheme: str, segment: bool
) -> None:
    """Write a page on which each chunk has the colour of its type.

    Words of a text that was cut have two colours in turn. Where true tags are known and others
    were found, wrong chunks have a red frame and a second line shows the true ones.
    """
    sentences = list(sentences)
    found = [
        (marked, chunks_of(marked.tags, scheme), chunks_of(marked.true, scheme))
        for marked in sentences
    ]
    types = sorted({chunk.type for _, one, other in found for chunk in (*one, *other)})
    colours = {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(types)}
    lines = []
    for number, (marked, chunks, true) in enumerate(found, 1):
        wrong = set(chunks) - set(true) if marked.true else set()
        text = _line(marked, chunks, wrong, colours, segment)
        lines.append(f'<p><span class="n">{number}</span> {text}</p>')
        if marked.true and chunks != true:
            lines.append(f'<p class="true">{_line(marked, true, set(), colours, segment)}</p>')
    note = "A red frame: a wrong chunk; the line below shows the true ones."
    legend = f"<p>{note}</p>" if any(marked.true for marked in sentences) else ""
    page = (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>{legend}\n"
        + "\n".join(lines)
        + "\n</body></html>\n"
    )
    write_whole(path, page)


def _line(
    marked: Marked,
    chunks: Sequence[Chunk],
    wrong: set[Chunk],
    colours: dict[str, str],
    segment: bool,
) -> str:
    between = "" if segment else " "
    starts = {chunk.start: chunk for chunk in chunks}
    parts, place, turn = [], 0, 0
    while place < len(marked.tokens):
        chunk = starts.get(place)
        stop = chunk.stop if chunk else place + 1
        text = escape(between.join(marked.tokens[place:stop]))
        if chunk:
            colour = COLOURS[turn % 2] if segment else colours[chunk.type]
            label = f"<small>{escape(chunk.type)}</small>" if chunk.type else ""
            kind = ' class="wrong"' if chunk in wrong else ""
            text = f'<mark{kind} style="background:{colour}">{text}{label}</mark>'
            turn += 1
        parts.append(text)
        place = stop
    return between.join(parts)
