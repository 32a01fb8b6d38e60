"""What an index holds, and what a search returns."""

import hashlib
from typing import NamedTuple


class Entry(NamedTuple):
    """One answer that can be found.

    Args:
        id: A name that no other entry has.
        title: To read, in one line.
        answer: To read.
        text: What the encoder reads; empty: the title.
        group: What it belongs to (a product, a chapter), for figures per group; or empty.
        language: Its language, as its table writes it; or empty.
    """

    id: str
    title: str
    answer: str = ""
    text: str = ""
    group: str = ""
    language: str = ""

    @property
    def encoded(self) -> str:
        """What the encoder reads."""
        return self.text or self.title

    @property
    def digest(self) -> str:
        """SHA-256 of what the encoder reads: while it is the same, so is the vector."""
        return hashlib.sha256(self.encoded.encode()).hexdigest()


class Hit(NamedTuple):
    """An entry that was found.

    Args:
        id: Of the entry.
        title: Of the entry.
        answer: Of the entry.
        score: Larger is nearer; `losslayer_serve.index.fusion` has the formula.
        accepted: Whether the score reaches the threshold. Where none was chosen, it does.
    """

    id: str
    title: str
    answer: str
    score: float
    accepted: bool
