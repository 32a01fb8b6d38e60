"""An FAQ from a table of questions and answers, and what people asked from a table of pairs."""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from losslayer.faq.entries import Entry, Examples
from losslayer.text import TableError, normalised, read_table


def read_faq(
    path: str | PathLike[str],
    question: str = "question",
    answer: str = "answer",
    id: str = "id",
    group: str = "group",
    language: str = "language",
    names: Sequence[str] | None = None,
    drop: bool = True,
) -> Examples:
    """Read a table with a question and its answer in each row.

    Rows of one id, with the same answer, are one entry that has several questions; the first is its
    title. Without a column of ids each row is an entry, and its id is the line where it begins
    (rows that come and go then change the ids of others).

    Args:
        path: A table, as `losslayer.text.read_table` takes it.
        question: Name of the column with the questions.
        answer: Name of the column with the answers.
        id: Name of the column with the entries' ids, if there is one.
        group: Name of a column that says what an entry belongs to, if there is one.
        language: Name of a column with the language of an entry, if there is one.
        names: Names of all columns of a CSV or TSV file whose first line is a row already.
        drop: Leave out rows that can't be used, listed in `table.dropped` of the result; otherwise
            the first of them is an error.

    Returns:
        `Examples`: the entries, and the FAQ's own questions with the numbers of their entries.

    Raises:
        TableError: If the file can't be read, or fewer than two entries are left.
    """
    table = read_table(path, [question, answer], [id, group, language], names, drop)
    with_ids = any(table[id])
    first: dict[str, int] = {}  # the row in which an id comes first
    problems = {}
    for row, known in enumerate(table[id]):
        if not with_ids:
            continue
        if not known:
            problems[row] = (id, "the cell is empty, and other rows have one")
            continue
        other = first.setdefault(known, row)
        if normalised(table[answer][row]) != normalised(table[answer][other]):
            at = table.place(other)
            problems[row] = (answer, f"the id {known!r:.40} has another answer in {at}")
    table = table.without(problems)

    ids = table[id] if with_ids else [str(line) for line in table.lines]
    place: dict[str, int] = {}
    entries: list[Entry] = []
    for row, known in enumerate(ids):
        if known not in place:
            place[known] = len(entries)
            cells = (table[column][row] for column in (question, answer, group, language))
            entries.append(Entry(known, *cells))
    if len(entries) < 2:
        raise TableError(f"{path}: only one entry; there must be two or more")
    right = np.array([place[known] for known in ids], "int64")
    return Examples(table[question], right, entries, table)


def read_pairs(
    path: str | PathLike[str],
    entries: Sequence[Entry],
    question: str = "question",
    id: str = "id",
    names: Sequence[str] | None = None,
    drop: bool = True,
) -> Examples:
    """Read a table with a question that somebody asked, and the id of the entry that answers it.

    Args:
        path: A table, as `losslayer.text.read_table` takes it.
        entries: The entries of the FAQ, `read_faq(...).entries`.
        question: Name of the column with the questions.
        id: Name of the column with the ids.
        names: Names of all columns of a CSV or TSV file whose first line is a row already.
        drop: Leave out rows that can't be used, those with the id of no entry too; they are listed
            in `table.dropped` of the result. Otherwise the first of them is an error.

    Raises:
        TableError: If the file can't be read, or no row of it can be used.
    """
    table = read_table(path, [question, id], names=names, drop=drop)
    place = {entry.id: number for number, entry in enumerate(entries)}
    table = table.without(
        {
            row: (id, f"the FAQ has no entry {known!r:.40}")
            for row, known in enumerate(table[id])
            if known not in place
        }
    )
    right = np.array([place[known] for known in table[id]], "int64")
    return Examples(table[question], right, list(entries), table)
