"""Lengths and scripts of many texts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from losslayer.text import Tokenizer

_BLOCK = 10_000  # texts that are tokenised at a time


@dataclass(frozen=True)
class Texts:
    """Lengths and scripts of texts; `cut` of them are longer than `limit`.

    A script counts the texts whose letters belong to it; "Han + Latin" those that have both.
    """

    count: int
    median: int
    p90: int
    p99: int
    longest: int
    limit: int | None
    cut: int
    scripts: dict[str, int]


def profile(texts: Sequence[str], tokenizer: Tokenizer | None, longest: int | None) -> Texts:
    """Measure texts, in tokens if there is a tokenizer, else in characters."""
    if tokenizer is None:
        lengths = np.array([len(text) for text in texts], "int64")
    else:
        blocks = (texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK))
        lengths = np.array([len(ids) for block in blocks for ids in tokenizer(block)], "int64")
    median, p90, p99 = np.quantile(lengths, [0.5, 0.9, 0.99], method="inverted_cdf").tolist()
    cut = 0 if longest is None else int((lengths > longest).sum())
    scripts = Counter(_scripts(text) for text in texts)
    return Texts(
        len(texts), median, p90, p99, int(lengths.max()), longest, cut, dict(scripts.most_common())
    )


def _scripts(text: str) -> str:
    """The scripts of a text's letters, joined."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = {_script(character) for character in set(text) if character.isalpha()}
    return " + ".join(sorted(found)) or "no letters"


@cache
def _script(letter: str) -> str:
    """The script of a letter: the first word of its name in Unicode."""
    word = re.split("[ -]", unicodedata.name(letter, "other"))[0]
    return "Han" if word in ("CJK", "IDEOGRAPHIC") else word.capitalize()
