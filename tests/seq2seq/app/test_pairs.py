"""Pairs from tables, parallel files and lists; what can't be used is named, never lost."""

import gzip

import pytest

import losslayer as ll
from losslayer.seq2seq import pairs, read_pairs
from losslayer.text import TableError


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_table_with_a_header(tmp_path):
    """Columns by name, in NFC, with single spaces."""
    path = write(tmp_path / "a.csv", "word,sounds\ncafe\u0301,K  AE F EY\ncat,K AE T\n")
    found = read_pairs(path, "word", "sounds")
    assert found.sources == ["café", "cat"]
    assert found.targets == ["K AE F EY", "K AE T"]
    assert found.report() == f"{path}: 2 pairs"


def test_a_table_without_a_header(tmp_path):
    """As SIGMORPHON has them: a word, a tab, its segments; quotes are letters like others."""
    path = write(tmp_path / "a.tsv", "'s\tə s\n\"t\tt\nhuis\th œy s\n")
    found = read_pairs(path, header=False)
    assert found.sources == ["'s", '"t', "huis"]
    assert found.targets[2] == "h œy s"
    with pytest.raises(TableError, match=r"a.tsv:1: no column `source`.*say `header = false`"):
        read_pairs(path)


@pytest.mark.parametrize("kind", ["plain", "gz"])
def test_parallel_files(tmp_path, kind):
    """The lines of one number belong together; only line feeds end them."""
    left, right = "ein Hund\r\nzwei\u2028Hunde\nd\x0crei\n", "a dog\ntwo dogs\nthree"
    if kind == "gz":
        paths = [tmp_path / "a.de.gz", tmp_path / "a.en.gz"]
        write(paths[0], gzip.compress(left.encode()))
        write(paths[1], gzip.compress(right.encode()))
    else:
        paths = [write(tmp_path / "a.de", left), write(tmp_path / "a.en", "\ufeff" + right)]
    found = read_pairs(paths)
    assert found.sources == ["ein Hund", "zwei Hunde", "d rei"]
    assert found.targets == ["a dog", "two dogs", "three"]


def test_unequal_line_counts(tmp_path):
    """Both counts are said, whichever file is the longer one."""
    long, short = write(tmp_path / "long", "a\n" * 1234), write(tmp_path / "short", "a\n" * 1200)
    for paths in ([long, short], [short, long]):
        with pytest.raises(TableError) as caught:
            read_pairs(paths, drop=True)
        assert str(caught.value).startswith(f"{long}: 1,234 lines, but {short} has 1,200; line n")


def test_what_is_left_out_is_counted(tmp_path):
    """Empty lines and a line of a megabyte: how many, why, and where the first is."""
    left = write(tmp_path / "a.de", "eins\n\nzwei\n  \n" + "x" * 1_000_000 + "\nvier\n")
    right = write(tmp_path / "a.en", "one\n?\n\ntwo\nbig\nfour\n")
    found = read_pairs([left, right], drop=True)
    assert found.sources == ["eins", "vier"]
    assert found.targets == ["one", "four"]
    assert [problem.line for problem in found.left_out] == [2, 3, 4, 5]
    assert found.report() == (
        f"{left} and {right}: 2 pairs; 4 left out: 3 because the line is empty (first at {left}:2)"
        f"; 1 because a line has more than 131,072 characters (first at {left}:5)"
    )
    with pytest.raises(TableError, match=r"a.de:2: the line is empty"):
        read_pairs([left, right])


def test_a_table_leaves_out_the_same(tmp_path):
    """Rows of a table that can't be used, likewise."""
    path = write(tmp_path / "a.tsv", "source\ttarget\na\tb\n\tc\nd\t" + "x" * 200_000 + "\n")
    found = read_pairs(path, drop=True)
    assert (found.sources, [problem.line for problem in found.left_out]) == (["a"], [3, 4])
    with pytest.raises(TableError, match="a.tsv:3: column `source`: the cell is empty"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("gut\ncaf\xe9\n".encode("latin-1"), r"a.de:2: not UTF-8 \(byte 0xe9\)"),
        (b"", "no lines to read"),
        (b"\n\n", "a.de:1: the line is empty"),
        (None, "a.de: there is no such file"),
    ],
)
@pytest.mark.parametrize("drop", [False, True])
def test_files_that_cant_be_read(tmp_path, content, message, drop):
    """File and line, whether rows may be left out or not."""
    if content is not None:
        write(tmp_path / "a.de", content)
    count = 0 if content is None else content.count(b"\n")
    paths = [tmp_path / "a.de", write(tmp_path / "a.en", "one\n" * count)]
    with pytest.raises(TableError, match=message):
        read_pairs(paths, drop=drop)


def test_a_damaged_gz(tmp_path):
    """Cut off in the middle, or no gzip file at all."""
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(5000)))
    good = write(tmp_path / "good.gz", whole)
    for content in (whole[: len(whole) // 2], b"plain text\n"):
        bad = write(tmp_path / "bad.gz", content)
        with pytest.raises(TableError, match=r"bad.gz: can't be unpacked after line \d+"):
            read_pairs([bad, good])


def test_lists():
    """From Python: as many sources as targets."""
    assert pairs([" a  b"], ["c"]).sources == ["a b"]
    assert pairs(["a"], ["b"]).digest() != pairs(["b"], ["a"]).digest()
    with pytest.raises(ll.ArgumentError, match="Received: 1 sources, 2 targets"):
        pairs(["a"], ["b", "c"])
    with pytest.raises(ll.ArgumentError, match="must be lists"):
        pairs("a", "b")
