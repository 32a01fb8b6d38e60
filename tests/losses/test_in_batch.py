"""InBatchNegatives and SigmoidPairs: optional tensors, blocks of rows, errors, and peers."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.losses import in_batch
from losslayer.testing.subject import Subject

from .oracles.in_batch import inputs


def _value(layer, given, **weights):
    value, _ = layer(**given, **weights)
    return float(ops.convert_to_numpy(value))


def test_ids_without_negatives():
    """Texts that stand twice are left out: as if each pair of them were looked at apart."""
    given = {name: array.astype("float32") for name, array in inputs("ids").items()}
    given["ids"] = np.array([0, 0, 1, 2, 3, 4])
    layer = ll.losses.InBatchNegatives(temperature=0.5)
    kept = [{n: a[rows] for n, a in given.items()} for rows in ([0, 2, 3, 4, 5], [1, 2, 3, 4, 5])]
    rest = [0, 1]
    # Rows 0 and 1 have the values that they have without each other; the others see all six.
    plain = layer.values(*(ops.convert_to_tensor(given[n]) for n in ("anchor", "positive")))
    expected = ops.convert_to_numpy(plain).copy()
    for row, part in zip(rest, kept):
        alone = layer.values(*(ops.convert_to_tensor(part[n]) for n in ("anchor", "positive")))
        expected[row] = ops.convert_to_numpy(alone)[0]
    assert _value(layer, given) == pytest.approx(expected.mean(), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(
    "layer",
    [
        ll.losses.InBatchNegatives(symmetric=True, same_side=True, hardness=0.5, learned=True),
        ll.losses.SigmoidPairs(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_blocks_of_rows(layer, rows, monkeypatch):
    """Value and gradients don't depend on how many rows are looked at at a time."""
    given = inputs("negative", "ids", "negative_ids")
    mask = np.array([True, True, False, True, True, True])
    weight = np.array([1, 2, 1, 3, 0.5, 1], "float32")

    def found():
        subject = Subject(layer, given)
        arrays = subject.arrays
        return subject.mean_and_slopes(subject.leaves(), arrays, mask=mask, sample_weight=weight)

    value, slopes = found()
    monkeypatch.setattr(in_batch, "_LEAST_ROWS", rows)
    monkeypatch.setattr(in_batch, "_SCORES", 1)
    again, others = found()
    assert float(again) == pytest.approx(float(value), rel=1e-6)
    for one, other in zip(slopes, others):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("same_side", [False, True])
def test_both_ways_at_the_smallest_temperature(same_side):
    """exp(1 / 0.01) is no float32; a row that counts nowhere brings it into no gradient."""
    layer = ll.losses.InBatchNegatives(0.01, symmetric=True, same_side=same_side, learned=True)
    vectors = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0]]
    counts = np.array([True, False, True, True, True])

    def found(rows, mask):
        subject = Subject(layer, {"anchor": vectors[rows], "positive": vectors[rows]})
        value, slopes = subject.mean_and_slopes(subject.leaves(), subject.arrays, mask=mask)
        return [np.asarray(t) for t in (value, *slopes)]

    value, *slopes, by_temperature = found(slice(None), counts)
    expected, *others, other_by_temperature = found(counts, None)
    assert value == pytest.approx(expected, rel=1e-5)
    assert by_temperature == pytest.approx(other_by_temperature, rel=1e-5)
    for slope, other in zip(slopes, others, strict=True):
        np.testing.assert_allclose(slope[counts], other, rtol=1e-5, atol=1e-5)
        assert not slope[~counts].any()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("temperature", [0.05, 0.01])
def test_a_fixed_temperature_is_like_a_learned_one(temperature, symmetric):
    """Where scores are known to be moderate, no largest one is subtracted."""
    rng = np.random.default_rng(0)
    arrays = {n: rng.normal(size=(6, 4)).astype("float32") for n in ("anchor", "positive")}
    found = []
    for learned in (False, True):
        layer = ll.losses.InBatchNegatives(temperature, symmetric=symmetric, learned=learned)
        subject = Subject(layer, arrays)
        found.append(subject.mean_and_slopes(subject.leaves()))
    (value, slopes), (expected, others) = found
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    # Both compute in float32: scores of up to 1 / 0.01 are exact to 1e-5.
    for one, other in zip(slopes[:2], others[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_learned_temperature_has_a_bound():
    """Below 0.01 the temperature divides as 0.01 does, and its gradient goes on."""
    layer = ll.losses.InBatchNegatives(temperature=0.01, learned=True)
    given = inputs()
    at_the_bound = _value(layer, given)
    layer.log_temperature.assign(np.log(0.001))
    assert _value(layer, given) == pytest.approx(at_the_bound, rel=1e-5)
    subject = Subject(layer, given)
    *_, by_temperature = subject.mean_and_slopes(subject.leaves())[1]
    assert abs(float(by_temperature)) > 0.1


def test_errors():
    """Ids of negatives need ids to be compared with."""
    given = inputs("negative", "negative_ids")
    with pytest.raises(ll.ArgumentTypeError, match="`ids` must be given when `negative_ids` is"):
        ll.losses.InBatchNegatives()(**given)


def test_fit_takes_no_sample_weight():
    """Its values are averaged when `fit` could weigh them, so it says where weights go."""
    a = keras.Input((4,), name="a")
    p = keras.Input((4,), name="p")
    model = ll.Model(inputs=[a, p], outputs=keras.layers.Dense(4)(a))
    model.add_loss(ll.losses.InBatchNegatives()(model.outputs[0], p), name="nll")
    model.compile("sgd")
    data = {"a": np.ones((4, 4)), "p": np.eye(4)}
    with pytest.raises(ll.LosslayerError, match="sample_weight"):
        model.fit(data, sample_weight=np.ones(4), verbose=0)
