"""The network: one encoder for questions and titles, and what it is trained on."""

import dataclasses
from typing import NamedTuple

import keras
from keras import layers, ops

import losslayer as ll
from losslayer.faq.encoders import encoder_of
from losslayer.faq.settings import Settings
from losslayer.faq.together import Together


class Models(NamedTuple):
    """Three views of the same layers: one to train, two to use."""

    training: ll.Model
    question: keras.Model
    answer: keras.Model


def build(vocabulary_size: int, settings: Settings) -> Models:
    """The model to train, and the encoders of questions and answers, made of the same layers.

    The encoder is shared by all texts; a `Dense` on the question alone turns what is asked into
    what an answer to it looks like. The losses, by `settings.objective`:

    triplet    `relu(margin + cos(question, wrong) - cos(question, right))`
    in-batch   cross entropy of the right title among all titles of the batch, right and wrong,
               by cosine / temperature; what is right for a question isn't wrong for it
    both       the sum of the two, each under its own name

    With `negatives="in-batch"` no wrong titles come along, and nothing encodes any.
    """
    question = keras.Input((None,), dtype="int32", name="question")
    right = keras.Input((None,), dtype="int32", name="right")
    wrong = keras.Input((None,), dtype="int32", name="wrong")
    right_text = keras.Input((None,), dtype="int32", name="right_text")
    wrong_text = keras.Input((), dtype="int32", name="wrong_text")

    longest = max(settings.longest, settings.longest_answer)
    encode = encoder_of(settings)(vocabulary_size, dataclasses.replace(settings, longest=longest))
    ask = layers.Dense(
        encode.output.shape[-1],
        kernel_initializer="identity",  # a question that repeats a title is near it from the start
        name="ask",
    )
    inputs, texts = [question, right], [right_text]
    if settings.negatives != "in-batch":
        inputs, texts = [*inputs, wrong], [*texts, wrong_text]
    asked, answer, *others = Together(encode)(inputs)
    query, other = ask(asked), others[0] if others else None
    if settings.objective == "triplet":
        texts = []
    training = ll.Model(inputs=[*inputs, *texts], outputs=query)
    if settings.objective != "in-batch":
        triplet = ll.losses.TripletMargin(margin=settings.margin)(query, answer, other)
        training.add_loss(triplet, name="triplet")
    if settings.objective != "triplet":
        loss = ll.losses.InBatchNegatives(temperature=settings.temperature)
        given = {} if other is None else {"negative": other, "negative_ids": wrong_text}
        training.add_loss(loss(query, answer, ids=right_text, **given), name="in_batch")
    if other is not None:
        cosine = ll.losses.CosineSimilarity()
        in_order = ops.greater(cosine(query, answer), cosine(query, other))
        training.add_metric(ops.cast(in_order, "float32"), name="in_order")
    return Models(
        training,
        keras.Model(question, ask(encode(question)), name="question_encoder"),
        keras.Model(right, encode(right), name="answer_encoder"),
    )
