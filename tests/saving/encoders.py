"""Small encoders of several kinds, each built from plain data; token ids to vectors."""

import keras
import numpy as np
from keras import layers, ops

from losslayer.faq import Settings
from losslayer.faq.model import build
from losslayer.faq.pooling import masked_max


def faq(spec):
    """An encoder of questions of the FAQ application: by default a bidirectional LSTM."""
    return build(spec["vocabulary_size"], Settings(**spec["settings"])).question


def gru(spec):
    """Two GRUs, one on the other; the last state of the upper one that counts."""
    tokens, mask, values = _embedded(spec)
    values = layers.GRU(spec["units"], return_sequences=True)(values, mask=mask)
    return keras.Model(tokens, layers.GRU(spec["units"])(values, mask=mask))


def cnn(spec):
    """Two convolutions, padding set to zero before each; the largest value over time."""
    tokens, mask, values = _embedded(spec)
    counts = ops.cast(ops.expand_dims(mask, -1), "float32")
    for _ in range(2):
        convolution = layers.Conv1D(
            spec["units"], 3, padding="same", activation=spec.get("activation", "gelu")
        )
        values = convolution(values * counts)
    return keras.Model(tokens, masked_max(values, mask))


def transformer(spec):
    """Two pre-norm blocks with sinusoidal positions; the mean over the tokens."""
    tokens, mask, values = _embedded(spec)
    place = ops.cast(ops.cumsum(ops.ones_like(tokens), axis=1), "float32")
    rates = 0.1 ** np.arange(spec["units"], dtype="float32")
    values = values + ops.sin(ops.expand_dims(place, -1) * rates)
    for _ in range(2):
        normed = layers.LayerNormalization()(values)
        attend = layers.MultiHeadAttention(2, spec["units"] // 2)
        values = values + attend(normed, normed, attention_mask=ops.expand_dims(mask, 1))
        inner = layers.Dense(2 * spec["units"], activation="gelu")(
            layers.LayerNormalization()(values)
        )
        values = values + layers.Dense(spec["units"])(inner)
    counts = ops.cast(ops.expand_dims(mask, -1), "float32")
    mean = ops.sum(values * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1.0)
    return keras.Model(tokens, mean)


def unmasked(spec):
    """One that padding changes: it must not be exported."""
    tokens, _, values = _embedded(spec)
    return keras.Model(tokens, layers.GRU(spec["units"])(values))


def constant(spec):
    """One with a constant that is a tensor of the engine."""
    tokens, mask, values = _embedded(spec)
    return keras.Model(tokens, masked_max(values * ops.arange(spec["units"]), mask))


def _embedded(spec):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    values = layers.Embedding(spec["vocabulary_size"], spec["units"])(tokens)
    return tokens, ops.not_equal(tokens, 0), layers.Dropout(0.1)(values)
