"""How many shapes are compiled: as many as there are buckets of lengths, and no more."""

import keras
import numpy as np
import pytest

from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.decoding.batches import bucket
from losslayer.seq2seq.scoring import Scorer
from tests.seq2seq.conftest import VOCABULARY

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="nothing is compiled there"
)


def sentences(count, longest, vocabulary=12, seed=0):
    """Token ids of all lengths up to the longest, and how many buckets these have."""
    generator = np.random.default_rng(seed)
    lengths = [*range(1, longest + 1), *generator.integers(1, longest + 1, count - longest)]
    found = [generator.integers(4, vocabulary, n).tolist() for n in generator.permutation(lengths)]
    return found, len({bucket(len(ids)) for ids in found})


@pytest.mark.slow  # `test_search.py` has one such case by default
@pytest.mark.parametrize(
    ("kind", "beam"),
    [("gru", 1), ("gru", 5), ("transformer", 1), ("transformer", 5), ("lstm", 5)],
)
def test_a_thousand_sentences_are_decoded_in_a_shape_for_each_bucket(of_kind, kind, beam):
    """Both what begins a search and its step."""
    sources, buckets = sentences(1000, 20)
    assert buckets == 3
    search = Decoder(of_kind(kind), DecodingSettings(beam=beam, longest=3))
    assert len(search.decode(sources)) == 1000
    assert 0 < search.compiled <= buckets
    assert 0 < len(search._begin.traces) <= buckets


def test_a_thousand_pairs_are_scored_in_a_shape_for_each_bucket(of_kind):
    """By the longer of source and target."""
    (sources, _), (targets, _) = sentences(1000, 14), sentences(1000, 12, VOCABULARY, seed=1)
    longer = {bucket(max(len(s), len(t) + 2)) for s, t in zip(sources, targets)}
    scorer = Scorer(of_kind("gru"))
    scorer(sources, targets)
    assert 0 < len(scorer._run.traces) <= len(longer) == 2
