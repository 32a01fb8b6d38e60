"""Questions that people asked, with the entry that answers each, or none."""

from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

from losslayer.text import read_table
from losslayer_serve.index import Entry

# Where the ids of entries are looked for, unless a column is named.
ENTRY_COLUMNS = ("entry", "id")


class Asked(NamedTuple):
    """A question that somebody asked.

    Attributes:
        question: The text.
        entry: The id of the entry that answers it; None where no entry does.
        group: What it belongs to, for figures per group: as its table has it, else as its entry.
        language: Its language, likewise.
        line: Where its row begins; in Parquet the number of the row, from 1.
    """

    question: str
    entry: str | None
    group: str = ""
    language: str = ""
    line: int = 0


def read_asked(
    path: str | PathLike[str],
    entries: Sequence[Entry],
    question: str = "question",
    entry: str | None = None,
    group: str = "group",
    language: str = "language",
) -> list[Asked]:
    """Read a table with a question in each row, and the id of its entry or an empty cell.

    Args:
        path: A table, as `losslayer.text.read_table` takes it.
        entries: The entries there are.
        question: Name of the column with the questions.
        entry: Name of the column with the ids; without it `entry`, or else `id`. An empty cell: no
            entry answers the question.
        group: Name of a column that says what a question belongs to, if there is one.
        language: Name of a column with its language, if there is one.

    Raises:
        TableError: With the line of the file, if a row can't be used, an id is that of no entry,
            or no row has an id.
    """
    names = [entry] if entry else list(ENTRY_COLUMNS)
    table = read_table(path, [question], [*names, group, language])
    # An optional column that is missing has empty cells.
    name = next((name for name in names if any(table[name])), names[0])
    if not any(table[name]):
        read_table(path, [question, name], drop=True)  # its error says what is missing
    known = {one.id: one for one in entries}
    asked = []
    for row, id in enumerate(table[name]):
        if id and id not in known:
            raise table.error(row, name, f"the FAQ has no entry {id!r:.40}")
        of = known.get(id, Entry("", ""))
        cells = table[group][row] or of.group, table[language][row] or of.language
        asked.append(Asked(table[question][row], id or None, *cells, table.lines[row]))
    return asked
