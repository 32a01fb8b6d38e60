"""Entries and vectors that the tests of the index share."""

import numpy as np
import pytest

from losslayer_serve.index import Entry, Index

FINGERPRINT = "0123abcd" * 8


def unit(count, dim=16, seed=0):
    """Random unit vectors, `(count, dim)`."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def some_entries(count, first=0):
    """Entries with ids and titles by number, and answers that several share."""
    return [
        Entry(f"e{n}", f"title {n}", f"the answer, number {n % 7}, 答案"[: 10 + n % 20])
        for n in range(first, first + count)
    ]


@pytest.fixture
def index(tmp_path):
    """An index of 100 entries."""
    return Index.create(tmp_path / "index", FINGERPRINT, some_entries(100), unit(100))
