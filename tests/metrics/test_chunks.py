"""Chunk F1 against seqeval, on any sequences of tags, in any batches."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend

metrics = pytest.importorskip("seqeval.metrics", reason="seqeval is the peer")

SCHEMES = {
    "BIO": ["O", "B-X", "I-X", "B-Y", "I-Y", "B", "I"],
    "BIOES": ["S-X", "B-X", "I-X", "E-X", "O", "B-Y", "I-Y", "E-Y", "S-Y"],
    "BMES": ["B", "M", "E", "S"],
    "BILOU": ["O", "B-X", "I-X", "L-X", "U-X", "U-Y", "L-Y"],
}
# Letters that seqeval doesn't know, in its own.
THEIRS = str.maketrans({"M": "I", "L": "E", "U": "S"})
MEASURES = {
    "f1": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}


def example(scheme, seed, rows=40, time=9):
    """Labels, tags that are often theirs, a mask; most sequences make no sense as chunks."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(SCHEMES[scheme]), (rows, time))
    other = rng.integers(0, len(SCHEMES[scheme]), (rows, time))
    tags = np.where(rng.uniform(size=(rows, time)) < 0.15, other, labels)
    return labels, tags, np.arange(time) < rng.integers(0, time + 1, (rows, 1))


def theirs(measure, scheme, labels, tags, mask):
    """What seqeval says."""
    names = [tag.translate(THEIRS) for tag in SCHEMES[scheme]]
    lists = ([[names[t] for t in r[m]] for r, m in zip(a, mask)] for a in (labels, tags))
    return MEASURES[measure](*lists, zero_division=0)


def ours(measure, scheme, *batches):
    """What the metric says of several batches."""
    metric = ll.metrics.ChunkF1(SCHEMES[scheme], scheme, measure)
    for labels, tags, mask in batches:
        metric.update_state(labels, tags, sample_weight=mask)
    return float(metric.result())


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_equals_seqeval(scheme, measure):
    """Also where "I" follows "O", "E" stands alone, or the type changes inside."""
    for seed in range(4):
        given = example(scheme, seed)
        expected = theirs(measure, scheme, *given)
        assert 0 < expected < 1
        assert ours(measure, scheme, given) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_batches_and_padding(scheme):
    """The same number however the rows are cut into batches, and padded with anything."""
    labels, tags, mask = example(scheme, 0)
    expected = theirs("f1", scheme, labels, tags, mask)
    for size in (1, 7, 39):
        cuts = [slice(i, i + size) for i in range(0, 40, size)]
        found = ours("f1", scheme, *((labels[c], tags[c], mask[c]) for c in cuts))
        assert found == pytest.approx(expected, rel=1e-6)
    wider = [np.pad(a, ((0, 0), (0, 5)), constant_values=v) for a, v in ((labels, 99), (tags, -1))]
    wider = [np.where(np.pad(mask, ((0, 0), (0, 5))), a, -3) for a in wider]
    found = ours("f1", scheme, (*wider, np.pad(mask, ((0, 0), (0, 5)))))
    assert found == pytest.approx(expected, rel=1e-6)


def test_holes_are_removed():
    """What doesn't count in the middle of a chunk does not end it."""
    labels, tags, _ = example("BIO", 5)
    mask = np.random.default_rng(0).uniform(size=labels.shape) < 0.6
    expected = theirs("f1", "BIO", labels, tags, mask)
    assert ours("f1", "BIO", (labels, tags, mask)) == pytest.approx(expected, rel=1e-6)
    rows = np.arange(40) % 3 != 0
    expected = theirs("f1", "BIO", labels[rows], tags[rows], np.ones((rows.sum(), 9), bool))
    assert ours("f1", "BIO", (labels, tags, rows)) == pytest.approx(expected, rel=1e-6)


def test_numbers_of_no_tag():
    """They are outside of all chunks, as "O" is."""
    labels, tags, mask = example("BIO", 2)
    expected = theirs("f1", "BIO", labels, tags, mask)
    other = np.where(np.arange(9) % 2, -1, 99)
    found = ours("f1", "BIO", (labels, np.where(tags == 0, other, tags), mask))
    assert found == pytest.approx(expected, rel=1e-6)


def test_compiled():
    """In a compiled graph as well, once for all masks."""
    metric = ll.metrics.ChunkF1(SCHEMES["BIO"])
    if keras.backend.backend() == "jax":
        run, traces = backend.compiled(metric.stateless_update_state)
    else:
        run, traces = backend.compiled(lambda state, *given: metric.update_state(*given))
    batches = [example("BIO", seed) for seed in range(3)]
    state = [ops.convert_to_tensor(v) for v in metric.variables]
    for given in batches:
        state = run(state, *map(ops.convert_to_tensor, given)) or state
    if keras.backend.backend() == "jax":
        found = float(metric.stateless_result(state))
        assert len(traces) == 1
    else:
        found = float(metric.result())
    whole = [np.concatenate(parts) for parts in zip(*batches)]
    assert found == pytest.approx(theirs("f1", "BIO", *whole), rel=1e-6)


def test_refuses():
    """Unknown measures and tags at construction, other shapes when it is fed."""
    for arguments in ({"measure": "accuracy"}, {"scheme": "IOB"}, {"tags": ["X"]}):
        with pytest.raises(ll.ArgumentError, match="ChunkF1: `.*` must"):
            ll.metrics.ChunkF1(**{"tags": ["O"], **arguments})
    metric = ll.metrics.ChunkF1(["O", "B"])
    for shapes in (((2, 3), (2, 4)), ((3,), (3,)), ((2, 3), (2, 3), (2, 4))):
        arrays = [np.zeros(shape, "int32") for shape in shapes]
        with pytest.raises(ll.ArgumentError, match="ChunkF1: `.*` must have the axes"):
            metric.update_state(*arrays)
