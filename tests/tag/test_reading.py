"""Files of columns, of segmented lines and of plain text, and what is wrong with some."""

import gzip

import pytest

from losslayer.tag import read
from losslayer.tag.reading import plain
from losslayer.tag.scheme import check_order, find_scheme
from losslayer.text import TableError
from tests.shared_data import shared_data


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and returns its path."""

    def write(content, name="data.conll"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_columns(written):
    """A word and its tag a line; comments and other columns are kept, empty lines separate."""
    path = written("# one\n\nRome NNP B-LOC\nfell  VBD O\n\n \n# # O\n# # O\n")
    first, second = read(path)
    assert (list(first.tokens), list(first.tags)) == (["Rome", "fell"], ["B-LOC", "O"])
    assert (list(first.lines), first.comments) == ([3, 4], ["# one"])
    assert first.rows[1] == ["fell", "VBD", "O"]
    assert (list(second.tokens), list(second.lines)) == (["#", "#"], [7, 8])


def test_columns_between_tabs(written):
    """A word may hold a space there; columns are named from either end; a BOM is no word."""
    path = written(b"\xef\xbb\xbf1\t10 000\tB-N\tx\r\n2\tmen\tO\ty\r\n")
    [sentence] = read(path, word=1, tag=-2)
    assert (list(sentence.tokens), list(sentence.tags)) == (["10 000", "men"], ["B-N", "O"])


def test_segmented_text(written):
    """Lines of words, and rows of words: the same characters and tags."""
    lines = read(written("最后 决定 的\n\n人\n"), "lines")
    rows = read(written("1\t最后\n2\t决定\n3\t的\n\n1\t人\n"), "words", word=1)
    for found in (lines, rows):
        assert ["".join(s.tokens) for s in found] == ["最后决定的", "人"]
        assert ["".join(s.tags) for s in found] == ["BEBES", "S"]
    assert list(rows[0].lines) == [1, 1, 2, 2, 3]


def test_packed(written):
    """A `.gz` is read as what is in it; one that is damaged is refused."""
    packed = gzip.compress(b"Rome B-LOC\n")
    [sentence] = read(written(packed, "data.conll.gz"))
    assert list(sentence.tokens) == ["Rome"]
    wrong = packed[:14] + b"\xff\xff" + packed[16:]
    for broken, lines in ((packed[:-9], 1), (b"Rome B-LOC\n", 0), (wrong, 0)):
        message = rf"data.conll.gz: can't be unpacked after line {lines} \("
        with pytest.raises(TableError, match=message):
            read(written(broken, "data.conll.gz"))
    with pytest.raises(TableError, match=r"data.conll.gz:2: not UTF-8 \(byte 0xe9\)"):
        read(written(gzip.compress(b"Rome B-LOC\ncaf\xe9 O\n"), "data.conll.gz"))


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("", {}, "data.conll: holds no sentence"),
        ("\n \n# a\n", {}, "data.conll: holds no sentence"),
        ("a O\nb\n", {}, "data.conll:2: 1 columns, where the first line has 2"),
        ("a O\n# x y\n", {}, "data.conll:2: 3 columns, where the first line has 2"),
        ("a\nb\n", {}, "data.conll:1: 1 columns, and column 0 would be both word and tag"),
        ("a O\n", {"tag": 2}, "data.conll:1: 2 columns, so there is no --tag 2"),
        ("a O\n", {"word": -3}, "data.conll:1: 2 columns, so there is no --word -3"),
        ("a\tO\n\tO\n", {}, "data.conll:2: the column of the word is empty"),
        ("a\tO\nb\t \n", {}, "data.conll:2: the column of the tag is empty"),
        (b"a O\n\ncaf\xe9 O\n", {}, "data.conll:3: not UTF-8 (byte 0xe9)"),
        (b"a O\nb\0 O\n", {}, "data.conll:2: holds a NUL"),
        ("a O\n" + "b" * 2**20, {}, "data.conll:2: 1,048,576 characters; at most 131,072"),
        ("a " * 2**19, {"format": "lines"}, "data.conll:1: 1,048,576 characters; at most"),
        ("1\ta b\n", {"format": "words", "word": 1}, "data.conll:1: a space within the word"),
        ("1-2" + "\ta" * 9, {}, "data.conll:1: 1-2 is a row of CoNLL-U"),
    ],
)
def test_what_cannot_be_read(written, content, arguments, message):
    """The file, the line and what is wrong."""
    with pytest.raises(TableError) as raised:
        read(written(content), **arguments)
    assert str(raised.value).split("/")[-1].startswith(message)


def test_no_such_file(tmp_path):
    with pytest.raises(TableError, match="there is no such file"):
        read(tmp_path / "a.conll")


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O B-x I-x B-y", "BIO"),
        ("O B-x E-x S-y", "BIOES"),
        ("B M E S", "BMES"),
        ("O B-x L-x U-y", "BILOU"),
    ],
)
def test_the_scheme_is_found_by_the_letters(written, tags, scheme):
    sentences = read(written("".join(f"w {tag}\n" for tag in tags.split())))
    assert find_scheme(sentences) == scheme
    assert find_scheme(sentences, "none") == "none"


def test_tags_of_no_scheme(written):
    """The first one is named, with its line; so it is with a scheme that was given."""
    sentences = read(written("w O\nw B-x\n\nw NN\n"))
    with pytest.raises(TableError, match=r"data.conll:4: the tag 'NN' is not of the scheme BIO or"):
        find_scheme(sentences)
    with pytest.raises(TableError, match=r"data.conll:1: the tag 'O' is not of the scheme ABC|one"):
        find_scheme(read(written("w E-x\nw U-x\n")))
    with pytest.raises(TableError, match=r"data.conll:2: the tag 'S-x' is not of the scheme BIO,"):
        find_scheme(read(written("w O\nw S-x\n")), "BIO")
    with pytest.raises(ValueError, match="`scheme` must be one of"):
        find_scheme(sentences, "IOB")


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        ("O I-x", "BIO", ":2: in BIO, 'I-x' can't follow 'O'"),
        ("I-x O", "BIO", ":1: in BIO, 'I-x' can't follow the start of a sentence"),
        ("O B-x", "BIOES", ":2: in BIOES, the end of a sentence can't follow 'B-x'"),
    ],
)
def test_tags_in_an_order_that_the_scheme_does_not_have(written, tags, scheme, message):
    """A CRF can't learn from it: an error with the line."""
    path = written("".join(f"w {tag}\n" for tag in tags.split()))
    with pytest.raises(TableError, match=message):
        check_order(read(path), sorted(tags.split()), scheme)
    check_order(read(path), sorted(tags.split()), "none")


def test_plain_text():
    """Signs at the ends of words are tokens; where words stand between spaces, they are not."""
    line = "Dr. Wu's U.S. team, 3.5 km (e-mail)!\n"
    [sentence] = plain([line, "\n"], "-", segment=False)
    expected = "Dr . Wu's U.S . team , 3.5 km ( e-mail ) !"
    assert " ".join(sentence.tokens) == expected
    [sentence] = plain([line], "-", segment=False, spaces=True)
    assert list(sentence.tokens) == line.split()
    [sentence] = plain(["我 是\u3000人\n"], "-", segment=True)
    assert ("".join(sentence.tokens), list(sentence.breaks)) == ("我是人", [0, 1, 2])


def test_public_data():
    """CoNLL-2000 has as many sentences and words as is said of it, `#` among the words."""
    sentences = read(shared_data("conll2000") / "train.txt.gz")
    assert (len(sentences), sum(len(s.tokens) for s in sentences)) == (8936, 211727)
    assert sum(token == "#" for s in sentences for token in s.tokens) == 36
    assert find_scheme(sentences) == "BIO"
    assert not any(sentence.comments for sentence in sentences)
