"""FAQ entries, and the questions that are known to belong to them."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from losslayer.text import Table, read_table
from losslayer_serve.index import Entry


@dataclass(frozen=True)
class Examples:
    """Questions, and for each the number of its right entry.

    Args:
        questions: Texts.
        right: Integers, `(batch,)`: places in `entries`.
        entries: All entries, in the order in which the table first names them.
        table: Where the questions were read: one row each. Without it they came from lists.
    """

    questions: list[str]
    right: np.ndarray
    entries: list[Entry]
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.questions)

    def digest(self) -> str:
        """A text that other questions, entries or titles would make another."""
        content = [self.questions, self.right.tolist(), self.entries]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def title_of(id: str) -> str:
    """An id as a title: underscores are read as spaces."""
    return id.replace("_", " ").strip() or id


def examples(
    questions: Sequence[str], ids: Sequence[str], titles: Mapping[str, str] | None = None
) -> Examples:
    """Pair questions with the ids of their entries.

    Args:
        questions: Texts.
        ids: The id of each question's right entry.
        titles: Title of each id; an id that has none is its own title.
    """
    if len(questions) != len(ids):
        raise ValueError(
            "examples: `questions` and `ids` must be of one length. "
            f"Received: {len(questions)} questions, {len(ids)} ids"
        )
    place = {id: number for number, id in enumerate(dict.fromkeys(ids))}
    entries = [Entry(id, (titles or {}).get(id) or title_of(id)) for id in place]
    return Examples(list(questions), np.array([place[id] for id in ids], "int64"), entries)


def read_examples(
    path: str | PathLike[str],
    question: str = "question",
    entry: str = "entry",
    title: str | None = None,
    entries: Sequence[Entry] | None = None,
) -> Examples:
    """Read a table with one question and the id of its entry in each row.

    Args:
        path: A table, as `losslayer.text.read_table` takes it.
        question: Name of the column with the questions.
        entry: Name of the column with the entries' ids.
        title: Name of a column with the entries' titles. Without it a title is
            the id with spaces for underscores.
        entries: The entries of a trained matcher; an id that isn't among them is
            an error, and the numbers in `right` are places in this list.

    Raises:
        TableError: With the line of the file, if a row can't be used.
    """
    table = read_table(path, [question, entry, *([title] if title else [])])
    if entries is not None:
        place = {known.id: number for number, known in enumerate(entries)}
        for row, id in enumerate(table[entry]):
            if id not in place:
                raise table.error(row, entry, f"no training question has the entry `{id}`")
        right = np.array([place[id] for id in table[entry]], "int64")
        return Examples(table[question], right, list(entries), table)
    titles: dict[str, str] = {}
    for row, id in enumerate(table[entry]):
        if title and titles.setdefault(id, table[title][row]) != table[title][row]:
            raise table.error(row, title, f"another row names the entry `{id}` `{titles[id]}`")
    found = examples(table[question], table[entry], titles)
    if len(found.entries) < 2:
        raise table.error(0, entry, "all rows have the same entry; there must be two or more")
    return dataclasses.replace(found, table=table)
