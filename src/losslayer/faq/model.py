"""The network: one encoder for questions and titles, and a triplet loss."""

from typing import Any, NamedTuple

import keras
from keras import layers, ops

import losslayer as ll
from losslayer.faq.settings import Settings


class Models(NamedTuple):
    """Three views of the same layers: one to train, two to use."""

    training: ll.Model
    question: keras.Model
    answer: keras.Model


def masked_max(values: Any, mask: Any) -> Any:
    """Largest value over the steps that count.

    Args:
        values: `(batch, time, dim)`.
        mask: Boolean, `(batch, time)`; true counts.

    Returns:
        `(batch, dim)`.
    """
    # Below everything an encoder returns, and finite in half precision too.
    return ops.max(ops.where(ops.expand_dims(mask, -1), values, -65504.0), axis=1)


def bilstm_maxpool(vocabulary_size: int, settings: Settings) -> keras.Model:
    """Token ids `(batch, time)`, padded with 0, to vectors `(batch, dim)`.

    A bidirectional LSTM, and of each of its values the largest over time. The
    mask goes to both: without it the LSTM that reads backwards would start in the
    padding, and the padding could win the maximum.
    """
    seed = settings.seed
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = ops.not_equal(tokens, 0)
    embedded = layers.Embedding(
        vocabulary_size,
        settings.embedding_dim,
        embeddings_initializer=keras.initializers.RandomUniform(seed=seed),
    )(tokens)
    embedded = layers.Dropout(settings.dropout, seed=seed)(embedded)
    read = layers.Bidirectional(
        _lstm(settings.units, seed + 1),
        backward_layer=_lstm(settings.units, seed + 2, go_backwards=True),
    )(embedded, mask=mask)
    return keras.Model(tokens, masked_max(read, mask), name="bilstm_maxpool")


def _lstm(units: int, seed: int, **arguments: Any) -> layers.LSTM:
    """An LSTM whose first weights depend on nothing but the seed."""
    return layers.LSTM(
        units,
        return_sequences=True,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
        **arguments,
    )


def build(vocabulary_size: int, settings: Settings) -> Models:
    """The model to train, and the encoders of questions and answers cut out of it.

    The loss of a triplet is `relu(margin + cos(question, wrong) - cos(question, right))`.
    The encoder is shared by all three texts; a `Dense` on the question alone turns
    what is asked into what an answer to it looks like.
    """
    question = keras.Input((None,), dtype="int32", name="question")
    right = keras.Input((None,), dtype="int32", name="right")
    wrong = keras.Input((None,), dtype="int32", name="wrong")

    encode = bilstm_maxpool(vocabulary_size, settings)
    ask = layers.Dense(
        2 * settings.units,
        kernel_initializer="identity",  # a question that repeats a title is near it from the start
        name="ask",
    )
    query, answer = ask(encode(question)), encode(right)
    triplet = ll.losses.TripletMargin(margin=settings.margin)(query, answer, encode(wrong))

    training = ll.Model(inputs=[question, right, wrong], outputs=query)
    training.add_loss(triplet, name="triplet")
    values, _ = triplet  # below the margin when the right title is the nearer one
    in_order = ops.cast(ops.less(values, settings.margin), "float32")
    training.add_metric(in_order, name="in_order")
    return Models(
        training,
        keras.Model(question, query, name="question_encoder"),
        keras.Model(right, answer, name="answer_encoder"),
    )
