"""Scores of given targets, and the self-check."""

import dataclasses

import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq.check import SelfCheckError, self_check, step_scores
from losslayer.seq2seq.scoring import Scorer, score
from tests.seq2seq.conftest import EACH_KIND, SOURCES, compiles, log_probabilities, make

TARGETS = [[4, 5, 6, 6], [], [5, 4] * 3]


@pytest.mark.parametrize("kind", EACH_KIND)
def test_scores_against_a_loop(of_kind, kind):
    """All at once, step by step with a cache, and with more padding: the same."""
    models = of_kind(kind)
    expected = [log_probabilities(models, s, [t])[0] for s, t in zip(SOURCES, TARGETS)]
    scorer = Scorer(models)
    np.testing.assert_allclose(scorer(SOURCES, TARGETS), expected, rtol=1e-5)
    np.testing.assert_allclose(scorer(SOURCES, TARGETS, padding=9), expected, rtol=1e-5)
    np.testing.assert_allclose(step_scores([models], SOURCES, TARGETS), expected, rtol=1e-5)


@compiles
def test_of_several_models(transformer):
    """The mean of probabilities is taken at each token."""
    other = make(seed=5)
    both = score([transformer, other], SOURCES, TARGETS)
    single = [score(m, SOURCES, TARGETS) for m in (transformer, other)]
    assert (both >= np.mean(single, axis=0) - 1e-4).all()  # Jensen, token by token
    np.testing.assert_allclose(score([other, other], SOURCES, TARGETS), single[1], rtol=1e-5)


def test_pairs_are_checked(transformer):
    with pytest.raises(ll.ArgumentError, match="as many as `sources`.*1 targets, 3 sources"):
        score(transformer, SOURCES, [[4]])
    with pytest.raises(ll.ArgumentError, match=r"`targets\[1\]` must hold ids from 1 to 6"):
        score(transformer, SOURCES[:2], [[4], [7]])


@compiles
def test_a_sound_model_passes(transformer):
    """And its report would name NaN, or a beam that finds worse than greedy search."""
    report = self_check(transformer, SOURCES, TARGETS)
    assert max(report.cached, report.padding, report.search) < 1e-5
    assert report.beam >= report.greedy
    assert report.rows == 3
    assert report.failures() == []
    for changed in ({"padding": float("nan")}, {"beam": report.greedy - 1}):
        assert len(dataclasses.replace(report, **changed).failures()) == 1


@compiles
def test_a_broken_model_fails(monkeypatch):
    """A state that forgets is found, and named with its numbers."""
    models = make(model="gru")
    network = models.network
    step = network.step

    def forgetful(token, place, memory, state):
        hidden, attention, _ = step(token, place, memory, state)
        return hidden, attention, state

    monkeypatch.setattr(network, "step", forgetful)
    message = r"step by step: scores differ by [\d.]+ per token.*; search: scores differ by"
    with pytest.raises(SelfCheckError, match=message):
        self_check(models, SOURCES, TARGETS)
