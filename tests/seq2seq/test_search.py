"""Beam search against the enumeration of everything, and greedy search against a loop."""

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.decoding.batches import batches, bucket
from losslayer.seq2seq.decoding.search import search_step
from losslayer.seq2seq.symbols import BEGIN, END, UNKNOWN
from tests.seq2seq.conftest import (
    EACH_KIND,
    SOURCES,
    VOCABULARY,
    compiles,
    decoder,
    every_output,
    log_probabilities,
    log_softmax,
    logits_of,
    make,
    more,
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


@pytest.mark.parametrize(
    ("kind", "alpha"), [("transformer", 1.0), more("gru", 0.0), more("lstm", 2.0)]
)
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


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_beam_of_one_is_greedy(of_kind, kind):
    """Whatever the length penalty: there is nothing to choose from."""
    models = of_kind(kind)
    search = Decoder(models, DecodingSettings(beam=1, longest=6, must_not=(UNKNOWN,)))
    for source, [found] in zip(SOURCES, search.decode(SOURCES)):
        assert found.ids == greedy(models, source, 6, skip=(UNKNOWN,))
        [log_p] = log_probabilities(models, source, [found.ids])
        assert found.score == pytest.approx(penalised(log_p, found.ids, 0.6), rel=1e-4)


WITH_ATTENTION = DecodingSettings(
    beam=3, shortest=2, longest=12, must_not=(UNKNOWN,), attention=True
)


def test_a_search_ends_early_with_the_same_result(transformer, monkeypatch):
    """Rows that are done are left alone, and no step is run that could bring nothing."""
    search = decoder(transformer, WITH_ATTENTION)
    advance, steps = search._advance, []
    monkeypatch.setattr(search, "_advance", lambda *args: steps.append(args) or advance(*args))
    found = search.decode(SOURCES)
    assert len(steps) < 13
    for source, [hypothesis] in zip(SOURCES, found):
        [[alone]] = search.decode([source])
        assert alone.ids == hypothesis.ids
        assert alone.score == pytest.approx(hypothesis.score, rel=1e-5)


def test_what_is_over_stays_as_it_is():
    """A row that is done takes no further output, however likely, while others go on."""
    search = {
        "token": np.array([[4, 5]] * 2, "int32"),
        "score": np.array([[-0.1, -0.2]] * 2, "float32"),
        "best": np.array([[-5.0, -6.0]] * 2, "float32"),
        "ended": np.array([[3, 2]] * 2, "int32"),
        "count": np.array([2, 0], "int32"),
        "done": np.array([True, False]),
    }
    search = {name: keras.ops.convert_to_tensor(value) for name, value in search.items()}
    log_p = np.full((2, 2, VOCABULARY), -9.0, "float32")
    log_p[:, :, END] = -0.5
    settings = DecodingSettings(beam=2, length_penalty=0.0)
    after, _ = search_step(search, keras.ops.convert_to_tensor(log_p), 2, 9, settings)
    best = keras.ops.convert_to_numpy(after["best"])
    np.testing.assert_allclose(best, [[-5, -6], [-0.6, -0.7]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["transformer", more("gru")])
def test_attention_is_of_the_output_over_its_source(of_kind, kind):
    """Rows sum to 1 over the source's own tokens; and they are those of the hypothesis.

    When nothing else may be said there is one hypothesis, so nothing to mix up.
    """
    search = decoder(of_kind(kind), WITH_ATTENTION)
    found = [h[0] for h in search.decode(SOURCES)]
    forced = [h[0] for h in search.decode(SOURCES, prefixes=[h.ids for h in found])]
    for source, one, other in zip(SOURCES, found, forced):
        assert one.ids == other.ids
        assert one.attention.shape == (len(one.ids), len(source))
        np.testing.assert_allclose(one.attention.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)
    assert sum(len(h.ids) for h in found) >= 6


@compiles
def test_an_ensemble_averages_probabilities():
    """Its output is the best under the mean of probabilities, token by token."""
    pair = [make(seed=seed, model="gru") for seed in (1, 2)]
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


def test_few_shapes_and_the_order_given(of_kind):
    """As many compilations as buckets of 1,000 sources, each output where its source was."""
    generator = np.random.default_rng(0)
    sources = [generator.integers(4, 12, n).tolist() for n in generator.integers(1, 21, 1000)]
    search = Decoder(of_kind("gru"), DecodingSettings(beam=2, longest=2))
    first = [h[0] for h in search.decode(sources)]
    buckets = {bucket(len(source)) for source in sources}
    assert len(buckets) == 3
    assert search.compiled == (0 if keras.backend.backend() == "torch" else 3)
    again = [h[0] for h in search.decode(sources[::-1])][::-1]
    assert search.compiled <= 3
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
    search = Decoder(transformer)
    for sources in ([[4], []], [[4], [12]], [[0]], [[4.5]]):
        with pytest.raises(ll.ArgumentError, match="Decoder.decode: `sources.[01].` must hold"):
            search.decode(sources)
    assert search.decode([]) == []
