"""Small models whose numbers can be worked out with NumPy."""

import keras
import numpy as np
import pytest

import losslayer as ll


@pytest.fixture
def rng():
    """Random numbers, the same in each test."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _fresh_session():
    """Names and seeds don't depend on which tests ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)


def tagger(**settings):
    """A tagger over tokens: inputs `tokens`, labels `tags`; masked loss, ppl and accuracy."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    tags = keras.Input((None,), dtype="int32", name="tags")
    mask = keras.ops.not_equal(tokens, 0)
    hidden = keras.layers.Embedding(20, 4, name="embedding")(tokens)
    logits = keras.layers.Dense(5, name="logits")(hidden)
    nll = ll.losses.SequenceCrossEntropy(**settings)(logits, tags, mask=mask)
    model = ll.Model(inputs=tokens, outputs=logits, labels=tags, name="tagger")
    model.add_loss(nll, name="nll")
    model.add_metric(ll.metrics.Perplexity(), nll, name="ppl")
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    model.add_metric(accuracy, tags, logits, sample_weight=mask, name="accuracy")
    model.add_metric(ll.metrics.MaskedAccuracy(), tags, logits, sample_weight=mask, name="masked")
    return model


def tagger_data(rng, rows=23, time=6):
    """Token and tag ids; each row is padded behind at least one token."""
    tokens = rng.integers(1, 20, (rows, time))
    lengths = rng.integers(1, time + 1, rows)
    tokens[np.arange(time) >= lengths[:, None]] = 0
    return tokens, rng.integers(0, 5, (rows, time))


def two_towers():
    """Inputs `a` and `b`; a loss on both, an output that also has a layer of its own."""
    a = keras.Input((3,), name="a")
    b = keras.Input((3,), name="b")
    shared = keras.layers.Dense(4, name="shared")
    alone = keras.layers.Dense(2, name="alone")
    distance = keras.ops.sum(keras.ops.square(shared(a) - shared(b)), axis=-1)
    model = ll.Model(inputs=[a, b], outputs=alone(shared(a)), name="towers")
    model.add_loss(distance, name="distance")
    return model


def regression(**settings):
    """Inputs `x`, labels `target`; squared error per element."""
    x = keras.Input((3,), name="x")
    target = keras.Input((1,), name="target")
    prediction = keras.layers.Dense(1, name="head")(x)
    model = ll.Model(inputs=x, outputs=prediction, labels=target, **settings)
    model.add_loss(keras.ops.square(prediction - target), name="error")
    return model
