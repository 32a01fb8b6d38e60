"""Entries: ids, titles, and tables that contradict themselves."""

import re

import pytest

from losslayer.faq import Entry, examples, read_examples
from losslayer.text import TableError


def write(tmp_path, *lines):
    path = tmp_path / "faq.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_id_with_spaces_is_the_title(tmp_path):
    """Entries come in the order of the table; `right` are their places."""
    path = write(tmp_path, "question,entry", "a?,top_up", "b?,card", "c?,top_up")
    read = read_examples(path)
    assert read.entries == [Entry("top_up", "top up"), Entry("card", "card")]
    assert read.questions == ["a?", "b?", "c?"]
    assert read.right.tolist() == [0, 1, 0]
    assert len(read) == 3


def test_titles_may_have_a_column(tmp_path):
    """Then the id can be anything."""
    path = write(tmp_path, "question,entry,name", "a?,7,Top up", "b?,8,我的卡", "c?,7,Top up")
    read = read_examples(path, title="name")
    assert read.entries == [Entry("7", "Top up"), Entry("8", "我的卡")]


def test_an_entry_with_two_titles_is_an_error(tmp_path):
    """One entry has one title; the message names the line that says otherwise."""
    path = write(tmp_path, "question,entry,name", "a?,7,Top up", "b?,8,x", "c?,7,Topping up")
    with pytest.raises(TableError, match=r"csv:4: column `name`: .* entry `7` `Top up`"):
        read_examples(path, title="name")


def test_one_entry_is_too_few(tmp_path):
    """Without a second entry no title is wrong."""
    with pytest.raises(TableError, match="all rows have the same entry"):
        read_examples(write(tmp_path, "question,entry", "a?,x", "b?,x"))


def test_a_test_table_has_the_entries_of_the_training(tmp_path):
    """Places are those of the training table; an unknown entry is an error with its line."""
    known = [Entry("card", "card"), Entry("top_up", "top up")]
    path = write(tmp_path, "question,entry", "a?,top_up", "b?,card")
    assert read_examples(path, entries=known).right.tolist() == [1, 0]
    path = write(tmp_path, "question,entry", "a?,top_up", "b?,loan")
    message = "csv:3: column `entry`: no training question has the entry `loan`"
    with pytest.raises(TableError, match=re.escape(message)):
        read_examples(path, entries=known)


def test_examples_from_lists():
    """Without a file: questions, ids and titles as they come."""
    made = examples(["a", "b"], ["x_1", "y"], {"y": "Why"})
    assert made.entries == [Entry("x_1", "x 1"), Entry("y", "Why")]
    with pytest.raises(ValueError, match="must be of one length"):
        examples(["a"], [])
