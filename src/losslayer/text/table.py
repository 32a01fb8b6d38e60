"""Reading named columns of a table: CSV, TSV, JSONL or Parquet."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from losslayer.text.formats import Row, Wanted, csv_rows, jsonl_rows
from losslayer.text.opened import TableError
from losslayer.text.parquet import parquet_rows

# Characters of a cell, at most. What is longer is a file in a cell, or a lost quote.
LONGEST = 131_072
# What no text holds: the second are halves of a character, which JSON can write.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
# What else is called a table, and mustn't be taken for CSV.
_OTHERS = {
    ".xlsx": "Save the sheet as CSV with UTF-8 encoding",
    ".xls": "Save the sheet as CSV with UTF-8 encoding",
    ".ods": "Save the sheet as CSV with UTF-8 encoding",
    ".json": "Write one object a line and name the file .jsonl",
    ".gz": "Unpack it",
    ".zip": "Unpack it",
}


class Problem(NamedTuple):
    """What is wrong with a row: the file, the line where the row begins, the column.

    In Parquet the line is the number of the row, from 1. The column is empty where the problem is
    with the row as a whole.
    """

    path: str
    line: int
    column: str
    problem: str

    def __str__(self) -> str:
        between = ": row " if _by_number(Path(self.path)) else ":"
        column = f"column `{self.column}`: " if self.column else ""
        return f"{self.path}{between}{self.line}: {column}{self.problem}"


def _by_number(path: Path) -> bool:
    """Whether rows of the file have numbers, not lines."""
    return path.suffix.lower() == ".parquet"


@dataclass(frozen=True)
class Table:
    """Columns of a file, and for each row the line of the file where it starts.

    Attributes:
        path: The file.
        columns: For each column its cells.
        lines: Where each row starts; in Parquet the number of the row, from 1.
        dropped: The rows that were left out, and why.
        drop: Whether rows may be left out; otherwise each is an error.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
    dropped: list[Problem] = field(default_factory=list)
    drop: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    def place(self, row: int) -> str:
        """Where a row is, in words: `line 7`."""
        return f"{'row' if _by_number(self.path) else 'line'} {self.lines[row]}"

    def error(self, row: int, column: str, problem: str) -> TableError:
        """An error about one cell, to be raised by who found the problem."""
        return TableError(str(Problem(str(self.path), self.lines[row], column, problem)))

    def without(self, problems: Mapping[int, tuple[str, str]]) -> "Table":
        """The table without rows in which something is wrong: column and problem by row.

        Raises:
            TableError: For the first of them, if the table was read without `drop`; or if no row
                is left.
        """
        found = [
            Problem(str(self.path), self.lines[row], *problems[row]) for row in sorted(problems)
        ]
        if found and not self.drop:
            raise TableError(str(found[0]))
        kept = [row for row in range(len(self)) if row not in problems]
        dropped = sorted([*self.dropped, *found], key=lambda problem: problem.line)
        if not kept:
            raise TableError(f"{dropped[0]} (and no other row of {len(dropped)} can be used)")
        columns = {name: [cells[row] for row in kept] for name, cells in self.columns.items()}
        lines = [self.lines[row] for row in kept]
        return Table(self.path, columns, lines, dropped, self.drop)


def read_table(
    path: str | PathLike[str],
    columns: Sequence[str],
    optional: Sequence[str] = (),
    names: Sequence[str] | None = None,
    drop: bool = False,
) -> Table:
    """Read the given columns of a file by their names.

    The end of the file's name says what it is: `.tsv`, fields separated by tabs, without quoting;
    `.jsonl` or `.ndjson`, one JSON object a line; `.parquet`; anything else is CSV. Text files are
    in UTF-8, and the first line of a CSV or TSV file names its columns. Cells are stripped of
    surrounding white space; integers are read as their digits. Blank lines and other columns are
    skipped. A row can't be used if a cell of `columns` is empty, a cell is no text or longer than
    131,072 characters, or the row doesn't fit the columns.

    Args:
        path: The file.
        columns: Names of the columns to read.
        optional: Names of columns whose cells may be empty, and which the file may lack: then all
            of their cells are empty.
        names: Names of all columns of a CSV or TSV file whose first line is a row already.
        drop: Leave rows out that can't be used, and list them in `dropped`. By default the first
            is an error.

    Returns:
        A `Table`: `table["text"]` is the list of the cells of column `text`.

    Raises:
        TableError: If the file can't be read as such; the message names the file,
            the line and the column.
    """
    path = Path(path)
    wanted = [*columns, *optional]
    cells: list[list[str]] = [[] for _ in wanted]
    lines: list[int] = []
    dropped: list[Problem] = []
    # Closed, for an error would keep the file open as long as somebody holds the error.
    with closing(_rows(path, Wanted(columns, optional), names)) as rows:
        for line, values, problem in rows:
            texts, column = [], ""
            for column, value in zip(wanted, values):  # none if the row as a whole has a problem
                text, problem = _text(value)
                if not (text or problem) and column in columns:
                    problem = "the cell is empty"
                if problem:
                    break
                texts.append(text)
            if problem:
                dropped.append(Problem(str(path), line, column, problem))
                if not drop:
                    raise TableError(str(dropped[0]))
                continue
            for place, text in enumerate(texts):
                cells[place].append(text)
            lines.append(line)
    if not lines and not dropped:
        raise TableError(f"{path}: no rows to read")
    if not lines:
        raise TableError(f"{dropped[0]} (and no other row of {len(dropped)} can be used)")
    return Table(path, dict(zip(wanted, cells)), lines, dropped, drop)


def _rows(path: Path, wanted: Wanted, names: Sequence[str] | None) -> Generator[Row, None, None]:
    """The rows of a file of any kind."""
    kind = path.suffix.lower()
    if kind in _OTHERS:
        raise TableError(f"{path}: {kind} files can't be read. {_OTHERS[kind]}")
    if kind not in (".jsonl", ".ndjson", ".parquet"):
        return csv_rows(path, wanted, names)
    if names is not None:
        raise TableError(f"{path}: the file names its columns itself. Leave out the names")
    return (parquet_rows if kind == ".parquet" else jsonl_rows)(path, wanted)


def _text(value: Any) -> tuple[str, str]:
    """A cell as text, and what is wrong with it."""
    if value is None:
        return "", ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return "", f"must be a text or an integer. Received: {value!r:.40}"
    if len(value) > LONGEST:
        return "", f"{len(value):,} characters; at most {LONGEST:,} may be in a cell"
    if _NO_TEXT.search(value):
        return "", "it holds a character that no text has (NUL, or half of one); is it UTF-16?"
    return value.strip(), ""
