"""The model whose gradient must not depend on how a batch is cut up.

Three losses: a triplet, in-batch negatives, and a mean over tokens; each alone, or their sum.
"""

import keras
import numpy as np
from keras import ops

import losslayer as ll

LOSSES = ("triplet", "in_batch", "tokens")
ROWS = 12
RATE = 64.0  # large, so that little of a gradient is lost in the sum with a weight


def build(
    losses=LOSSES, dropout=0.0, pooling=keras.layers.GlobalAveragePooling1D, regularised=False
):
    """A model with these losses, over encoders that share weights."""
    keras.utils.set_random_seed(3)
    question, right, wrong = (
        keras.Input((None,), dtype="int32", name=n) for n in ("question", "right", "wrong")
    )
    encode = keras.Sequential(
        [
            keras.layers.Embedding(30, 6, mask_zero=True),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(
                5, activation="tanh", kernel_regularizer="l2" if regularised else None
            ),
            pooling(),
        ]
    )
    query, good, bad = map(encode, (question, right, wrong))
    logits = keras.layers.Dense(30)(keras.layers.Embedding(30, 4)(question))
    terms = {
        "triplet": ll.losses.TripletMargin(margin=1.5)(query, good, bad),
        "in_batch": ll.losses.InBatchNegatives(temperature=0.5)(query, good),
        "tokens": ll.losses.SequenceCrossEntropy()(
            logits, question, mask=ops.not_equal(question, 0)
        ),
    }
    model = ll.Model([question, right, wrong], query)
    for name in losses:
        model.add_loss(terms[name], name=name)
        model.add_metric(ll.metrics.Perplexity(), terms[name], name=f"{name}_ppl")
    return model


def data(rows=ROWS):
    """Token ids with padding of very different lengths, by name."""
    rng = np.random.default_rng(5)

    def column(longest):
        ids = rng.integers(1, 30, (rows, longest))
        lengths = rng.integers(1, longest + 1, (rows, 1))
        return np.where(np.arange(longest) < lengths, ids, 0).astype("int32")

    return {"question": column(9), "right": column(5), "wrong": column(4)}


def gradient(model, batch, **compiled):
    """The gradient by every weight, as one step of plain descent shows it, and the logs."""
    model.compile(keras.optimizers.SGD(RATE), **compiled)
    before = model.get_weights()
    logs = model.train_on_batch(batch, return_dict=True)
    after = model.get_weights()
    return [(b - a) / RATE for b, a in zip(before, after)], logs


def difference(gradients, others):
    """Largest difference relative to the largest entry, over all weights."""
    largest = max(np.abs(g).max() for g in others)
    return max(np.abs(a - b).max() for a, b in zip(gradients, others)) / largest
