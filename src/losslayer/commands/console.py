"""What a command asks for and what it tells, and the options that several commands have."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll

Model = Annotated[Path, typer.Option(help="Folder that `train` wrote.")]
Out = Annotated[Path, typer.Option(help="Folder to write the model to.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier model in that folder.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

_CLEAR = "\r\x1b[K"  # takes what stands in a terminal's line away


def note(line: str) -> None:
    """Progress goes to standard error, so that what a command prints can be piped."""
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{line}", file=sys.stderr, flush=True)


def status(line: str) -> None:
    """A line that the next one replaces; only where somebody watches."""
    if sys.stderr.isatty():
        print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)


def asked_lines(command: str, what: str) -> Iterator[str]:
    """The lines of a pipe, or those typed at a terminal until an empty one.

    Args:
        command: Who reads them, for the error about another encoding.
        what: What a line is, for who types: "a question".
    """
    if not sys.stdin.isatty():
        try:
            yield from (line.rstrip("\r\n") for line in sys.stdin)
        except UnicodeDecodeError as problem:
            raise ll.ArgumentError(
                f"{command}: standard input must be UTF-8. Received: {problem}. Save it as UTF-8"
            ) from None
        return
    note(f"Type {what}; an empty line ends.")
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line
