"""One encoder called on several texts: as seldom as their lengths allow, with the same vectors."""

import keras
import numpy as np
import pytest

from losslayer.faq.encoders import ENCODERS
from losslayer.faq.together import Together


class Counted:
    """An encoder that counts the rows of each of its calls."""

    def __init__(self, inner):
        self.inner, self.output, self.rows = inner, inner.output, []

    def __call__(self, tokens, training):
        self.rows.append(len(tokens))
        return self.inner(tokens, training=training)


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [((4, 4, 4), [9]), ((4, 7, 4), [6, 3]), ((7, 4, 4), [3, 6]), ((4, 7), [3, 3])],
)
def test_texts_of_the_same_length_are_one_call(small, lengths, rows):
    """Each text has the vectors that the encoder gives it alone, in its own place."""
    encoder = Counted(ENCODERS["lstm"](20, small))
    generator = np.random.default_rng(0)
    texts = [generator.integers(1, 20, (3, length)).astype("int32") for length in lengths]
    found = Together(encoder)(texts, training=False)
    assert encoder.rows == rows
    for text, vectors in zip(texts, found, strict=True):
        alone = keras.ops.convert_to_numpy(encoder.inner(text, training=False))
        # Of values below 1: a product of more rows may add up its terms in another order.
        np.testing.assert_allclose(keras.ops.convert_to_numpy(vectors), alone, atol=1e-6)


def test_lengths_that_are_not_known_yet(small):
    """Of a graph without lengths only the shapes are asked."""
    inputs = [keras.Input((None,), dtype="int32") for _ in range(3)]
    found = Together(ENCODERS["lstm"](20, small))(inputs)
    assert [vector.shape for vector in found] == [(None, 2 * small.units)] * 3
