"""One encoder for several texts, called as seldom as their lengths allow."""

from collections import defaultdict
from typing import Any

import keras
from keras import layers, ops


class Together(layers.Layer):
    """Encodes several batches of texts; those padded to the same length in one call.

    The steps of a recurrent encoder wait for each other, and a step of three times as many rows
    takes less than three times as long: its product keeps all cores busy. Texts of other lengths
    stay by themselves, as padding all to the longest would cost more than it brings.

    Args:
        encoder: Tokens `(batch, time)` to vectors `(batch, dim)`.
    """

    def __init__(self, encoder: keras.Model, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.encoder = encoder

    def call(self, texts: list[Any], training: bool | None = None) -> list[Any]:
        """The vectors of each, from tokens `(batch, time)` of as many rows."""
        same: dict[Any, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            length = text.shape[1]
            same[("unknown", place) if length is None else length].append(place)
        vectors: dict[int, Any] = {}
        for places in same.values():
            tokens = ops.concatenate([texts[place] for place in places], axis=0)
            found = ops.split(self.encoder(tokens, training=training), len(places))
            vectors.update(zip(places, found))
        return [vectors[place] for place in range(len(texts))]

    def compute_output_shape(self, shapes: list[tuple]) -> list[tuple]:
        """A vector for each row."""
        return [(rows, self.encoder.output.shape[-1]) for rows, _ in shapes]
