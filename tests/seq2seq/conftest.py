"""Small models, and what the tests compute from their logits alone."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from losslayer.seq2seq.model import ModelSettings, build
from losslayer.seq2seq.symbols import BEGIN, COUNT, END

if keras.backend.backend() == "torch":
    import torch

    # The models are tiny: threads that wait for each other cost far more than they bring.
    torch.set_num_threads(1)

SMALL = ModelSettings(
    layers=2, dim=16, heads=2, feedforward=32, dropout=0.1, label_smoothing=0.1, longest=12
)
WORDS = 3  # beside the symbols
VOCABULARY = COUNT + WORDS


def make(seed=0, source_vocabulary=12, target_vocabulary=VOCABULARY, **options):
    """A small model whose weights are large enough for outputs to differ."""
    settings = dataclasses.replace(SMALL, seed=seed, **options)
    models = build(settings, source_vocabulary, target_vocabulary)
    generator = np.random.default_rng(seed)
    for weight in models.training.weights:
        if len(weight.shape) > 1 and weight.trainable:
            noise = generator.normal(size=weight.shape) * 0.4
            weight.assign(weight + noise.astype("float32"))
    return models


@pytest.fixture(scope="session")
def transformer():
    return make()


@pytest.fixture(scope="session")
def gru():
    return make(model="gru")


@pytest.fixture(scope="session")
def lstm():
    return make(model="lstm", tied=False)


@pytest.fixture(scope="session")
def all_models(transformer, gru, lstm):
    return {"transformer": transformer, "gru": gru, "lstm": lstm}


def padded(rows, extra=0):
    width = max(map(len, rows)) + extra
    return np.array([[*row, *[0] * (width - len(row))] for row in rows], "int32")


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    peak = logits.max(axis=-1, keepdims=True)
    return logits - peak - np.log(np.exp(logits - peak).sum(axis=-1, keepdims=True))


def log_probabilities(models, source, outputs):
    """Of whole outputs for one source: all logits at once, then a loop over them."""
    targets = padded([[BEGIN, *ids, END] for ids in outputs])
    sources = padded([source] * len(outputs))
    logits = keras.ops.convert_to_numpy(models.training.inference([sources, targets]))
    log_p = log_softmax(logits)
    return [
        sum(log_p[row, place, token] for place, token in enumerate([*ids, END]))
        for row, ids in enumerate(outputs)
    ]


def penalised(log_p, ids, alpha):
    """Wu et al. 2016, equation 14, with the end among the tokens."""
    return log_p / ((5 + len(ids) + 1) / 6) ** alpha


def every_output(longest, shortest=0, tokens=range(COUNT, VOCABULARY)):
    """All outputs there are."""
    return [
        list(ids)
        for length in range(shortest, longest + 1)
        for ids in itertools.product(tokens, repeat=length)
    ]
