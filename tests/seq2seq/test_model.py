"""The networks: what they compute, whatever the padding, and the numbers they report."""

import dataclasses

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq.attention import Nearness
from losslayer.seq2seq.model import ModelSettings, build
from losslayer.seq2seq.symbols import BEGIN, END
from losslayer.seq2seq.transformer import sinusoids
from tests.seq2seq.conftest import (
    EACH_KIND,
    KINDS,
    SMALL,
    SOURCES,
    VOCABULARY,
    compiles,
    log_softmax,
    make,
    more,
    padded,
)

TARGETS = [[BEGIN, 4, 5, END], [BEGIN, 6, 6, 4, 5, 4, END], [BEGIN, END]]


def data(rows, seed=0):
    """Random pairs, padded."""
    generator = np.random.default_rng(seed)
    sources = [generator.integers(4, 12, n).tolist() for n in generator.integers(1, 9, rows)]
    targets = [
        [BEGIN, *generator.integers(4, VOCABULARY, n).tolist(), END]
        for n in generator.integers(0, 7, rows)
    ]
    return {"source": padded(sources), "target": padded(targets)}


@pytest.mark.parametrize("kind", EACH_KIND)
def test_padding_changes_nothing(of_kind, kind):
    """Behind the source and the target, and in front of the source too."""
    run = of_kind(kind).training.predict_on_batch
    source, target = padded(SOURCES), padded(TARGETS)
    plain = run({"source": source, "target": target})
    wide = np.pad(source, ((0, 0), (2, 5)))
    more = run({"source": wide, "target": np.pad(target, ((0, 0), (0, 4)))})
    for row, ids in enumerate(TARGETS):
        places = len(ids) - 1
        np.testing.assert_allclose(more[row, :places], plain[row, :places], atol=2e-5)
    other = source.copy()
    other[0, 1] = 9
    assert np.abs(run({"source": other, "target": target}) - plain)[0].max() > 1e-3


@pytest.mark.parametrize("kind", EACH_KIND)
def test_no_place_sees_what_comes_later(of_kind, kind):
    run = of_kind(kind).training.predict_on_batch
    source, target = padded(SOURCES), padded(TARGETS)
    changed = target.copy()
    changed[1, 3:] = [5, 4, 4, 6]
    plain, other = (run({"source": source, "target": t})[1] for t in (target, changed))
    np.testing.assert_allclose(other[:3], plain[:3], atol=1e-5)
    assert np.abs(other[3] - plain[3]).max() > 1e-3


@pytest.mark.parametrize("fused", [False, more(True)])
def test_numbers_against_a_loop(fused):
    """Perplexity to 1e-6, and the rest, over the stored logits, at batch sizes 1, 7 and 64."""
    models = make(fused=fused, tied=not fused)
    batch = data(64)
    models.training.compile("sgd")
    log_p = log_softmax(models.training.predict(batch, batch_size=64, verbose=0))
    labels = batch["target"][:, 1:]
    values, smoothed, right, whole = [], [], [], []
    for row in range(64):
        hits = []
        for place, label in enumerate(labels[row]):
            if label:
                values.append(-log_p[row, place, label])
                smoothed.append(0.9 * values[-1] - 0.1 * log_p[row, place].mean())
                hits.append(log_p[row, place].argmax() == label)
        right += hits
        whole.append(all(hits))
    for size in (1, 7, 64):
        found = models.training.evaluate(batch, batch_size=size, verbose=0, return_dict=True)
        assert found["ppl"] == pytest.approx(np.exp(np.mean(values)), rel=1e-6)
        assert found["nll"] == pytest.approx(np.mean(smoothed), rel=1e-6)
        assert found["accuracy"] == pytest.approx(np.mean(right))
        assert found["sequence_accuracy"] == pytest.approx(np.mean(whole))


@compiles
def test_r_drop_is_a_named_term():
    """Without dropout both passes are one, so it is 0 in `evaluate` and not in `fit`."""
    models = make(r_drop=2.0, model="gru")
    models.training.compile(keras.optimizers.SGD(0.0))
    batch = data(16)
    fitted = models.training.fit(batch, batch_size=16, verbose=0).history
    found = models.training.evaluate(batch, batch_size=16, verbose=0, return_dict=True)
    assert fitted["r_drop"][0] > 1e-4
    assert found["r_drop"] == pytest.approx(0, abs=1e-7)
    total = fitted["nll"][0] + 2 * fitted["r_drop"][0]
    assert fitted["loss"][0] == pytest.approx(total, rel=1e-5)


def test_training_computes_the_loss_alone(transformer):
    """Accuracies are for `evaluate`; perplexity comes with the loss, unless that is fused."""
    objective = transformer.training._objective
    assert [t.name for t in objective.terms if "fit" in t.stages] == ["nll", "ppl"]
    fused = make(fused=True).training._objective
    assert [t.name for t in fused.terms if "fit" in t.stages] == ["nll"]


