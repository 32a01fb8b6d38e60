"""Reading named columns of a CSV or TSV file."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import losslayer as ll


class TableError(ll.LosslayerError, ValueError):
    """A file that can't be used as it is: the message says where and what to do."""


@dataclass(frozen=True)
class Table:
    """Columns of a file, and for each row the line of the file where it starts."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    def error(self, row: int, column: str, problem: str) -> TableError:
        """An error about one cell, to be raised by who found the problem."""
        return TableError(f"{self.path}:{self.lines[row]}: column `{column}`: {problem}")


def read_table(path: str | PathLike[str], columns: Sequence[str]) -> Table:
    """Read the given columns of a UTF-8 file whose first line names its columns.

    A name that ends in `.tsv` means fields separated by tabs, without quoting;
    anything else is read as CSV. Cells are stripped of surrounding white space
    and none may be empty. Blank lines and other columns are skipped.

    Args:
        path: The file.
        columns: Names of the columns to read.

    Returns:
        A `Table`: `table["text"]` is the list of the cells of column `text`.

    Raises:
        TableError: If the file can't be read as such; the message names the file,
            the line and the column.
    """
    path = Path(path)
    cells: dict[str, list[str]] = {column: [] for column in columns}
    lines: list[int] = []
    rows = _rows(path, _text(path))
    _, header = next(rows, (1, []))
    if not header:
        raise TableError(f"{path}: the file is empty; its first line must name the columns")
    for column in columns:
        if column not in header:
            raise TableError(f"{path}:1: no column `{column}`. The columns are {tuple(header)}")
        if header.count(column) > 1:
            raise TableError(f"{path}:1: more than one column is named `{column}`")
    places = {column: header.index(column) for column in columns}
    for line, fields in rows:
        if len(fields) != len(header):
            raise TableError(
                f"{path}:{line}: {len(fields)} fields where the first line names {len(header)}. "
                "Put a text that holds the separator or a line break in double quotes"
            )
        for column, place in places.items():
            cell = fields[place].strip()
            if not cell:
                raise TableError(f"{path}:{line}: column `{column}`: the cell is empty")
            cells[column].append(cell)
        lines.append(line)
    if not lines:
        raise TableError(f"{path}: no rows below the line with the column names")
    return Table(path, cells, lines)


def _text(path: Path) -> str:
    """The decoded file, without a byte order mark."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except OSError as problem:
        raise TableError(f"{path}: can't be read ({problem.strerror})") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        # `start` counts from behind a byte order mark, which holds no line break.
        line = problem.object[: problem.start].count(b"\n") + 1
        byte = problem.object[problem.start]
        raise TableError(
            f"{path}:{line}: not UTF-8 (byte 0x{byte:02x}). Save the file with UTF-8 encoding"
        ) from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that isn't blank, with the line where it starts."""
    source = io.StringIO(text, newline="")
    if path.suffix.lower() == ".tsv":
        reader = csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(source, strict=True)
    start = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise TableError(f"{path}:{start}: not a row of a table ({problem})") from None
        if fields:
            yield start, fields
        start = reader.line_num + 1
