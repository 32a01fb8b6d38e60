"""Beam search against the enumeration of everything, and greedy search against a loop."""

import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.decoding.batches import batches, bucket
from losslayer.seq2seq.symbols import BEGIN, END, UNKNOWN
from tests.seq2seq.conftest import (
    KINDS,
    SOURCES,
    every_output,
    log_probabilities,
    log_softmax,
    logits_of,
    make,
    penalised,
)


def ranked(models, source, outputs, alpha):
    """All of `outputs` with their scores, the best first."""
    pairs = zip(outputs, log_probabilities(models, source, outputs))
    scored = [(ids, penalised(log_p, ids, alpha)) for ids, log_p in pairs]
    return sorted(scored, key=lambda pair: -pair[1])


def same(found, expected):
    """Hypotheses are the expected ones, in their order, with their scores."""
    assert [h.ids for h in found] == [ids for ids, _ in expected]
    scores = [score for _, score in expected]
    np.testing.assert_allclose([h.score for h in found], scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "alpha"), [("transformer", 1.0), ("gru", 0.0), ("lstm", 2.0)])
def test_full_width_is_enumeration(of_kind, kind, alpha):
    """A beam that drops nothing ranks all outputs as a loop over all of them does."""
    longest = 3 if kind == "transformer" else 2
    everything = every_output(longest)
    settings = DecodingSettings(
        beam=3 * len(everything),
        n_best=len(everything),
        longest=longest,
        must_not=(UNKNOWN,),
        length_penalty=alpha,
    )
    models = of_kind(kind)
    for source, found in zip(SOURCES, Decoder(models, settings).decode(SOURCES)):
        same(found, ranked(models, source, everything, alpha))


def greedy(models, source, longest, skip=()):
    """The likeliest next token, over and over; nothing is kept between steps."""
    ids = []
    while len(ids) < longest:
        target = [BEGIN, *ids, *[0] * (longest + 1 - len(ids))]
        log_p = log_softmax(logits_of(models, [source], [target]))[0, len(ids)]
        log_p[[0, BEGIN, *skip]] = -np.inf
        token = int(log_p.argmax())
        if token == END:
            break
        ids.append(token)
    return ids


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_of_one_is_greedy(of_kind, kind):
    """Whatever the length penalty: there is nothing to choose from."""
    models = of_kind(kind)
    decoder = Decoder(models, DecodingSettings(beam=1, longest=6, must_not=(UNKNOWN,)))
    for source, [found] in zip(SOURCES, decoder.decode(SOURCES)):
        assert found.ids == greedy(models, source, 6, skip=(UNKNOWN,))
        [log_p] = log_probabilities(models, source, [found.ids])
        assert found.score == pytest.approx(penalised(log_p, found.ids, 0.6), rel=1e-4)


def test_a_search_ends_early_with_the_same_result(transformer, monkeypatch):
    """Rows that are done are left alone, and no step is run that could bring nothing."""
    settings = DecodingSettings(beam=3, longest=12, must_not=(UNKNOWN,))
    together = Decoder(transformer, settings)
    steps = []
    advance = together._advance

    def counting(*args):
        steps.append(None)
        return advance(*args)

    together._advance = counting
    found = together.decode(SOURCES)
    assert len(steps) < 13
    alone = Decoder(transformer, settings)
    for source, hypotheses in zip(SOURCES, found):
        [by_itself] = alone.decode([source])
        assert [h.ids for h in by_itself] == [h.ids for h in hypotheses]
        assert by_itself[0].score == pytest.approx(hypotheses[0].score, rel=1e-5)


def test_attention_is_over_the_source_alone(of_kind):
    """A row for each token of the output, a column for each of the source; rows sum to 1."""
    settings = DecodingSettings(beam=2, shortest=2, longest=4, attention=True)
    for kind in ("transformer", "gru"):
        for source, [found] in zip(SOURCES, Decoder(of_kind(kind), settings).decode(SOURCES)):
            assert found.attention.shape == (len(found.ids), len(source))
            np.testing.assert_allclose(found.attention.sum(axis=1), 1, atol=1e-5)


