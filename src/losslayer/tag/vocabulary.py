"""What a tagger reads of a token, as numbers."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from losslayer.tag.sentences import Sentence
from losslayer.tag.settings import Settings

# Letters of a word that are read: of a longer one the first and the last half of these.
LETTERS = 20
PADDING, UNKNOWN, FIRST = 0, 1, 2
# What has an embedding of full size; all else has few values.
WIDE = ("word", "character", "before", "after")


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of what occurs in training; 0 is padding, 1 is all that has none.

    Attributes:
        segment: Whether tokens are characters of a text that is to be cut into words.
        views: For each view of a token, by name, what has a number, in the order of these.
        letters: The letters of words that have one; none where they are not read.
        tags: The tags, from 0.
    """

    segment: bool
    views: dict[str, list[str]]
    letters: str
    tags: list[str]

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], tags: Iterable[str], segment: bool, settings: Settings
    ) -> "Vocabulary":
        """That of training sentences: what occurs often enough in a view has a number."""
        counts: dict[str, Counter[str]] = {}
        letters: Counter[str] = Counter()
        for sentence in sentences:
            for name, values in views(sentence.tokens, segment).items():
                counts.setdefault(name, Counter()).update(values)
            if settings.letters and not segment:
                letters.update(_normal("".join(sentence.tokens)))
        kept = {
            name: sorted(value for value, count in found.items() if count >= settings.least)
            for name, found in counts.items()
        }
        return cls(segment, kept, "".join(sorted(letters)), sorted(tags))

    def columns(self, sentences: Sequence[Sentence]) -> dict[str, list[np.ndarray]]:
        """For each view the numbers of each sentence; and those of its tags, if it has any."""
        ids = {name: _numbered(values, FIRST) for name, values in self.views.items()}
        tags = _numbered(self.tags, 0)
        found: dict[str, list[np.ndarray]] = {name: [] for name in ids}
        for sentence in sentences:
            for name, values in views(sentence.tokens, self.segment).items():
                own = ids[name]
                found[name].append(np.array([own.get(v, UNKNOWN) for v in values], "int32"))
        if all(sentence.tags for sentence in sentences):
            found["tag"] = [np.array([tags[t] for t in s.tags], "int32") for s in sentences]
        return found

    def spelling(self, words: Sequence[str]) -> np.ndarray:
        """The letters of words, int32 `(word, LETTERS + 2)`, with 0 in front and behind."""
        ids = _numbered(self.letters, FIRST)
        found = np.zeros((len(words), LETTERS + 2), "int32")
        for row, word in zip(found, words):
            word = _normal(word)
            if len(word) > LETTERS:
                word = word[: LETTERS // 2] + word[-LETTERS // 2 :]
            row[1 : len(word) + 1] = [ids.get(letter, UNKNOWN) for letter in word]
        return found


def views(tokens: Sequence[str], segment: bool) -> dict[str, list[str]]:
    """What is read of each token, by name: of a character its neighbours too.

    Example:
        >>> views(["Rome", "fell"], segment=False)
        {'word': ['rome', 'fell'], 'shape': ['Xx', 'x'], 'suffix': ['ome', 'ell']}
    """
    plain = [_normal(token) for token in tokens]
    if segment:
        before, after = ["", *plain[:-1]], [*plain[1:], ""]
        return {
            "character": plain,
            "before": [f"{a}{b}" for a, b in zip(before, plain)],
            "after": [f"{a} {b}" for a, b in zip(plain, after)],
            "kind": [shape(character) for character in plain],
        }
    lower = [token.lower() for token in plain]
    return {
        "word": lower,
        "shape": [shape(token) for token in plain],
        "suffix": [token[-3:] for token in lower],
    }


def shape(word: str) -> str:
    """What a word looks like: capitals, small letters, digits; other signs as they are.

    Example:
        >>> shape("Boeing-747"), shape("的")
        ('Xx-9', 'c')
    """
    kinds = ""
    for letter in word:
        kind = letter
        if letter.isupper():
            kind = "X"
        elif letter.islower():
            kind = "x"
        elif letter.isdigit():
            kind = "9"
        elif letter.isalpha():
            kind = "c"
        if not kinds.endswith(kind):
            kinds += kind
    return kinds[:6]


def _normal(text: str) -> str:
    """One form for what is written the same: é may be one character or two."""
    return unicodedata.normalize("NFC", text)


def _numbered(values: Iterable[str], first: int) -> dict[str, int]:
    return {value: number for number, value in enumerate(values, first)}
