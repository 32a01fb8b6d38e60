"""The likeliest tags of a word, against all sequences of tags."""

import importlib
import itertools
import pathlib

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def g2p(monkeypatch):
    """Benchmarks are scripts that import each other by name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("g2p")


@pytest.mark.parametrize("letters", [1, 4])
def test_likeliest_tags_are_those_of_all_sequences(g2p, letters):
    tags = ["_", "a", "b", "a+b", "c", "d"]
    probabilities = np.random.default_rng(letters).dirichlet(np.ones(len(tags)), letters)
    every = itertools.product(range(len(tags)), repeat=letters)
    chances = {way: probabilities[np.arange(letters), way].prod() for way in every}
    best = sorted(chances, key=chances.get, reverse=True)[:5]

    found = g2p.likeliest(probabilities, tags, 5)
    assert [text for text, _ in found] == [" ".join(tags[i] for i in way) for way in best]
    np.testing.assert_allclose([p for _, p in found], [chances[way] for way in best])
