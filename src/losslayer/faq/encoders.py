"""Encoders: token ids `(batch, time)`, padded with 0, to vectors `(batch, 2 * units)`.

lstm             an LSTM read once, its last state
bilstm-maxpool   an LSTM in each direction, the largest of each value over time
cnn              windows of one to four tokens, the largest of each over time
bag              the mean over time, each token weighted by what it is and where it stands
bag-cnn          half `bag`, half windows of tokens at the beginning of the text
transformer      two blocks of self-attention, the mean over time
bert             a pretrained one (`losslayer.faq.bert`)

In each of them padding changes nothing.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

import losslayer as ll
from losslayer.faq.bert import bert
from losslayer.faq.pooling import masked_max, masked_mean
from losslayer.faq.settings import Settings

WINDOWS = (1, 2, 3, 4)
# What is learned of a token's weight in `bag` counts this many times: its steps are as large.
SHARPNESS = 5.0
BEGINNING = 40  # tokens that the windows of `bag-cnn` read
HEADS = 4
BLOCKS = 2


def bilstm_maxpool(vocabulary_size: int, settings: Settings) -> keras.Model:
    """A bidirectional LSTM, and of each of its values the largest over time.

    The mask goes to both: without it the LSTM that reads backwards would start in the
    padding, and the padding could win the maximum.
    """
    tokens, mask, embedded = _embedded(vocabulary_size, settings)
    seed = settings.seed
    read = layers.Bidirectional(
        _lstm(settings.units, seed + 1, return_sequences=True),
        backward_layer=_lstm(settings.units, seed + 2, return_sequences=True, go_backwards=True),
    )(embedded, mask=mask)
    return keras.Model(tokens, masked_max(read, mask), name="bilstm_maxpool")


def lstm(vocabulary_size: int, settings: Settings) -> keras.Model:
    """An LSTM, and its state after the last token."""
    tokens, mask, embedded = _embedded(vocabulary_size, settings)
    read = _lstm(2 * settings.units, settings.seed + 1)(embedded, mask=mask)
    return keras.Model(tokens, read, name="lstm")


def cnn(vocabulary_size: int, settings: Settings) -> keras.Model:
    """Convolutions over windows of tokens, and of each filter the largest value over time."""
    tokens, mask, embedded = _embedded(vocabulary_size, settings)
    # What a window sees beyond the end of a text must be the same for any padding.
    embedded = ops.where(ops.expand_dims(mask, -1), embedded, 0.0)
    found = []
    for width in WINDOWS:
        glorot = keras.initializers.GlorotUniform(seed=settings.seed + width)
        read = layers.Conv1D(
            2 * settings.units // len(WINDOWS),
            width,
            padding="same",
            activation="tanh",
            kernel_initializer=glorot,
        )(embedded)
        found.append(masked_max(read, mask))
    return keras.Model(tokens, layers.Concatenate()(found), name="cnn")


def bag(vocabulary_size: int, settings: Settings) -> keras.Model:
    """The mean of the tokens' embeddings, each weighted by what the token is and where it stands.

        weight(t) = softmax over t of SHARPNESS (word(token at t) + place(t))

    Embeddings of `2 * units` values start at random and large, so two texts with the same words are
    near each other from the first step, and rare words stay what they are. The weights start
    equal. Of the order of the tokens nothing is read but how far from the beginning one stands,
    where a long answer says what it is about. It learns quickly, and from few pairs.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mean = _weighted_mean(tokens, vocabulary_size, 2 * settings.units, settings)
    mean = layers.Dropout(settings.dropout, seed=settings.seed)(mean)
    return keras.Model(tokens, mean, name="bag")


