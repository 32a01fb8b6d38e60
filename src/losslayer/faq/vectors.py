"""Unit vectors of many texts, by an encoder that is compiled for few shapes."""

from collections.abc import Sequence

import keras
import numpy as np

from losslayer.text import pad, padded_length

CHUNK = 256


def unit_vectors(
    encoder: keras.Model, sequences: Sequence[Sequence[int]], longest: int
) -> np.ndarray:
    """Encode texts and scale each vector to length 1.

    Texts of similar length go together; rows of padding fill the last chunk, so
    that its shape isn't a new one.

    Args:
        encoder: Token ids `(batch, time)` to vectors `(batch, dim)`.
        sequences: Token ids of each text.
        longest: Tokens of a text that are read.

    Returns:
        float32, `(batch, dim)`, in the order of `sequences`.
    """
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    size = min(CHUNK, padded_length(len(sequences), 8))
    found = np.zeros((len(sequences), encoder.output.shape[-1]), "float32")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        tokens = pad([sequences[row] for row in rows], longest=longest)
        filled = np.pad(tokens, ((0, size - len(rows)), (0, 0)))
        vectors = keras.ops.convert_to_numpy(encoder.predict_on_batch(filled))[: len(rows)]
        found[rows] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found
