"""An FAQ from a table of questions and answers, and what people asked from a table of pairs."""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from losslayer.faq.entries import Examples
from losslayer.text import Table, TableError, normalised, read_table
from losslayer_serve.index import Entry


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
    table = _consistent(table, answer, id)
    ids = _ids(table, id)
    entries = _entries(table, ids, question, answer, group, language)
    entries = [entry._replace(text=entry.answer) for entry in entries]
    if len(entries) < 2:
        raise TableError(f"{path}: only one entry; there must be two or more")
    place = {entry.id: number for number, entry in enumerate(entries)}
    right = np.array([place[known] for known in ids], "int64")
    return Examples(table[question], right, entries, table)


def read_entries(
    path: str | PathLike[str],
    question: str = "question",
    answer: str = "answer",
    id: str = "id",
    group: str = "group",
    language: str = "language",
    need_ids: bool = False,
) -> list[Entry]:
    """Read the entries of an FAQ to put into an index.

    As `read_faq`, but a single entry will do, answers may be missing, and the first row that can't
    be used is an error. The entries have no `text` of their own.

    Args:
        path: A table, as `losslayer.text.read_table` takes it.
        question: Name of the column with the questions: the first of an id is its title.
        answer: Name of the column with the answers, if there is one.
        id: Name of the column with the ids.
        group: Name of a column that says what an entry belongs to, if there is one.
        language: Name of a column with the language of an entry, if there is one.
        need_ids: Whether each row must have an id; otherwise it may be the line.

    Raises:
        TableError: With the line of the file, if a row can't be used.
    """
    needed, others = [question], [answer, id, group, language]
    if need_ids:
        needed, others = [id, question], [answer, group, language]
    table = _consistent(read_table(path, needed, others), answer, id)
    return _entries(table, _ids(table, id), question, answer, group, language)


def _consistent(table: Table, answer: str, id: str) -> Table:
    """Without rows that lack an id where others have one, or whose id has another answer."""
    first: dict[str, int] = {}  # the row in which an id comes first
    problems = {}
    with_ids = any(table[id])
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
    return table.without(problems)


def _ids(table: Table, id: str) -> list[str]:
    """The id of each row: the line where it begins, if there are none."""
    return table[id] if any(table[id]) else [str(line) for line in table.lines]


def _entries(
    table: Table, ids: Sequence[str], question: str, answer: str, group: str, language: str
) -> list[Entry]:
    """An entry for each id, as the first row with it has it."""
    first: dict[str, int] = {}
    for row, id in enumerate(ids):
        first.setdefault(id, row)
    return [
        Entry(
            id,
            title=table[question][row],
            answer=table[answer][row],
            group=table[group][row],
            language=table[language][row],
        )
        for id, row in first.items()
    ]


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
