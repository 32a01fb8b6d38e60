"""Questions with the ids of their entries, or without."""

import re

import pytest

from losslayer.faq.asked import Asked, read_asked
from losslayer.text import TableError
from losslayer_serve.index import Entry

ENTRIES = [Entry("a", "A", group="cards", language="en"), Entry("b", "B")]


def write(tmp_path, *lines):
    path = tmp_path / "asked.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_empty_cell_is_a_question_that_no_entry_answers(tmp_path):
    """Group and language are those of the table, else those of the entry."""
    path = write(tmp_path, "question,entry,group", "where?,a,", "why?,,other", "how?,b,loans")
    assert read_asked(path, ENTRIES) == [
        Asked("where?", "a", "cards", "en", 2),
        Asked("why?", None, "other", "", 3),
        Asked("how?", "b", "loans", "", 4),
    ]


@pytest.mark.parametrize(
    ("header", "name"), [("question,id", None), ("question,entry", None), ("question,no", "no")]
)
def test_the_column_of_the_ids_is_found(tmp_path, header, name):
    """`entry`, else `id`, unless another is named."""
    path = write(tmp_path, header, "where?,b")
    assert [one.entry for one in read_asked(path, ENTRIES, entry=name)] == ["b"]


def test_entry_goes_before_id(tmp_path):
    """Where both are there, ids may be those of the questions."""
    path = write(tmp_path, "id,question,entry", "7,where?,a")
    assert read_asked(path, ENTRIES)[0].entry == "a"


@pytest.mark.parametrize(
    ("lines", "name", "message"),
    [
        (("question", "where?"), None, "csv:1: no column `entry`. The columns are ('question',)"),
        (("question,no", "where?,a"), "nr", "csv:1: no column `nr`"),
        (("question,id", "where?,"), "id", "csv:2: column `id`: the cell is empty (and no other"),
        (("question,id", "a?,b", "where?,c"), None, "csv:3: column `id`: the FAQ has no entry 'c'"),
        (("question,id", ",a"), None, "csv:2: column `question`: the cell is empty"),
    ],
)
def test_what_cannot_be_used_is_an_error(tmp_path, lines, name, message):
    """With the line and the column."""
    with pytest.raises(TableError, match=re.escape(message)):
        read_asked(write(tmp_path, *lines), ENTRIES, entry=name)
