"""A small task that a small model learns some of in seconds: letters become capitals."""

import contextlib
import dataclasses
import io

import keras
import numpy as np
import pytest

from losslayer.cli import main
from losslayer.seq2seq import (
    DataSettings,
    DecodingSettings,
    ModelSettings,
    Seq2Seq,
    Settings,
    TrainingSettings,
    pairs,
    write_config,
)
from losslayer.text import pad


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


def write_tables(folder):
    """`train.tsv`, `dev.tsv` and `options.toml`."""
    for name, count, seed in (("train", 200, 0), ("dev", 30, 1)):
        found = words(count, seed)
        lines = [f"{source}\t{target}" for source, target in zip(found.sources, found.targets)]
        (folder / f"{name}.tsv").write_text("\n".join(["source\ttarget", *lines]) + "\n")
    settings = small(epochs=4, decode_epochs=2, average=2)
    data = dataclasses.replace(settings.data, train=("train.tsv",), dev=("dev.tsv",))
    write_config(folder / "options.toml", dataclasses.replace(settings, data=data))


@pytest.fixture(scope="session")
def known():
    return words(200, 0)


@pytest.fixture(scope="session")
def dev():
    return words(30, 1)


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """A working folder in which `losslayer seq2seq train` wrote a model, and what it printed.

    One training for all tests that only read one: compiling it takes most of their time.
    """
    folder = tmp_path_factory.mktemp("command")
    write_tables(folder)
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main(["seq2seq", "train", "options.toml", "--out", "m", "--json"])
    assert not ended.value.code, err.getvalue()
    return folder, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def trained(command):
    """The model of that training; tests only read it."""
    return Seq2Seq.load(command[0] / "m")


@pytest.fixture(scope="session")
def logits(trained, dev):
    """The stored logits of all pairs of the development split, `(30, time, vocab)`, and targets."""
    found = trained.rows(dev)
    source, target = (pad(rows, 8) for rows in (found.sources, found.targets))
    return keras.ops.convert_to_numpy(trained.models.training.inference([source, target])), target