def test_attention_follows_the_hypothesis(transformer):
    """What a beam reports for an output is what the output gets when nothing else may be said."""
    settings = DecodingSettings(beam=4, shortest=3, longest=4, attention=True)
    [[found]] = Decoder(transformer, settings).decode(SOURCES[1:2])
    [[forced]] = Decoder(transformer, settings).decode(SOURCES[1:2], prefixes=[found.ids])
    assert forced.ids == found.ids
    np.testing.assert_allclose(forced.attention, found.attention, atol=1e-5)


def test_an_ensemble_averages_probabilities(of_kind):
    """Its output is the best under the mean of probabilities, token by token."""
    pair = [make(seed=seed, layers=1) for seed in (1, 2)]
    everything = every_output(2)
    settings = DecodingSettings(
        beam=30, n_best=3, longest=2, must_not=(UNKNOWN,), length_penalty=0.0
    )
    for source, found in zip(SOURCES, Decoder(pair, settings).decode(SOURCES)):
        targets = [[BEGIN, *ids, END] for ids in everything]
        both = [log_softmax(logits_of(m, [source] * len(targets), targets)) for m in pair]
        log_p = np.log(np.mean(np.exp(both), axis=0))
        scored = [
            (ids, sum(log_p[row, place, token] for place, token in enumerate([*ids, END])))
            for row, ids in enumerate(everything)
        ]
        same(found, sorted(scored, key=lambda pair: -pair[1])[:3])


def test_few_shapes_and_the_order_given(transformer):
    """As many compilations as there are buckets, and every output where its source stood."""
    generator = np.random.default_rng(0)
    sources = [generator.integers(4, 12, n).tolist() for n in generator.integers(1, 30, 40)]
    decoder = Decoder(transformer, DecodingSettings(beam=2, longest=2, batch_size=8))
    first = [h[0] for h in decoder.decode(sources)]
    buckets = {bucket(len(source)) for source in sources}
    assert len(buckets) == 4
    compiled = decoder.compiled
    assert compiled <= len(buckets)
    again = [h[0] for h in decoder.decode(sources[::-1])][::-1]
    assert decoder.compiled == compiled
    assert [h.ids for h in first] == [h.ids for h in again]
    np.testing.assert_allclose([h.score for h in first], [h.score for h in again], rtol=1e-5)


def test_batches_hold_each_row_once():
    """Padded to their own bucket, in one shape per bucket, no larger than asked for."""
    lengths = np.random.default_rng(0).integers(1, 100, 203).tolist()
    found = batches(lengths, 16)
    assert sorted(row for batch in found for row in batch.rows) == list(range(203))
    for batch in found:
        assert len(batch.rows) <= batch.size <= 16
        assert all(bucket(lengths[row]) == batch.time >= lengths[row] for row in batch.rows)
    assert len({(b.size, b.time) for b in found}) == len({b.time for b in found})
    assert [bucket(n) for n in (1, 8, 9, 33, 48, 49, 65, 129)] == [8, 8, 16, 48, 48, 64, 96, 192]


def test_what_is_refused(transformer):
    """The option, what it must be, and what it was."""
    for options, message in [
        ({"beam": 0}, "`beam` must be a whole number >= 1.*beam=0"),
        ({"n_best": 6}, "`n_best` must be at most beam=5"),
        ({"length_penalty": -1}, "`length_penalty` must be a number >= 0"),
        ({"top_p": 0}, "`top_p` must be a number > 0 and <= 1"),
        ({"shortest": 5, "longest": 4}, "`longest` must be a whole number >= 5"),
        ({"must_not": (END,)}, "the end, alone"),
        ({"sample": 1}, "`sample` must be True or False"),
    ]:
        with pytest.raises(ll.ArgumentError, match=message):
            DecodingSettings(**options)
    with pytest.raises(ll.ArgumentError, match="ids below 7"):
        Decoder(transformer, DecodingSettings(must_not=(7,)))
    with pytest.raises(ll.ArgumentError, match="same vocabularies"):
        Decoder([transformer, make(source_vocabulary=13)])
    decoder = Decoder(transformer)
    for sources in ([[4], []], [[4], [12]], [[0]], [[4.5]]):
        with pytest.raises(ll.ArgumentError, match="Decoder.decode: `sources.[01].` must hold"):
            decoder.decode(sources)
    assert decoder.decode([]) == []
