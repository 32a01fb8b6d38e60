"""Tables: what is read, and what the message says when it can't be."""

import csv
import json
import re

import numpy as np
import pyarrow
import pyarrow.parquet
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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "faq.csv",
            "text;entry\na;b\n",
            "faq.csv:1: no column `text`. The columns are ('text;entry',",
        ),
        ("faq.csv", "\n\nquestion,entry\na,b\n", "faq.csv:3: no column `text`"),
        ("faq.csv", "text,entry\n".encode("utf-16-le"), "faq.csv:1: no column `text`. The columns"),
        (
            "faq.csv",
            'text,entry\n"a,b\nc,d"\n',
            "2: 1 fields where the first line names 2, and it ends on line 3",
        ),
        ("faq.csv", "text,entry\na\0b,c\n", "faq.csv:2: column `text`: it holds a character"),
        (
            "faq.csv",
            b"PK\x03\x04\xff",
            "faq.csv:1: not UTF-8 (byte 0xff). The file begins like an Excel",
        ),
        (
            "faq.csv",
            f"text,entry\n{'x' * 131_073},c\n",
            "column `text`: 131,073 characters; at most 131,072",
        ),
        ("faq.xlsx", "", "faq.xlsx: .xlsx files can't be read. Save the sheet as CSV"),
        ("faq.json", "[]", "faq.json: .json files can't be read. Write one object a line"),
        ("faq.jsonl", "", "faq.jsonl: no rows"),
        (
            "faq.jsonl",
            '{"text": "a"}\n',
            "faq.jsonl:1: no column `entry`. The columns are ('text',)",
        ),
        (
            "faq.jsonl",
            '\n{"text": "a", "entry": 1}\n{"text": "b"}\n',
            "faq.jsonl:3: column `entry`: the cell is empty",
        ),
        (
            "faq.jsonl",
            '{"text": "a", "entry": "b", "text": "c"}\n',
            "faq.jsonl:1: not JSON (a name comes twice)",
        ),
        (
            "faq.jsonl",
            '{"text": "a", "entry": ["b"]}\n',
            "column `entry`: must be a text or an integer. Received: ['b']",
        ),
        (
            "faq.jsonl",
            '{"text": "a", "entry": true}\n',
            "must be a text or an integer. Received: True",
        ),
        (
            "faq.jsonl",
            '{"text": "\\ud83d", "entry": "b"}\n',
            "faq.jsonl:1: column `text`: it holds a character",
        ),
        ("faq.jsonl", "{'text': 1}\n", "faq.jsonl:1: not JSON (Expecting property name"),
        ("faq.jsonl", "[1]\n", "faq.jsonl:1: must be a JSON object. Received: [1]"),
        ("faq.jsonl", "[" * 100_000, "faq.jsonl:1: not JSON ("),
        ("faq.jsonl", b'{"text": "caf\xe9", "entry": 1}', "faq.jsonl:1: not UTF-8 (byte 0xe9)"),
        ("faq.parquet", b"PAR1 and then nothing", "faq.parquet: can't be read as Parquet ("),
    ],
)
def test_errors_of_all_formats(tmp_path, name, content, message):
    """Each says in one line what is wrong, where, and what to do."""
    path = write(tmp_path, content, name)
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        read_table(path, ["text", "entry"])
    assert "\n" not in str(caught.value)


def parquet(path, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_formats_hold_the_same_table(tmp_path):
    """CSV, TSV, JSONL and Parquet of the same rows are read the same; numbers of rows for lines."""
    rows = [("Where is\tmy card?", "7"), ("我的卡在哪里？", "8"), ("😀, “so”", "7")]
    csv_file, jsonl = tmp_path / "a.csv", tmp_path / "a.jsonl"
    with csv_file.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "entry"), *rows])
    lines = (json.dumps({"text": text, "entry": int(entry)}) for text, entry in rows)
    jsonl.write_text("\r\n".join(lines))
    texts, entries = zip(*rows)
    arrow = parquet(tmp_path / "a.parquet", text=texts, entry=[int(entry) for entry in entries])
    for path, where in ((csv_file, [2, 3, 4]), (jsonl, [1, 2, 3]), (arrow, [1, 2, 3])):
        table = read_table(path, ["text", "entry"])
        assert (table["text"], table["entry"]) == (list(texts), list(entries)), path
        assert table.lines == where
    tsv = write(tmp_path, "text\tentry\n我\t7\n", "a.tsv")
    assert read_table(tsv, ["entry", "text"])["text"] == ["我"]


