"""Two files in which the lines of one number belong together."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from losslayer.text import Problem, TableError
from losslayer.text.opened import opened
from losslayer.text.table import LONGEST


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or named `.gz`, without what ends them.

    Only line feeds end a line: other characters that some programs take for an end of line
    (form feeds, U+2028) would put two files out of step.

    Raises:
        TableError: With the line, if it can't be read.
    """
    with opened(path, newline="\n") as file:
        for line in file:
            yield line.rstrip("\r\n")


def parallel_lines(source: Path, target: Path) -> Iterator[tuple[str, str, Problem | None]]:
    """The lines of two files side by side, each pair with what is wrong with it.

    Raises:
        TableError: If one file has more lines than the other, after the last pair.
    """
    lines = itertools.zip_longest(read_lines(source), read_lines(target))
    for number, (left, right) in enumerate(lines, 1):
        if left is None or right is None:
            longer, shorter = (target, source) if left is None else (source, target)
            rest = sum(1 for _ in lines)
            raise TableError(
                f"{longer}: {number + rest:,} lines, but {shorter} has {number - 1:,}; line n of "
                "one file must belong to line n of the other. Is one of them cut off?"
            )
        yield left, right, _problem(source, number, left) or _problem(target, number, right)


def _problem(path: Path, number: int, text: str) -> Problem | None:
    """What is wrong with a line."""
    if not text.strip():
        return Problem(str(path), number, "", "the line is empty")
    if len(text) > LONGEST:
        problem = f"a line has more than {LONGEST:,} characters"
        return Problem(str(path), number, "", problem)
    if "\0" in text:
        return Problem(str(path), number, "", "it holds NUL, which no text has; is it UTF-16?")
    return None
