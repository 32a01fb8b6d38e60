"""Reading sentences: columns as in CoNLL's files, segmented lines, and plain text."""

import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from losslayer import options
from losslayer.tag.sentences import Sentence, from_text, from_words
from losslayer.text import TableError
from losslayer.text.opened import opened

# Characters of a line, at most. What is longer is no sentence.
LONGEST = 131_072

FORMATS = ("columns", "words", "lines")

# A row of CoNLL-U that stands for several tokens or for one that isn't said: "3-4", "8.1".
_RANGE = re.compile(r"\d+[-.]\d+")
# A word, with signs within it; any other sign by itself.
_WORD = re.compile(r"\w+(?:[-.,:'’/&]\w+)*|\S")


def read(
    path: str | PathLike[str], format: str = "columns", word: int = 0, tag: int | None = -1
) -> list[Sentence]:
    """Read the sentences of a file in UTF-8, plain or `.gz`.

    Args:
        path: The file.
        format: What is in it:
            "columns", a token on each line, in columns between tabs or, where a line has no tab,
            spaces; an empty line between sentences. All lines have as many columns as the first.
            A line in front of a sentence that begins with `#` and has another number of columns is
            a comment;
            "words", the same, but only the words count: their characters are to be tagged;
            "lines", a sentence a line, with spaces between its words: likewise.
        word: The column of the words, from 0; negative from the last, -1.
        tag: The column of the tags; None: there are none.

    Raises:
        losslayer.text.TableError: The file can't be read as such; the message names the line.

    Example:
        >>> _ = Path("train.txt").write_text("Rome NNP B-LOC\\nfell VBD O\\n\\nOh UH O\\n")
        >>> [(list(s.tokens), list(s.tags)) for s in read("train.txt")]
        [(['Rome', 'fell'], ['B-LOC', 'O']), (['Oh'], ['O'])]
    """
    options.choice("read", "format", format, FORMATS)
    with opened(Path(path)) as file:
        if format == "lines":
            found = [*segmented(file, str(path))]
        else:
            found = [*columns(file, str(path), word, tag if format == "columns" else None)]
    if not found:
        raise TableError(f"{path}: holds no sentence")
    return [*map(joined, found)] if format == "words" else found


def columns(
    lines: Iterable[str], path: str, word: int = 0, tag: int | None = -1
) -> Iterator[Sentence]:
    """The sentences of lines in columns; `path` is their name in errors."""
    count = None  # of the columns
    rows: list[list[str]] = []
    numbers: list[int] = []
    comments: list[str] = []

    def sentence() -> Sentence:
        tags = [row[tag] for row in rows] if tag is not None else []
        return Sentence([row[word] for row in rows], tags, path, numbers, rows, comments)

    for number, line in _numbered(lines, path):
        if not line.strip():
            if rows:
                yield sentence()
                rows, numbers, comments = [], [], []
            continue
        row = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
        if line.startswith("#") and not rows and len(row) != count:
            comments.append(line)
            continue
        if count is None:
            count = len(row)
            _check_columns(f"{path}:{number}", count, word, tag)
        _check_row(f"{path}:{number}", row, count, word, tag)
        rows.append(row)
        numbers.append(number)
    if rows:
        yield sentence()


def segmented(lines: Iterable[str], path: str) -> Iterator[Sentence]:
    """The characters of lines whose words stand between spaces."""
    for number, line in _numbered(lines, path):
        if words := line.split():
            yield from_words(words, path, [number] * len(words))


def plain(
    lines: Iterable[str], path: str, segment: bool, spaces: bool = False
) -> Iterator[Sentence]:
    """The tokens of plain text, a sentence a line.

    Args:
        lines: The lines.
        path: Their name in errors.
        segment: Whether tokens are characters. Then the spaces of a line are in no token, but no
            word will go across one.
        spaces: Whether words are what stands between spaces; else signs at the ends of words are
            tokens of their own too.
    """
    for number, line in _numbered(lines, path):
        words = line.split() if segment or spaces else _WORD.findall(line)
        if words:
            make = from_text if segment else _untagged
            yield make(words, path, [number] * len(words))


def _numbered(lines: Iterable[str], path: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without their ends."""
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise TableError(
                f"{path}:{number}: {len(line):,} characters; at most {LONGEST:,} may be in a line. "
                "Is a line break missing?"
            )
        if "\0" in line:
            raise TableError(f"{path}:{number}: holds a NUL, which no text does; is it UTF-16?")
        yield number, line.rstrip("\r\n")


def _check_columns(where: str, count: int, word: int, tag: int | None) -> None:
    """Raise an error if there are no such columns."""
    for name, place in (("word", word), ("tag", tag)):
        if place is not None and not -count <= place < count:
            raise TableError(
                f"{where}: {count} columns, so there is no --{name} {place}; they count from 0, or "
                "from the last one, -1"
            )
    if tag is not None and word % count == tag % count:
        raise TableError(
            f"{where}: {count} columns, and column {word % count} would be both word and tag. "
            "Separate them with a tab or spaces, or name them with --word and --tag"
        )


def _check_row(where: str, row: list[str], count: int, word: int, tag: int | None) -> None:
    if len(row) != count:
        raise TableError(f"{where}: {len(row)} columns, where the first line has {count}")
    for name, place in (("word", word), ("tag", tag)):
        if place is not None and not row[place].strip():
            raise TableError(f"{where}: the column of the {name} is empty")
    if count == 10 and _RANGE.fullmatch(row[0]):
        raise TableError(
            f"{where}: {row[0]} is a row of CoNLL-U that stands for several words or none. Take "
            "such rows out"
        )


def _untagged(words: list[str], path: str, lines: list[int]) -> Sentence:
    return Sentence(words, (), path, lines)


def joined(sentence: Sentence) -> Sentence:
    """The characters of a sentence of words, tagged with where these begin and end."""
    for place, word in enumerate(sentence.tokens):
        if word.split() != [word]:
            raise TableError(f"{sentence.where(place)}: a space within the word {word!r:.60}")
    return from_words(sentence.tokens, sentence.path, sentence.lines)
