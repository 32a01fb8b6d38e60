"""Sentences, their tags, and the chunks that tags spell out."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Sentence:
    """What is tagged: words, or the characters of a text that is to be cut into words.

    Attributes:
        tokens: The words or characters.
        tags: A tag for each token; empty where none are known.
        path: The file that it was read from.
        lines: The line of each token there.
        rows: What else the file says: the columns of each token.
        comments: Lines of the file in front of the sentence.
        breaks: Tokens in front of which a space stood, in text that is to be cut into words.
    """

    tokens: Sequence[str]
    tags: Sequence[str] = ()
    path: str = ""
    lines: Sequence[int] = ()
    rows: Sequence[Sequence[str]] = ()
    comments: Sequence[str] = ()
    breaks: Sequence[int] = ()

    def where(self, place: int) -> str:
        """Where a token is, for an error."""
        if self.lines:
            return f"{self.path}:{self.lines[place]}"
        return f"token {place + 1} of the sentence {' '.join(self.tokens)!r:.60}"


class Chunk(NamedTuple):
    """A run of tokens with a type; `start` counts from 0, `stop` is the first one behind it."""

    type: str
    start: int
    stop: int


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """The chunks of a sequence of tags, in their order.

    Any sequence is made sense of, as by CoNLL's evaluation script: a chunk begins with `B`, `S` or
    `U`, but also with any other tag after `O`, after the end of a chunk and after another type; it
    ends with `E`, `S`, `L` or `U`, and where the next begins.

    Example:
        >>> chunks(["B-NP", "I-NP", "O", "I-VP"])
        [Chunk(type='NP', start=0, stop=2), Chunk(type='VP', start=3, stop=4)]
    """
    found: list[Chunk] = []
    ended = True  # whether no chunk goes on behind the last token
    for place, tag in enumerate(tags):
        letter, _, kind = tag.partition("-")
        if letter == "O":
            ended = True
            continue
        if ended or letter in ("B", "S", "U") or found[-1].type != kind:
            found.append(Chunk(kind, place, place))
        found[-1] = found[-1]._replace(stop=place + 1)
        ended = letter in ("E", "S", "L", "U")
    return found


def from_words(words: Iterable[str], path: str = "", lines: Sequence[int] = ()) -> Sentence:
    """The characters of a segmented sentence, tagged with where words begin and end.

    Args:
        words: The words; what they join to is what a tagger will see.
        path: Where they come from.
        lines: The line of each word.

    Returns:
        Its tags are `S` for a word of one character, else `B`, `M`..., `E`.

    Example:
        >>> sentence = from_words(["最后", "决定", "的"])
        >>> "".join(sentence.tokens), "".join(sentence.tags)
        ('最后决定的', 'BEBES')
    """
    words = list(words)
    tags = [tag for word in words for tag in _word_tags(word)]
    places = [line for word, line in zip(words, lines) for _ in word]
    return Sentence([*"".join(words)], tags, path, places)


def _word_tags(word: str) -> str:
    return "S" if len(word) == 1 else f"B{'M' * (len(word) - 2)}E"


def from_text(pieces: Iterable[str], path: str = "", lines: Sequence[int] = ()) -> Sentence:
    """The characters of a text that is to be cut into words, from its pieces between spaces."""
    whole = from_words(pieces, path, lines)
    starts = [place for place, tag in enumerate(whole.tags) if tag in ("B", "S")]
    return Sentence(whole.tokens, (), path, whole.lines, breaks=starts)


def to_words(sentence: Sentence, tags: Sequence[str]) -> list[str]:
    """The words of a text whose characters have these tags; none goes across a space."""
    starts = sorted({*sentence.breaks, *(chunk.start for chunk in chunks(tags))})
    ends = [*starts[1:], len(sentence.tokens)]
    return ["".join(sentence.tokens[start:end]) for start, end in zip(starts, ends)]


def digest(sentences: Iterable[Sentence]) -> str:
    """SHA-256 of the tokens and tags, in hexadecimal."""
    found = hashlib.sha256()
    for sentence in sentences:
        found.update(json.dumps([*sentence.tokens, 0, *sentence.tags]).encode())
    return found.hexdigest()
