"""Sentences as batches of numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from losslayer.tag.sentences import Sentence, chunks
from losslayer.tag.vocabulary import Vocabulary
from losslayer.text import TableError, TokenBatches, pad

SHORTEST = 16  # the least length that sentences are padded to where tags are predicted


class Batches(TokenBatches):
    """`TokenBatches` of the views of sentences, and the letters of their words.

    Args:
        vocabulary: What has a number.
        sentences: None without a token; all with tags, or none.
        tokens: Tokens of a batch, padding included.
        **arguments: `seed` and others of `TokenBatches`.
    """

    def __init__(
        self, vocabulary: Vocabulary, sentences: Sequence[Sentence], tokens: int, **arguments: Any
    ) -> None:
        columns, self.spelling = _numbers(vocabulary, sentences)
        super().__init__(columns, tokens, texts=[*columns], **arguments)

    def __getitem__(self, batch: int) -> tuple[dict[str, np.ndarray]]:
        (x,) = super().__getitem__(batch)
        return (_with_letters(x, self.spelling),)


def batches_of(
    vocabulary: Vocabulary, sentences: Sequence[Sentence], tokens: int
) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
    """Batches to predict from, in few shapes whatever the number of sentences.

    Lengths are padded to powers of two, and rows are copied until a batch has as many as `tokens`
    allows, or where there are fewer, a power of two.

    Yields:
        The numbers of the sentences of a batch, and its views and letters; the rows behind these
        are copies.
    """
    columns, spelling = _numbers(vocabulary, sentences)
    buckets: dict[int, list[int]] = {}
    for row, sentence in enumerate(sentences):
        buckets.setdefault(_power(max(SHORTEST, len(sentence.tokens))), []).append(row)
    for time, all_rows in sorted(buckets.items()):
        size = min(max(1, tokens // time), _power(len(all_rows)))
        for start in range(0, len(all_rows), size):
            rows = all_rows[start : start + size]
            filled = rows + rows[:1] * (size - len(rows))
            x = {name: pad([ids[row] for row in filled], time) for name, ids in columns.items()}
            yield rows, _with_letters(x, spelling)


def _numbers(
    vocabulary: Vocabulary, sentences: Sequence[Sentence]
) -> tuple[dict[str, list[np.ndarray]], np.ndarray | None]:
    """Columns of numbers, and the letters of the words that the column `form` numbers."""
    columns = vocabulary.columns(sentences)
    if not vocabulary.letters:
        return columns, None
    # The letters of a word stand once in a table; its row 0 is padding's.
    words = ["", *sorted({word for sentence in sentences for word in sentence.tokens})]
    number = {word: place for place, word in enumerate(words)}
    forms = [np.array([number[word] for word in s.tokens], "int32") for s in sentences]
    return {**columns, "form": forms}, vocabulary.spelling(words)


def _with_letters(x: dict[str, np.ndarray], spelling: np.ndarray | None) -> dict[str, np.ndarray]:
    if spelling is not None:
        x["letters"] = spelling[x.pop("form")]
    return x


def _power(count: int) -> int:
    """The least power of two that is not below."""
    return 1 << (count - 1).bit_length()


def pieces(sentence: Sentence, longest: int) -> list[Sentence]:
    """A sentence with tags in pieces of at most `longest` tokens, cut where no chunk is.

    Raises:
        losslayer.text.TableError: A chunk is longer than that.
    """
    size = len(sentence.tokens)
    inside = {place for c in chunks(sentence.tags) for place in range(c.start + 1, c.stop)}
    found, start = [], 0
    while start < size:
        stop = min(start + longest, size)
        while stop in inside and stop > start:
            stop -= 1
        if stop == start:
            raise TableError(
                f"{sentence.where(start)}: a chunk of more than {longest} tokens begins here. "
                "Raise --longest, or mend the tags"
            )
        found.append(_part(sentence, start, stop))
        start = stop
    return found


def _part(sentence: Sentence, start: int, stop: int) -> Sentence:
    return Sentence(
        sentence.tokens[start:stop],
        sentence.tags[start:stop],
        sentence.path,
        sentence.lines[start:stop],
    )
