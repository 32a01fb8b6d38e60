"""Beam search against the enumeration of everything, and greedy search against a loop."""

import numpy as np
import pytest

from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.symbols import BEGIN, END, UNKNOWN
from tests.seq2seq.conftest import (
    every_output,
    log_probabilities,
    log_softmax,
    padded,
    penalised,
)

SOURCES = [[4, 5, 6], [7, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9], [11]]
MODELS = ("transformer", "gru", "lstm")


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("name", MODELS)
def test_full_width_is_enumeration(all_models, name, alpha):
    """A beam that drops nothing ranks all outputs as a loop over all of them does."""
    models = all_models[name]
    everything = every_output(3)
    settings = DecodingSettings(
        beam=130,
        n_best=len(everything),
        longest=3,
        must_not=(UNKNOWN,),
        length_penalty=alpha,
    )
    for source, found in zip(SOURCES, Decoder(models, settings).decode(SOURCES)):
        scores = [
            penalised(log_p, ids, alpha)
            for ids, log_p in zip(everything, log_probabilities(models, source, everything))
        ]
        order = np.argsort(scores)[::-1]
        assert [h.ids for h in found] == [everything[n] for n in order]
        np.testing.assert_allclose([h.score for h in found], np.sort(scores)[::-1], rtol=1e-4)


def greedy(models, source, longest):
    """The likeliest next token, over and over; nothing is kept between steps."""
    ids = []
    while len(ids) < longest:
        logits = models.training.predict_on_batch(
            {"source": padded([source]), "target": padded([[BEGIN, *ids, 0]])}
        )
        log_p = log_softmax(logits)[0, len(ids)]
        log_p[[0, BEGIN]] = -np.inf
        token = int(log_p.argmax())
        if token == END:
            break
        ids.append(token)
    return ids


@pytest.mark.parametrize("name", MODELS)
def test_a_beam_of_one_is_greedy(all_models, name):
    models = all_models[name]
    settings = DecodingSettings(beam=1, longest=6)
    for source, [found] in zip(SOURCES, Decoder(models, settings).decode(SOURCES)):
        assert found.ids == greedy(models, source, 6)
        log_p = log_probabilities(models, source, [found.ids])[0]
        assert found.score == pytest.approx(penalised(log_p, found.ids, 0.6), rel=1e-4)
