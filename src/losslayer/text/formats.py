"""Rows of CSV, TSV and JSONL files, each with the line where it begins.

They are read with the standard library: table libraries read them too, and faster, but none of them
says on which line a row begins, and a message without the line is of no use in a large file.
"""

import csv
import json
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from losslayer.text.opened import TableError, opened


class Row(NamedTuple):
    """Where a row begins, and its cells; or what is wrong with it as a whole."""

    line: int
    cells: Sequence[Any]
    problem: str = ""


class Wanted(NamedTuple):
    """Names of columns that must be there, and of those that may be."""

    columns: Sequence[str]
    optional: Sequence[str]

    def places(self, where: str, header: Sequence[str]) -> list[int | None]:
        """The place of each column in a header; None for an optional one that it lacks."""
        for column in [*self.columns, *self.optional]:
            if header.count(column) > 1:
                raise TableError(f"{where}: more than one column is named `{column}`")
        for column in self.columns:
            if column not in header:
                raise TableError(f"{where}: no column `{column}`. {_found(header)}")
        return [
            header.index(column) if column in header else None
            for column in [*self.columns, *self.optional]
        ]


def _found(header: Sequence[str]) -> str:
    """What a header has instead of a column, and what that may come from."""
    names = tuple(name if len(name) <= 40 else f"{name[:37]}..." for name in header)
    text = f"The columns are {names}"
    if any("\0" in name for name in header):
        return f"{text}. It is no text in UTF-8 (UTF-16?). Save the file with UTF-8 encoding"
    separators = [mark for mark in ";\t|" if len(header) == 1 and mark in header[0]]
    if separators:
        return f"{text}. Separate them with commas, or with tabs in a file named .tsv"
    if any(len(name) > 40 for name in header):
        return f"{text}. Is this a row already? Put a line above it that names the columns"
    return text


def csv_rows(
    path: Path, wanted: Wanted, names: Sequence[str] | None = None
) -> Generator[Row, None, None]:
    """Rows that aren't blank; the first line names the columns unless `names` does."""
    # Of any length here: a cell that is too long is for the caller to judge.
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with opened(path) as file:
            if path.suffix.lower() == ".tsv":
                rows = _csv_lines(path, csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
            else:
                rows = _csv_lines(path, csv.reader(file, strict=True))
            first, header, by = 1, names, "the names are"
            if header is None:
                first, fields, _ = next(rows, (1, [], 1))
                header, by = [name.strip() for name in fields], "the first line names"
            if not header:
                raise TableError(f"{path}: the file is empty; its first line must name the columns")
            places = wanted.places(f"{path}:{first}", header)
            for line, fields, last in rows:
                if len(fields) == len(header):
                    yield Row(line, [None if place is None else fields[place] for place in places])
                else:
                    problem = f"{len(fields)} fields where {by} {len(header)}"
                    yield Row(line, [], f"{problem}{_advice(line, last)}")
    finally:
        csv.field_size_limit(limit)


def _csv_lines(path: Path, reader: Any) -> Iterator[tuple[int, list[str], int]]:
    """The first line, the fields and the last line of each row that isn't blank."""
    start = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            # Where the next row begins is anybody's guess now.
            raise TableError(f"{path}:{start}: not a row of a table ({problem})") from None
        if fields:
            yield start, fields, reader.line_num
        start = reader.line_num + 1


def _advice(line: int, last: int) -> str:
    """What to do about a row with more or fewer fields than columns."""
    if last > line:
        return f", and it ends on line {last}. Is a closing double quote missing?"
    return ". Put a text that holds the separator or a line break in double quotes"


def jsonl_rows(path: Path, wanted: Wanted) -> Generator[Row, None, None]:
    """One object a line; the first must have all columns but the optional ones."""
    header: list[str] | None = None
    # Only line feeds end a line here: JSON takes a carriage return for white space.
    with opened(path, newline="\n") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text, object_pairs_hook=_unique)
            except json.JSONDecodeError as problem:
                yield Row(line, [], f"not JSON ({problem.msg}, at character {problem.colno})")
                continue
            except (ValueError, RecursionError) as problem:
                yield Row(line, [], f"not JSON ({problem})")
                continue
            if not isinstance(row, dict):
                yield Row(line, [], f"must be a JSON object. Received: {row!r:.40}")
                continue
            if header is None:
                header = list(row)
                wanted.places(f"{path}:{line}", header)
            yield Row(line, [row.get(column) for column in [*wanted.columns, *wanted.optional]])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that comes twice would otherwise lose its first value in silence."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name comes twice")
    return row
