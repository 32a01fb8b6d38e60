"""An FAQ and pairs from tables: entries, and what is dropped."""

import re

import pytest

from losslayer.faq import Entry, read_faq, read_pairs
from losslayer.text import TableError
from tests.shared_data import shared_data


def write(tmp_path, *lines, name="faq.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_row_is_an_entry(tmp_path):
    """Without ids the line is the id; the FAQ's own questions are the questions."""
    faq = read_faq(write(tmp_path, "answer,question", "Here.,Where?", "So.,How?"))
    assert faq.entries == [Entry("2", "Where?", "Here.", "Here."), Entry("3", "How?", "So.", "So.")]
    assert faq.questions == ["Where?", "How?"]
    assert faq.right.tolist() == [0, 1]
    assert faq.table.lines == [2, 3]


def test_rows_of_one_id_are_questions_of_one_entry(tmp_path):
    """The first gives title, group and language; the answer must be the same text."""
    path = write(
        tmp_path,
        "id,question,answer,group,language",
        "a,Where?,Here.,cards,en",
        "b,怎样？,这样。,,zh",
        "a,Where is it?,here. ,,",
    )
    faq = read_faq(path)
    assert faq.entries == [
        Entry("a", "Where?", "Here.", "Here.", "cards", "en"),
        Entry("b", "怎样？", "这样。", "这样。", "", "zh"),
    ]
    assert faq.right.tolist() == [0, 1, 0]
    assert faq.entries[0].encoded == "Here."
    assert Entry("a", "title").encoded == "title"


def test_rows_that_cannot_be_used_are_dropped_and_listed(tmp_path):
    """Empty cells, a missing id, an id with two answers; or the first of them is an error."""
    path = write(
        tmp_path,
        "id,question,answer",
        "a,Where?,Here.",
        "b,How?,",
        "a,When?,Now.",
        ",Why?,So.",
        "c,Who?,I.",
    )
    faq = read_faq(path)
    assert [entry.id for entry in faq.entries] == ["a", "c"]
    assert [(row.line, row.column, row.problem) for row in faq.table.dropped] == [
        (3, "answer", "the cell is empty"),
        (4, "answer", "the id 'a' has another answer in line 2"),
        (5, "id", "the cell is empty, and other rows have one"),
    ]
    with pytest.raises(TableError, match=r"csv:3: column `answer`: the cell is empty"):
        read_faq(path, drop=False)


def test_columns_may_have_other_names(tmp_path):
    """Names of the columns are arguments."""
    path = write(tmp_path, "frage,antwort,nr", "a,b,1", "c,d,2")
    faq = read_faq(path, question="frage", answer="antwort", id="nr")
    assert faq.entries == [Entry("1", "a", "b", "b"), Entry("2", "c", "d", "d")]
    with pytest.raises(TableError, match=re.escape("csv:1: no column `question`")):
        read_faq(path)


def test_one_entry_is_too_few(tmp_path):
    """There would be nothing to choose from."""
    with pytest.raises(TableError, match="only one entry"):
        read_faq(write(tmp_path, "id,question,answer", "a,b,c", "a,d,c"))


def test_pairs_belong_to_the_entries(tmp_path):
    """A question of an entry that the FAQ lacks is dropped and listed."""
    entries = [Entry("7", "Where?"), Entry("8", "How?")]
    path = write(
        tmp_path, '{"question": "a", "id": 8}', '{"question": "b", "id": 9}', name="p.jsonl"
    )
    pairs = read_pairs(path, entries)
    assert (pairs.questions, pairs.right.tolist(), pairs.entries) == (["a"], [1], entries)
    assert [str(row) for row in pairs.table.dropped] == [
        f"{path}:2: column `id`: the FAQ has no entry '9'"
    ]
    with pytest.raises(
        TableError, match=re.escape("p.jsonl:2: column `id`: the FAQ has no entry '9'")
    ):
        read_pairs(path, entries, drop=False)
    with pytest.raises(TableError, match="no other row of 2 can be used"):
        read_pairs(path, [Entry("1", "a"), Entry("2", "b")])


@pytest.mark.parametrize(("file", "count"), [("debian_faq.zh", 145), ("python_faq.en", 174)])
def test_tables_without_names(file, count):
    """The FAQs of Debian and Python: their first line is a row."""
    path = shared_data("faq_docs") / f"{file}.tsv"
    faq = read_faq(path, names=["id", "question", "answer"])
    assert len(faq.entries) == len(faq) == count
    lines = path.read_text(encoding="utf-8").split("\n")
    for entry, line in zip(faq.entries, lines):
        assert [entry.id, entry.title, entry.answer] == [cell.strip() for cell in line.split("\t")]
    with pytest.raises(TableError, match=r"tsv:1: no column `question`\. .* Put a line above it"):
        read_faq(path)
