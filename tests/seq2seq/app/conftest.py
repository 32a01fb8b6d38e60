"""A small task that a small model learns some of in seconds: letters become capitals."""

import numpy as np
import pytest

from losslayer.seq2seq import (
    DataSettings,
    DecodingSettings,
    ModelSettings,
    Seq2Seq,
    Settings,
    TrainingSettings,
    pairs,
)


def words(count, seed):
    """Words of one to five letters, and their capitals with spaces between."""
    rng = np.random.default_rng(seed)
    found = ["".join(rng.choice(list("abcd"), rng.integers(1, 6))) for _ in range(count)]
    return pairs(found, [" ".join(word.upper()) for word in found])


def small(**training):
    """Settings with which an epoch is a few steps of one shape."""
    chosen = {
        "epochs": 3,
        "tokens": 512,
        "learning_rate": 0.02,
        "warmup_steps": 5,
        "decode_rows": 8,
        "self_check": False,
    }
    return Settings(
        DataSettings(target_tokens="words"),
        ModelSettings(model="gru", layers=1, dim=16, dropout=0.1, longest=12),
        TrainingSettings(**{**chosen, **training}),
        DecodingSettings(beam=1),
    )


@pytest.fixture(scope="session")
def known():
    return words(200, 0)


@pytest.fixture(scope="session")
def dev():
    return words(30, 1)


@pytest.fixture(scope="session")
def lines():
    """What the training of `trained` reported."""
    return []


@pytest.fixture(scope="session")
def trained(known, dev, lines):
    """A trained model; tests only read it."""
    settings = small(epochs=4, decode_epochs=2, average=2, self_check=True)
    return Seq2Seq.train(known, dev, settings, report=lines.append)
