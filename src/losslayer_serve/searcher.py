"""An encoder and an index, joined: texts in, hits out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from losslayer_serve.errors import ArgumentError, ServeError
from losslayer_serve.index.entries import Hit


class Encoder(Protocol):
    """Texts to unit vectors, float32 `(batch, dim)`."""

    fingerprint: str

    def __call__(self, texts: list[str]) -> np.ndarray:
        """The vectors of the texts."""
        ...


class Index(Protocol):
    """Entries that can be searched; `fingerprint` is that of the encoder of its vectors."""

    fingerprint: str

    def search(self, texts: list[str], vectors: np.ndarray, top: int) -> list[list[Hit]]:
        """The nearest entries of each text and its vector, best first."""
        ...

    def __len__(self) -> int: ...


class Searcher:
    """Answers questions with the nearest entries of an index.

    Args:
        encoder: Texts to unit vectors.
        index: The entries, with vectors of the same encoder.

    Raises:
        ArgumentError: If the index holds another encoder's vectors.
    """

    def __init__(self, encoder: Encoder, index: Index) -> None:
        if encoder.fingerprint != index.fingerprint:
            raise ArgumentError(
                "Searcher: `index` must hold vectors of `encoder`. Received: an encoder "
                f"{encoder.fingerprint[:12]}, an index of {index.fingerprint[:12]}. "
                "Build the index anew with this encoder"
            )
        self.encoder = encoder
        self.index = index
        self.fingerprint = encoder.fingerprint

    def __len__(self) -> int:
        return len(self.index)

    def ask(self, texts: Sequence[str], top: int) -> list[list[Hit]]:
        """The nearest entries of each text, best first, at most `top`.

        Raises:
            ServeError: If a vector or a score is NaN or infinite.
        """
        texts = list(texts)
        vectors = self.encoder(texts)
        if not np.isfinite(vectors).all():
            raise ServeError("Searcher: the encoder gave a vector with NaN or infinity")
        hits = self.index.search(texts, vectors, top)
        if not np.isfinite([hit.score for found in hits for hit in found]).all():
            raise ServeError("Searcher: the index gave a score that is NaN or infinite")
        return hits