def test_parquet_errors_name_the_row(tmp_path):
    """Without lines, the number of the row; a missing value is an empty cell."""
    path = parquet(tmp_path / "a.parquet", text=["a", None], entry=[1.5, 2.5])
    with pytest.raises(TableError, match=r"a\.parquet: row 2: column `text`: the cell is empty"):
        read_table(path, ["text"])
    with pytest.raises(TableError, match=r"row 1: column `entry`: must be a text .*: 1\.5"):
        read_table(path, ["entry"])
    with pytest.raises(
        TableError, match=r"a\.parquet: no column `title`. The columns are \('text'"
    ):
        read_table(path, ["title"])


def test_damaged_parquet_files_are_errors_or_read(tmp_path):
    """Whatever bit is flipped: a table or a `TableError`, never anything else."""
    raw = parquet(tmp_path / "a.parquet", text=["a", "b"] * 20).read_bytes()
    path, random, refused = tmp_path / "b.parquet", np.random.default_rng(0), 0
    for place in random.integers(0, len(raw) * 8, 200):
        damaged = bytearray(raw)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            read_table(path, ["text"], drop=True)
        except TableError:
            refused += 1
    assert refused > 50


def test_optional_columns_may_be_empty_or_missing(tmp_path):
    """Their cells are empty texts then."""
    path = write(tmp_path, "text,group\na,x\nb,\n")
    table = read_table(path, ["text"], ["group", "language"])
    assert (table["group"], table["language"]) == (["x", ""], ["", ""])
    path = write(tmp_path, '{"text": "a"}\n{"text": "b", "group": "x"}\n', "a.jsonl")
    assert read_table(path, ["text"], ["group"])["group"] == ["", "x"]


def test_a_file_without_names_takes_those_given(tmp_path):
    """Then its first line is a row; a file that has names itself refuses others."""
    path = write(tmp_path, "a\tb\nc\td\n", "a.tsv")
    table = read_table(path, ["text"], names=["entry", "text"])
    assert (table["text"], table.lines) == (["b", "d"], [1, 2])
    with pytest.raises(TableError, match=r"tsv:1: 2 fields where the names are 3\. Put"):
        read_table(path, ["text"], names=["entry", "text", "more"])
    with pytest.raises(TableError, match="names its columns itself"):
        read_table(write(tmp_path, "{}", "a.jsonl"), ["text"], names=["text"])


def test_rows_that_are_dropped_are_listed(tmp_path):
    """With `drop`, every row is either kept or listed with its line and what is wrong."""
    rows = ["text,entry", "a,1", ",2", "c", '"d', 'd",4', f"{'e' * 131_073},5", "f,6"]
    table = read_table(write(tmp_path, "\n".join(rows)), ["text", "entry"], drop=True)
    assert table["text"] == ["a", "d\nd", "f"]
    assert table.lines == [2, 5, 8]
    assert [(problem.line, problem.column) for problem in table.dropped] == [
        (3, "text"),
        (4, ""),
        (7, "text"),
    ]
    assert "the cell is empty" in str(table.dropped[0])
    left = table.without({1: ("text", "not this one")})
    assert left["text"] == ["a", "f"]
    assert [problem.line for problem in left.dropped] == [3, 4, 5, 7]
    with pytest.raises(TableError, match=r"csv:2: column `entry`: .* no other row of 2 can be"):
        read_table(write(tmp_path, "text,entry\na,\n,b\n"), ["text", "entry"], drop=True)
    strict = read_table(write(tmp_path, "text\na\n"), ["text"])
    with pytest.raises(TableError, match="csv:2: column `text`: not this one"):
        strict.without({0: ("text", "not this one")})


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_lines_and_counts_of_many_rows(tmp_path, count):
    """Cells of several lines, empty ones and blank lines: each row is kept or dropped, by line."""
    random = np.random.default_rng(1)
    kinds = random.integers(0, 20, count).tolist()
    path, line, kept, dropped = tmp_path / "many.csv", 2, [], []
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("text,entry\r\n")
        for number, kind in enumerate(kinds):
            breaks = kind if kind in (1, 2) else 0
            more = "\n银" * breaks
            text = "" if kind == 3 else f'"""{number}""{more}"'
            file.write(f"{text},{number}\r\n" + "\r\n" * (kind == 4))
            (dropped if kind == 3 else kept).append(line)
            line += 1 + breaks + (kind == 4)
    table = read_table(path, ["text", "entry"], drop=True)
    assert table.lines == kept
    assert [problem.line for problem in table.dropped] == dropped
    assert [int(entry) for entry in table["entry"]] == [n for n, k in enumerate(kinds) if k != 3]
    assert csv.field_size_limit() == 131_072, "the limit of others is as it was"


def test_a_file_that_is_not_there(tmp_path):
    """A missing file and a folder are errors about the file."""
    with pytest.raises(TableError, match=r"no\.csv: there is no such file"):
        read_table(tmp_path / "no.csv", ["text"])
    with pytest.raises(TableError, match="can't be read"):
        read_table(tmp_path, ["text"])
