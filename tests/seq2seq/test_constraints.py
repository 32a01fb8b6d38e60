"""What must, may and must not come: each has a property that fails without it."""

import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.decoding.constraints import following, repeating, trie_of
from losslayer.seq2seq.symbols import END, UNKNOWN
from tests.seq2seq.conftest import (
    SOURCES,
    compiles,
    decoder,
    every_output,
    log_probabilities,
    more,
    penalised,
)


def decode(models, sources=SOURCES, prefixes=None, allowed=None, **options):
    options = {"must_not": (UNKNOWN,), "longest": 3, **options}
    return decoder(models, DecodingSettings(**options)).decode(sources, prefixes, allowed)


def best_of(models, source, outputs, alpha=0.6):
    log_ps = log_probabilities(models, source, outputs)
    return max(zip(outputs, log_ps), key=lambda pair: penalised(pair[1], pair[0], alpha))[0]


ALLOWED = [[4, 5], [6], [5, 5, 4]]


@pytest.mark.parametrize(
    ("given", "options", "keeps"),
    [
        ({"prefixes": [[5]]}, {}, lambda ids: ids[:1] == [5]),
        ({"prefixes": [[6, 4, 6]]}, {}, lambda ids: ids == [6, 4, 6]),
        ({"allowed": ALLOWED}, {}, lambda ids: ids in ALLOWED),
        ({"allowed": ALLOWED, "prefixes": [[5]]}, {}, lambda ids: ids == [5, 5, 4]),
        more({}, {"shortest": 2}, lambda ids: len(ids) >= 2),
        more({}, {"no_repeat_ngram": 1}, lambda ids: len(set(ids)) == len(ids)),
        more({}, {"must_not": (UNKNOWN, 6)}, lambda ids: 6 not in ids),
        more({}, {"longest": 1}, lambda ids: len(ids) <= 1),
    ],
    ids=lambda value: None if callable(value) else str(value),  # the same in each process
)
def test_a_rule_leaves_what_keeps_to_it(of_kind, given, options, keeps):
    """The best of all outputs that do, where the best output of all does not."""
    models, everything = of_kind("gru"), every_output(3)
    sources = [[n, 4, m] for n in range(4, 12) for m in range(4, 12)]
    source = next(s for s in sources if not keeps(best_of(models, s, everything)))
    [[found]] = decode(models, [source], beam=120, **given, **options)
    assert found.ids == best_of(models, source, [ids for ids in everything if keeps(ids)])
    [log_p] = log_probabilities(models, source, [found.ids])
    assert found.score == pytest.approx(penalised(log_p, found.ids, 0.6), rel=1e-4)


@compiles
def test_a_small_beam_keeps_to_them_too(of_kind):
    """No output breaks a rule, in a beam and in samples."""
    allowed = [[4, 5, 6, 4], [4, 5], [6, 6, 6]]
    for options in ({"beam": 3, "n_best": 2}, {"sample": True, "n_best": 4}):
        found = decode(of_kind("gru"), allowed=allowed, longest=None, **options)
        assert all(h.ids in allowed for hypotheses in found for h in hypotheses)
        found = decode(of_kind("gru"), longest=8, shortest=5, no_repeat_ngram=2, **options)
        for hypotheses in found:
            for h in hypotheses:
                assert 5 <= len(h.ids) <= 8
                pairs = list(zip(h.ids, h.ids[1:]))
                assert len(pairs) == len(set(pairs))


def test_nothing_that_fits_is_an_error(of_kind):
    """No source goes without an output in silence."""
    models = of_kind("gru")
    with pytest.raises(ll.ArgumentError, match=r"no output was found for sources\[\d\]"):
        decode(models, beam=120, prefixes=[[4]] * 3, allowed=[[5]])
    with pytest.raises(ll.ArgumentError, match="`prefixes` must have at most 3 tokens"):
        decode(models, beam=120, prefixes=[[], [4, 4, 4, 4], []])
    with pytest.raises(ll.ArgumentError, match="`prefixes` must be 3 lists"):
        decode(models, beam=120, prefixes=[[]])
    with pytest.raises(ll.ArgumentError, match="`allowed` must hold a sequence"):
        decode(models, beam=120, allowed=[])


def test_repeating_against_a_loop():
    """The tokens after which some n-gram would stand twice."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        said = generator.integers(0, 3, generator.integers(0, 8)).tolist()
        for n in (1, 2, 3):
            expected = set()
            for token in range(3):
                longer = [*said, token]
                grams = [tuple(longer[i : i + n]) for i in range(len(longer) - n + 1)]
                if grams and grams[-1] in grams[:-1]:
                    expected.add(token)
            assert repeating(said, n) == expected


def test_a_trie_knows_what_follows():
    trie = trie_of([[4, 5], [4], [6]])
    assert following(trie, []) == [4, 6]
    assert sorted(following(trie, [4])) == [END, 5]
    assert following(trie, [4, 5]) == [END]
    assert following(trie, [5]) == following(trie, [4, 6]) == []
