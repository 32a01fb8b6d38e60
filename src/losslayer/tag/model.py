"""The network: embeddings and letters of words, an encoder, a CRF."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

import losslayer as ll
from losslayer.tag.scheme import NONE
from losslayer.tag.settings import Settings
from losslayer.tag.vocabulary import FIRST, LETTERS, PADDING, WIDE, Vocabulary

NARROW = 32  # size of the embeddings of what has few values
LETTER = 30  # and of a letter
HEADS = 4


def build(vocabulary: Vocabulary, settings: Settings, scheme: str) -> ll.Model:
    """A model of views `(batch, time)` and letters `(batch, time, letter)` to tags.

    Its output is int32 `(batch, time)`, the best sequence that the scheme allows, -1 for padding.
    With the loss "token" the CRF has no part in training, so its transitions stay 0: it finds the
    sequence with the highest sum of logits.
    """
    seeds = itertools.count(1000 * settings.seed)
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in vocabulary.views}
    tag = keras.Input((None,), dtype="int32", name="tag")
    mask = ops.not_equal(next(iter(inputs.values())), PADDING)

    parts = []
    for name, values in vocabulary.views.items():
        dim = settings.embedding_dim if name in WIDE else NARROW
        part = _embedding(len(values) + FIRST, dim, seeds, f"of_{name}")(inputs[name])
        parts.append(layers.Dropout(settings.unknown, (None, None, 1), seed=next(seeds))(part))
    if vocabulary.letters:
        letters = keras.Input((None, LETTERS + 2), dtype="int32", name="letters")
        inputs["letters"] = letters
        parts.append(_spelled(letters, len(vocabulary.letters), settings, seeds))
    hidden = ops.concatenate(parts, axis=-1)
    hidden = layers.Dropout(settings.dropout, seed=next(seeds))(hidden)
    encode = _bilstm if settings.encoder == "bilstm" else _transformer
    hidden = encode(hidden, mask, settings, seeds)
    logits = _dense(len(vocabulary.tags), seeds, name="logits")(hidden)

    allowed = None
    if scheme != NONE:
        allowed = ll.losses.allowed_transitions(vocabulary.tags, scheme)
    crf = ll.losses.CRF(len(vocabulary.tags), constraints=allowed, name="crf")
    found = crf.decode(logits, mask=mask)
    model = ll.Model(inputs=inputs, outputs=found, labels={"tag": tag})
    if settings.loss == "crf":
        model.add_loss(crf(logits, tag, mask=mask), name="nll")
    else:
        model.add_loss(ll.losses.SequenceCrossEntropy()(logits, tag, mask=mask), name="nll")
    right = ops.cast(ops.equal(found, tag), "float32")
    model.add_metric((right, ops.cast(mask, "float32")), name="accuracy", on="evaluate")
    if scheme != NONE:
        f1 = ll.metrics.ChunkF1(vocabulary.tags, scheme)
        model.add_metric(f1, tag, found, sample_weight=mask, name="f1", on="evaluate")
    return model


def marginals(model: ll.Model, vocabulary: Vocabulary) -> keras.Model:
    """A model of the same inputs and weights to the probabilities of tags, `(batch, time, tag)`."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    mask = ops.not_equal(inputs[next(iter(vocabulary.views))], PADDING)
    logits = model.get_layer("logits").output
    return keras.Model(inputs, model.get_layer("crf").marginals(logits, mask=mask))


def _spelled(letters: Any, count: int, settings: Settings, seeds: Iterator[int]) -> Any:
    """Of each filter over three letters the largest value in the word, `(batch, time, filter)`."""
    read = _embedding(count + FIRST, LETTER, seeds, "of_letter")(letters)
    read = layers.Dropout(settings.dropout / 2, seed=next(seeds))(read)
    # What stands behind the word must be the same for any word; a convolution of width 3, as a
    # matrix: faster on a CPU.
    read = ops.where(ops.expand_dims(ops.not_equal(letters, PADDING), -1), read, 0.0)
    three = ops.concatenate([read[..., :-2, :], read[..., 1:-1, :], read[..., 2:, :]], axis=-1)
    return ops.max(_dense(settings.letters, seeds, activation="relu")(three), axis=2)


def _bilstm(values: Any, mask: Any, settings: Settings, seeds: Iterator[int]) -> Any:
    """LSTMs in both directions, `(batch, time, 2 * units)`."""
    for _ in range(settings.layers):
        forward, backward = (
            ll.layers.LSTM(
                settings.units,
                return_sequences=True,
                go_backwards=backwards,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            )
            for backwards in (False, True)
        )
        values = layers.Bidirectional(forward, backward_layer=backward)(values, mask=mask)
        values = layers.Dropout(settings.dropout, seed=next(seeds))(values)
    return values


def _transformer(values: Any, mask: Any, settings: Settings, seeds: Iterator[int]) -> Any:
    """Blocks of self-attention, normalised before each part, `(batch, time, 2 * units)`."""
    dim = 2 * settings.units
    values = _dense(dim, seeds)(values)
    place = ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1  # of a token; padding has the last one
    places = _embedding(settings.longest, dim, seeds, "places")
    values = values + places(ops.maximum(place, 0))
    for _ in range(settings.layers):
        normed = layers.LayerNormalization()(values)
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        attended = layers.MultiHeadAttention(HEADS, max(1, dim // HEADS), kernel_initializer=start)(
            normed, normed, attention_mask=ops.expand_dims(mask, 1)
        )
        rate = settings.dropout / 2  # of each of two parts
        values = values + layers.Dropout(rate, seed=next(seeds))(attended)
        wide = _dense(2 * dim, seeds, activation="gelu")(layers.LayerNormalization()(values))
        values = values + layers.Dropout(rate, seed=next(seeds))(_dense(dim, seeds)(wide))
    return layers.LayerNormalization()(values)


def _embedding(count: int, dim: int, seeds: Iterator[int], name: str) -> layers.Embedding:
    start = keras.initializers.RandomUniform(seed=next(seeds))
    return layers.Embedding(count, dim, embeddings_initializer=start, name=name)


def _dense(units: int, seeds: Iterator[int], **arguments: Any) -> layers.Dense:
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    return layers.Dense(units, kernel_initializer=start, **arguments)
