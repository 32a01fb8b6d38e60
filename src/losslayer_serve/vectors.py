"""Unit vectors of many texts, by any encoder of padded token ids."""

from collections.abc import Callable, Sequence

import numpy as np

from losslayer_serve.padding import BUCKET, pad, padded_length

CHUNK = 256


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale each vector of `(batch, dim)` to length 1; a vector of zeros stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def unit_vectors(
    encode: Callable[[np.ndarray], np.ndarray],
    sequences: Sequence[Sequence[int]],
    dim: int,
    longest: int,
    fill: bool,
) -> np.ndarray:
    """Encode texts and scale each vector to length 1.

    Texts of similar length go together.

    Args:
        encode: Token ids, int32 `(batch, time)` padded with 0, to vectors `(batch, dim)`.
        sequences: Token ids of each text.
        dim: Size of a vector.
        longest: Tokens of a text that are read.
        fill: Whether padding fills up lengths and the last chunk, so that there are few shapes: for
            an encoder that is compiled for each. Another one would only have more to read.

    Returns:
        float32, `(batch, dim)`, in the order of `sequences`.
    """
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    size = min(CHUNK, padded_length(len(sequences), 8))
    found = np.zeros((len(sequences), dim), "float32")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        tokens = pad([sequences[row] for row in rows], BUCKET if fill else 1, longest)
        if fill:
            tokens = np.pad(tokens, ((0, size - len(rows)), (0, 0)))
        found[rows] = unit(encode(tokens)[: len(rows)])
    return found
