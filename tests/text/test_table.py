"""Tables: what is read, and what the message says when it can't be."""

import re

import pytest

import losslayer as ll
from losslayer.text import TableError, read_table


def write(tmp_path, content, name="faq.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_are_found_by_name_in_any_order(tmp_path):
    """Other columns and blank lines are skipped, cells are stripped."""
    path = write(tmp_path, "id,text,entry\n1, Where? ,a\n\n2,How?,b\n")
    table = read_table(path, ["entry", "text"])
    assert table["text"] == ["Where?", "How?"]
    assert table["entry"] == ["a", "b"]
    assert table.lines == [2, 4]
    assert len(table) == 2


def test_quoted_cells_may_hold_commas_and_line_breaks(tmp_path):
    """A row's line is the one where it starts, also behind a cell of several lines."""
    path = write(tmp_path, 'text,entry\r\n"one,\r\ntwo",a\r\n"say ""hi""",b\r\n')
    table = read_table(path, ["text"])
    assert table["text"] == ["one,\r\ntwo", 'say "hi"']
    assert table.lines == [2, 4]


def test_tsv_has_no_quoting(tmp_path):
    """In a TSV a double quote is a character like any other."""
    path = write(tmp_path, 'text\tentry\n"a, b\tx\n', "faq.tsv")
    assert read_table(path, ["text", "entry"])["text"] == ['"a, b']


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    """Spreadsheets write a mark before the first column's name."""
    path = write(tmp_path, b"\xef\xbb\xbftext\nwo?\n")
    assert read_table(path, ["text"])["text"] == ["wo?"]


def test_unusual_line_separators_inside_a_cell_end_no_row(tmp_path):
    """Only line feeds and carriage returns separate rows."""
    path = write(tmp_path, "text,entry\na\u2028b\x0bc,x\nd,y\n")
    table = read_table(path, ["text"])
    assert table["text"] == ["a\u2028b\x0bc", "d"]
    assert table.lines == [2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "faq.csv: the file is empty"),
        ("text,entry\n", "faq.csv: no rows"),
        ("question,entry\na,b\n", "faq.csv:1: no column `text`. The columns are ('question',"),
        ("text,entry,text\na,b,c\n", "faq.csv:1: more than one column is named `text`"),
        ("text,entry\na,b\nc,  \n", "faq.csv:3: column `entry`: the cell is empty"),
        ("text,entry\na,b\nc\n", "faq.csv:3: 1 fields where the first line names 2"),
        ("text,entry\na, b, c\n", "faq.csv:2: 3 fields"),
        ('text,entry\na,b\n"open,b\nc,d\n', "faq.csv:3: not a row of a table"),
        (b"text,entry\na,b\ncaf\xe9,b\n", "faq.csv:3: not UTF-8 (byte 0xe9)"),
        ("text,entry\na,b\n".encode("utf-16"), "faq.csv:1: not UTF-8 (byte 0xff)"),
    ],
)
def test_errors_name_the_place(tmp_path, content, message):
    """What can't be read is an error with the file, the line and the column."""
    path = write(tmp_path, content)
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        read_table(path, ["text", "entry"])
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ll.LosslayerError)


def test_a_file_that_is_not_there(tmp_path):
    """A missing file and a folder are errors about the file."""
    with pytest.raises(TableError, match=r"no\.csv: there is no such file"):
        read_table(tmp_path / "no.csv", ["text"])
    with pytest.raises(TableError, match="can't be read"):
        read_table(tmp_path, ["text"])
