"""The loop of an LSTM against its recursion: every result, and every slope."""

import keras
import numpy as np
import pytest
from keras import ops

from losslayer import backend
from losslayer.kernels.lstm import lstm, reference

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="there Keras's own loop stays"
)

DIM, UNITS = 3, 5
NAMES = ("inputs", "kernel", "recurrent_kernel", "bias", "hidden", "carry")


def example(batch=4, time=6, seed=0):
    """Random tensors, the first state among them."""
    rng = np.random.default_rng(seed)
    shapes = {
        "inputs": (batch, time, DIM),
        "kernel": (DIM, 4 * UNITS),
        "recurrent_kernel": (UNITS, 4 * UNITS),
        "bias": (4 * UNITS,),
        "hidden": (batch, UNITS),
        "carry": (batch, UNITS),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def masks(batch=4, time=6):
    """Masks of every kind, by name."""
    rng, step = np.random.default_rng(1), np.arange(time)
    lengths = np.array([time, 1, 0, 2])[:batch, None]
    return {
        "none": None,
        "all": np.ones((batch, time), "bool"),
        "right-padded": step < lengths,
        "left-padded": step >= time - lengths,
        "holes": rng.uniform(size=(batch, time)) < 0.5,
        "nothing": np.zeros((batch, time), "bool"),
    }


def results(function, given, mask, sequences):
    """All that it returns, with the slopes of a weighted sum of it."""
    names = [name for name in NAMES if given[name] is not None]
    mask = None if mask is None else ops.convert_to_tensor(mask)

    def called(leaves):
        tensors = {**dict.fromkeys(NAMES), **dict(zip(names, leaves))}
        found = function(**tensors, mask=mask, sequences=sequences)
        assert (found[0] is not None) == sequences
        return [t for t in found if t is not None]

    def weighted(leaves):
        rng, total = np.random.default_rng(2), 0.0
        for tensor in called(leaves):
            factors = ops.convert_to_tensor(rng.normal(size=tensor.shape), tensor.dtype)
            total = total + ops.sum(tensor * factors)
        return total

    leaves = [given[name] for name in names]
    values = [ops.convert_to_numpy(t) for t in called(map(ops.convert_to_tensor, leaves))]
    return values, backend.value_and_gradient(weighted)(leaves)[1]


def assert_same(one, other, rtol):
    for found, expected in zip(one, other, strict=True):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("kind", masks())
def test_value_and_gradient(kind, sequences):
    """Whatever the mask passes over: at the ends, in between, everything."""
    with backend.float64():
        for given in (example(), {**example(), "bias": None}):
            arguments = given, masks()[kind], sequences
            found, expected = results(lstm, *arguments), results(reference.lstm, *arguments)
            assert_same(found, expected, 1e-10)


@pytest.mark.parametrize(("batch", "time"), [(1, 6), (4, 1), (1, 1)])
def test_smallest_sizes(batch, time):
    """One row, one step."""
    with backend.float64():
        arguments = example(batch, time), masks(batch, time)["holes"], True
        assert_same(results(lstm, *arguments), results(reference.lstm, *arguments), 1e-10)


def test_single_precision():
    """The usual type, with gates far out where they are flat."""
    given = {name: 5 * array.astype("float32") for name, array in example().items()}
    arguments = given, masks()["holes"], True
    assert_same(results(lstm, *arguments), results(reference.lstm, *arguments), 1e-4)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
def test_any_mask_is_one_program():
    """Another amount of padding compiles nothing anew."""

    def last(inputs, kernel, recurrent_kernel, bias, hidden, carry, mask):
        return lstm(inputs, kernel, recurrent_kernel, bias, mask, hidden, carry, sequences=False)[1]

    run, traces = backend.compiled(last)
    given = [ops.convert_to_tensor(t.astype("float32")) for t in example().values()]
    for kind, mask in masks().items():
        if kind != "none":
            mask = ops.convert_to_tensor(mask)
            np.testing.assert_allclose(run(*given, mask), last(*given, mask), atol=1e-6)
    assert len(traces) == 1