@pytest.mark.parametrize("kind", EACH_KIND)
def test_first_weights_depend_on_the_seed_alone(kind):
    """Two builds agree, another seed differs, and no two matrices of one start alike."""
    settings = dataclasses.replace(SMALL, **KINDS[kind])
    one, same, other = (
        build(dataclasses.replace(settings, seed=seed), 12, 9).training.get_weights()
        for seed in (0, 0, 1)
    )
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    matrices = [w for w in one if w.ndim > 1 and w.std() > 0]
    others = [w for w in other if w.ndim > 1 and w.std() > 0]
    assert not any(np.array_equal(a, b) for a, b in zip(matrices, others, strict=True))
    for number, a in enumerate(matrices):
        assert not any(a.shape == b.shape and np.allclose(a, b) for b in matrices[:number])


def test_tables_are_shared_as_asked():
    """Tied: the target table writes too. Shared: one table for both sides."""
    tables = {
        (tied, shared): sum(
            w.shape in ((9, 16), (16, 9))
            for w in build(
                dataclasses.replace(SMALL, tied=tied, shared=shared), 9, 9
            ).training.get_weights()
        )
        for tied in (True, False)
        for shared in (True, False)
    }
    assert tables == {(True, True): 1, (True, False): 2, (False, True): 2, (False, False): 3}


def test_sinusoids_at_any_place():
    """sin and cos of place / wavelength, far beyond what a table would hold."""
    places = np.array([0, 3, 50_000])
    found = keras.ops.convert_to_numpy(sinusoids(places, 8))
    for row, place in enumerate(places):
        for i in range(4):
            angle = np.float32(place) * np.float32(10_000 ** (-i / 3))
            np.testing.assert_allclose(found[row, i], np.sin(angle), atol=1e-3)
            np.testing.assert_allclose(found[row, 4 + i], np.cos(angle), atol=1e-3)


def test_scores_of_distances():
    """What was learned for a distance, less the distance; beyond the farthest all are as there."""
    nearness = Nearness("nearness", farthest=2)
    asking, read = np.array([[0, 1, 5]]), np.array([[-1, 0, 1, 2, 3], [0, 0, 4, 9, 1]])
    nearness(asking, read)
    learned = np.array([0.5, -1.0, 2.0, 3.0, 0.25], "float32")
    nearness.learned.set_weights([learned[:, None]])
    found = keras.ops.convert_to_numpy(nearness(asking, read))
    assert found.shape == (2, 3, 5)
    for row in range(2):
        for a, place in enumerate([0, 1, 5]):
            for b in range(5):
                distance = min(max(read[row, b] - place, -2), 2)
                assert found[row, a, b] == learned[distance + 2] - abs(distance)


@pytest.mark.parametrize("kind", [more("gru"), "lstm"])
def test_attention_begins_on_the_diagonal(kind):
    """Before anything is learned, each target place reads most at the same source place."""
    settings = dataclasses.replace(SMALL, model=kind, diagonal=True)
    network = build(settings, 12, 9).network
    memory = network.encode(padded([[4, 5, 6, 7]]))
    memory["keys"] = keras.ops.zeros_like(memory["keys"])  # scores of places alone
    state = network.start(memory, 1, 4)
    for place in range(4):
        token = np.full((1, 1), BEGIN, "int32")
        _, weights, state = network.step(token, place, memory, state)
        assert keras.ops.convert_to_numpy(weights)[0, 0].argmax() == place


@compiles
def test_the_inference_graph_is_kerass_own(of_kind):
    """So its file loads with no losslayer installed."""
    for kind in KINDS:
        graph = of_kind(kind).training.inference
        assert {type(layer).__module__.split(".")[0] for layer in graph.layers} == {"keras"}


def test_what_is_refused():
    """The option, what it must be, and what it was."""
    for options, message in [
        ({"model": "rnn"}, r"`model` must be one of \('transformer', 'gru', 'lstm'\).*'rnn'"),
        ({"layers": 0}, "`layers` must be a whole number >= 1"),
        ({"dim": 30}, "`heads` must divide dim=30.*heads=4"),
        ({"dim": 33, "model": "gru"}, "`dim` must be even"),
        ({"dropout": 1.0}, "`dropout` must be a number >= 0 and < 1"),
        ({"r_drop": 1.0, "fused": True}, "`r_drop` must be 0 when fused=True"),
        ({"diagonal": True}, "`diagonal` must be False where model='transformer'"),
        ({"tied": "yes"}, "`tied` must be True or False"),
    ]:
        with pytest.raises(ll.ArgumentError, match=message):
            ModelSettings(**options)
    with pytest.raises(ll.ArgumentError, match="`target_vocabulary` must be a whole number >= 5"):
        build(SMALL, 12, 4)
    with pytest.raises(ll.ArgumentError, match="`source_vocabulary` must be target_vocabulary=9"):
        build(dataclasses.replace(SMALL, shared=True), 12, 9)
