"""Small data that a tagger learns in seconds."""

import dataclasses
import io
from contextlib import chdir, redirect_stderr, redirect_stdout

import numpy as np
import pytest

from losslayer.cli import main
from losslayer.tag import Sentence, Settings, Tagger, from_words
from losslayer.tag.model import build
from losslayer.tag.vocabulary import Vocabulary

FIRST, LAST, PLACES = ["anna", "kim", "lee"], ["Meyer", "Wu"], ["Rome", "Oslo", "Lima"]
WORDS = [
    "中国",
    "人",
    "喜欢",
    "北京",
    "的",
    "天气",
    "很",
    "我们",
    "明天",
    "图书馆",
]  # at most 8 characters in all


def sentence(rng):
    """Who went where: persons of one or two words, places that follow `to`."""
    found = [(str(rng.choice(FIRST)), "B-person")]
    if rng.random() < 0.5:
        found.append((str(rng.choice(LAST)), "I-person"))
    found.append(("went", "O"))
    if rng.random() < 0.7:
        found += [("to", "O"), (str(rng.choice(PLACES)), "B-place")]
    if rng.random() < 0.5:
        found.append((".", "O"))
    return Sentence(*map(list, zip(*found)))


def sentences(count, seed):
    """Sentences of words with tags in BIO."""
    rng = np.random.default_rng(seed)
    return [sentence(rng) for _ in range(count)]


def texts(count, seed):
    """Sentences of Chinese words, as characters with tags in BMES."""
    rng = np.random.default_rng(seed)
    return [from_words(map(str, rng.choice(WORDS, rng.integers(1, 4)))) for _ in range(count)]


def columns(sentences):
    """Sentences as the text of a file."""
    return "\n".join(
        "".join(f"{token} {tag}\n" for token, tag in zip(s.tokens, s.tags)) for s in sentences
    )


@pytest.fixture(scope="session")
def small():
    """Settings with which training takes seconds."""
    return dataclasses.replace(
        Settings(),
        units=8,
        embedding_dim=8,
        letters=4,
        dropout=0.1,
        unknown=0.0,
        least=1,
        longest=16,
        tokens=256,
        epochs=6,
        learning_rate=0.03,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A working folder with data, and the model that one run of `losslayer tag train` wrote."""
    folder = tmp_path_factory.mktemp("tag")
    for name, count, seed in (("train", 200, 1), ("dev", 40, 2), ("test", 50, 9)):
        (folder / name).write_text(columns(sentences(count, seed)))
    given = ["train", "--dev", "dev", "--test", "test", "--out", "m", "--json"]
    options = "--units 8 --dropout 0.1 --longest 16 --tokens 256 --epochs 6 --learning-rate 0.03"
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main(["tag", "train", *given, *options.split()])
    assert not end.value.code, err.getvalue()
    (folder / "out.json").write_text(out.getvalue())
    (folder / "err.txt").write_text(err.getvalue())
    return folder


@pytest.fixture(scope="session")
def trained(folder):
    """The tagger of words from it; tests only read it."""
    return Tagger.load(folder / "m")


@pytest.fixture(scope="session")
def segmenter(small):
    """A tagger of characters that has learned nothing: what it finds is words all the same."""
    vocabulary = Vocabulary.of(texts(20, 1), "BMES", True, small)
    return Tagger(build(vocabulary, small, "BMES"), vocabulary, "BMES", small)
