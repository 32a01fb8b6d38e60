"""Samples: their frequencies, their limits, their seed."""

import collections

import numpy as np
import pytest

from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.symbols import BEGIN, END, UNKNOWN
from tests.seq2seq.conftest import (
    SOURCES,
    compiles,
    decoder,
    every_output,
    log_probabilities,
    log_softmax,
    logits_of,
    more,
)

SOURCE = SOURCES[0]


def samples(models, count, sources=(SOURCE,), **options):
    options = {"must_not": (UNKNOWN,), "longest": 1, **options}
    settings = DecodingSettings(sample=True, n_best=count, length_penalty=0.0, **options)
    return decoder(models, settings).decode(list(sources))


def expected_shares(models, temperature=1.0, top_k=4, top_p=1.0):
    """Of each first token, or of the end at once (None), in NumPy: the source, then one token."""
    outputs = every_output(1)
    log_p = log_softmax(logits_of(models, [SOURCE], [[BEGIN, 4, END]]))[0, 0]
    log_p = np.array([log_p[ids[0] if ids else END] for ids in outputs])
    p = np.exp(log_p / temperature)
    order = np.argsort(-p)
    p = p[order] / p.sum()
    kept = (np.cumsum(p) - p < top_p) & (np.arange(4) < top_k)
    p = np.where(kept, p, 0) / p[kept].sum()
    return {tuple(outputs[n]): share for n, share in zip(order, p)}


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0.5, "top_p": 0.6}, more({"top_k": 2}), more({"temperature": 0.25})],
    ids=str,
)
def test_frequencies(of_kind, options):
    """Of 4,000 samples, each comes as often as the probabilities say, within chance."""
    count = 4000
    [found] = samples(of_kind("gru"), count, **options)
    shares = collections.Counter(tuple(h.ids) for h in found)
    expected = expected_shares(of_kind("gru"), **{"top_k": 4, **options})
    assert (0 in expected.values()) == ("top_p" in options or "top_k" in options)
    for ids, share in expected.items():
        chance = 4 * np.sqrt(share * (1 - share) / count)
        assert abs(shares[ids] / count - share) <= chance, ids


@compiles
def test_scores_are_log_probabilities(of_kind):
    """Of the model as it is, whatever temperature and top-k made of it; the best first."""
    [found] = samples(of_kind("gru"), 6, longest=4, temperature=1.5, top_k=3)
    scores = [h.score for h in found]
    assert scores == sorted(scores, reverse=True)
    expected = log_probabilities(of_kind("gru"), SOURCE, [h.ids for h in found])
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@compiles
def test_the_seed_decides(of_kind):
    """The same seed, the same samples, whatever a source stands with; another seed, others."""

    def said(*args, **options):
        return [
            [h.ids for h in row] for row in samples(of_kind("gru"), 5, *args, longest=6, **options)
        ]

    both = said([SOURCE, SOURCES[1]], seed=1)
    assert both == said([SOURCE, SOURCES[1]], seed=1)
    assert both[:1] == said([SOURCE], seed=1)
    assert both != said([SOURCE, SOURCES[1]], seed=2)
    twice = said([SOURCE, SOURCE], seed=1)
    assert twice[0] != twice[1]
