"""Unit vectors of many texts, by an encoder in Keras."""

from collections.abc import Sequence

import keras
import numpy as np

from losslayer.text import Tokenizer
from losslayer_serve import vectors


def text_vectors(
    encoder: keras.Model, tokenizer: Tokenizer, texts: Sequence[str], longest: int
) -> np.ndarray:
    """`unit_vectors` of texts; one without any token is read as one unknown token."""
    tokens = [ids or [Tokenizer.unknown] for ids in tokenizer(texts)]
    return unit_vectors(encoder, tokens, longest)


def unit_vectors(
    encoder: keras.Model, sequences: Sequence[Sequence[int]], longest: int
) -> np.ndarray:
    """Encode texts and scale each vector to length 1.

    Args:
        encoder: Token ids `(batch, time)` to vectors `(batch, dim)`.
        sequences: Token ids of each text.
        longest: Tokens of a text that are read.

    Returns:
        float32, `(batch, dim)`, in the order of `sequences`.
    """

    def encode(tokens: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(encoder.predict_on_batch(tokens))

    dim = encoder.output.shape[-1]
    return vectors.unit_vectors(encode, sequences, dim, longest, fill=True)
