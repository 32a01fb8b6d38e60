"""How many shapes a training compiles."""

import collections
import dataclasses

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq import Seq2Seq, pairs
from losslayer.seq2seq.decoding.batches import bucket
from tests.seq2seq.app.conftest import small


def words(count, longest, seed):
    """As those of all these tests, but longer: of several buckets."""
    rng = np.random.default_rng(seed)
    found = ["".join(rng.choice(list("abcd"), n)) for n in rng.integers(1, longest + 1, count)]
    return pairs(found, [" ".join(word.upper()) for word in found])


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
def test_a_training_compiles_a_shape_for_each_bucket(monkeypatch):
    """Steps, measurements and decoding; later epochs none."""
    traced = collections.defaultdict(collections.Counter)

    def noted(kind, step):
        def run(self, *given):
            traced[kind][tuple(given[-1][0]["source"].shape)] += 1
            return step(self, *given)

        return run

    for kind in ("train_step", "test_step"):
        monkeypatch.setattr(ll.Model, kind, noted(kind, getattr(ll.Model, kind)))
    # Of numbers that leave a short batch: it is filled, and no shape of its own.
    train, dev = words(203, 14, seed=0), words(150, 14, seed=1)
    settings = small(epochs=2, decode_epochs=1, decode_rows=0)
    settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, longest=16))
    model = Seq2Seq.train(train, dev, settings)
    tokens = settings.training.tokens
    for kind, of in (("train_step", train), ("test_step", dev)):
        shapes = model.rows(of).batches(tokens).shapes
        assert len(shapes) == 2
        assert 0 < sum(traced[kind].values()) <= len(shapes)
        if keras.backend.backend() == "jax":
            assert traced[kind] == collections.Counter(shapes)
    [decoder] = model._decoders.values()
    assert 0 < decoder.compiled <= len({bucket(len(source)) for source in dev.sources})
