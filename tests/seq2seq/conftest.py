"""Small models, and what the tests compute from their logits alone."""

import dataclasses
import functools
import itertools

import keras
import numpy as np
import pytest

from losslayer.seq2seq.decoding import Decoder
from losslayer.seq2seq.model import ModelSettings, build
from losslayer.seq2seq.symbols import BEGIN, COUNT, END

if keras.backend.backend() == "torch":
    import torch

    # The models are tiny: threads that wait for each other cost far more than they bring.
    torch.set_num_threads(1)

SMALL = ModelSettings(
    layers=1, dim=16, heads=2, feedforward=32, dropout=0.1, label_smoothing=0.1, longest=12
)
WORDS = 3  # beside the symbols
VOCABULARY = COUNT + WORDS
KINDS = {
    "transformer": {"layers": 2},
    "gru": {"model": "gru"},
    "lstm": {"model": "lstm", "layers": 2, "tied": False, "diagonal": True},
}
SOURCES = [[4, 5, 6], [7, 8, 9, 10, 11, 4, 5, 6], [11]]


def make(seed=0, source_vocabulary=12, target_vocabulary=VOCABULARY, **options):
    """A small model; its weights are the same on all engines, and large enough to disagree."""
    settings = dataclasses.replace(SMALL, seed=seed, **options)
    models = build(settings, source_vocabulary, target_vocabulary)
    generator = np.random.default_rng(seed)
    for weight in models.training.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(0.45 * generator.normal(size=weight.shape).astype("float32"))
    return models


# Compiling is most of the time that these tests take where an engine compiles.
# So what is one more of a kind runs by default on PyTorch only.
COMPILES = keras.backend.backend() != "torch"


def compiles(test):
    """Slow, where an engine compiles."""
    return pytest.mark.slow(test) if COMPILES else test


def more(*values):
    """Parameters of a test that are slow where an engine compiles."""
    return pytest.param(*values, marks=[pytest.mark.slow] if COMPILES else [])


EACH_KIND = ["transformer", more("gru"), more("lstm")]


@pytest.fixture(scope="session")
def of_kind():
    """A model of each kind, made when it is first asked for."""
    made: dict = {}

    def model(kind):
        if kind not in made:
            made[kind] = make(**KINDS[kind])
        return made[kind]

    return model


@pytest.fixture(scope="session")
def transformer(of_kind):
    return of_kind("transformer")


def padded(rows, time=None):
    width = max(map(len, rows)) if time is None else time
    return np.array([[*row, *[0] * (width - len(row))] for row in rows], "int32")


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    peak = logits.max(axis=-1, keepdims=True)
    return logits - peak - np.log(np.exp(logits - peak).sum(axis=-1, keepdims=True))


@functools.cache
def decoder(models, settings):
    """One for all tests that ask for the same: it is compiled once."""
    return Decoder(models, settings)


def logits_of(models, sources, targets):
    """Logits at all places: of `training` as it is, without anything of decoding."""
    batch = {"source": padded(sources, 8), "target": padded(targets, 14)}
    return models.training.predict_on_batch(batch)


def log_probabilities(models, source, outputs):
    """Of whole outputs for one source: all logits at once, then a loop over them."""
    targets = [[BEGIN, *ids, END] for ids in outputs]
    log_p = log_softmax(logits_of(models, [source] * len(outputs), targets))
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