def bag_cnn(vocabulary_size: int, settings: Settings) -> keras.Model:
    """What `bag` makes of all tokens beside what windows find among the first; half of it each.

    Both have length 1, so before the question's `Dense` learns, a cosine is the mean of two. The
    windows, of one and of three tokens, have embeddings of their own, and read no more than the
    first `BEGINNING` tokens: they are what takes time.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mean = _weighted_mean(tokens, vocabulary_size, settings.units, settings)
    first = tokens[:, :BEGINNING]
    mask, seed = ops.not_equal(first, 0), settings.seed + 1
    start = keras.initializers.RandomUniform(seed=seed)
    embedded = layers.Embedding(vocabulary_size, settings.embedding_dim, start)(first)
    embedded = layers.Dropout(settings.dropout, seed=seed)(embedded)
    embedded = ops.where(ops.expand_dims(mask, -1), embedded, 0.0)
    found = []
    for width in (1, 3):
        glorot = keras.initializers.GlorotUniform(seed=seed + width)
        read = layers.Conv1D(settings.units // 2, width, padding="same", kernel_initializer=glorot)(
            embedded
        )
        found.append(ops.tanh(masked_max(read, mask)))
    both = [layers.UnitNormalization()(one) for one in (mean, layers.Concatenate()(found))]
    return keras.Model(tokens, layers.Concatenate()(both), name="bag_cnn")


def transformer(vocabulary_size: int, settings: Settings) -> keras.Model:
    """Blocks of self-attention, normalised before each part, and the mean over time."""
    tokens, mask, values = _embedded(vocabulary_size, settings)
    seed, dim = settings.seed, 2 * settings.units
    values = _dense(dim, seed + 1)(values)
    start = keras.initializers.RandomUniform(seed=seed + 2)
    values = values + layers.Embedding(
        settings.longest, dim, embeddings_initializer=start, name="places"
    )(_places(mask))
    for block in range(BLOCKS):
        own = seed + 10 * (block + 1)
        normed = layers.LayerNormalization()(values)
        attended = layers.MultiHeadAttention(
            HEADS, dim // HEADS, kernel_initializer=keras.initializers.GlorotUniform(seed=own)
        )(normed, normed, attention_mask=ops.expand_dims(mask, 1))
        values = values + layers.Dropout(settings.dropout, seed=own + 1)(attended)
        wide = _dense(2 * dim, own + 2, activation="gelu")(layers.LayerNormalization()(values))
        values = values + layers.Dropout(settings.dropout, seed=own + 4)(_dense(dim, own + 3)(wide))
    values = layers.LayerNormalization()(values)
    return keras.Model(tokens, masked_mean(values, mask), name="transformer")


ENCODERS: dict[str, Callable[[int, Settings], keras.Model]] = {
    "lstm": lstm,
    "bilstm-maxpool": bilstm_maxpool,
    "cnn": cnn,
    "bag": bag,
    "bag-cnn": bag_cnn,
    "transformer": transformer,
}


def encoder_of(settings: Settings) -> Callable[[int, Settings], keras.Model]:
    """The function that makes the encoder which the settings name."""
    if settings.encoder == "bert" and settings.bert is not None:
        return bert
    if settings.encoder not in ENCODERS:
        known = (*ENCODERS, "pretrained:PATH")
        raise ll.ArgumentError(
            f"Settings: `encoder` must be one of {known}. Received: encoder={settings.encoder!r}."
        )
    return ENCODERS[settings.encoder]


def _embedded(vocabulary_size: int, settings: Settings) -> tuple[Any, Any, Any]:
    """Tokens, which of them count, and their embeddings."""
    seed = settings.seed
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = layers.Embedding(
        vocabulary_size,
        settings.embedding_dim,
        embeddings_initializer=keras.initializers.RandomUniform(seed=seed),
    )(tokens)
    embedded = layers.Dropout(settings.dropout, seed=seed)(embedded)
    return tokens, ops.not_equal(tokens, 0), embedded


def _weighted_mean(tokens: Any, vocabulary_size: int, dim: int, settings: Settings) -> Any:
    """Of the embeddings of all tokens, as `bag` says."""
    mask = ops.not_equal(tokens, 0)
    start = keras.initializers.RandomUniform(-0.3, 0.3, seed=settings.seed)
    embedded = layers.Embedding(vocabulary_size, dim, start, name="words")(tokens)
    word = layers.Embedding(vocabulary_size, 1, "zeros", name="word_weights")(tokens)
    place = layers.Embedding(settings.longest, 1, "zeros", name="place_weights")(_places(mask))
    weights = SHARPNESS * ops.squeeze(word + place, -1)
    weights = ops.softmax(ops.where(mask, weights, -65504.0), axis=-1)
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), embedded), 1)


def _places(mask: Any) -> Any:
    """The place of each token in its text, from 0; padding has the last one."""
    return ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)


def _lstm(units: int, seed: int, **arguments: Any) -> ll.layers.LSTM:
    """An LSTM whose first weights depend on nothing but the seed."""
    return ll.layers.LSTM(
        units,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
        **arguments,
    )


def _dense(units: int, seed: int, **arguments: Any) -> layers.Dense:
    start = keras.initializers.GlorotUniform(seed=seed)
    return layers.Dense(units, kernel_initializer=start, **arguments)
