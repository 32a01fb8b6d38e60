"""Values of rows that meet all others, a few rows at a time: against the reference."""

import numpy as np
import pytest
from keras import ops

from losslayer import backend, kernels
from losslayer.kernels.rows import reference

SIZES = [1, 3, 7, 100]


def scores(rows, shared):
    """Cross entropy of a row's own place among all, and of a factor that all share."""
    vectors, places = rows
    table, scale = shared
    logits = ops.matmul(vectors, ops.transpose(table)) * scale
    own = ops.take_along_axis(logits, ops.expand_dims(places, -1), axis=1)[:, 0]
    return ops.logsumexp(logits, axis=1) - own


@pytest.fixture
def example():
    """Vectors, a table, a factor and weights, some of them 0."""
    random = np.random.default_rng(0)
    vectors, table = random.normal(size=(7, 4)), random.normal(size=(9, 4))
    weights = np.array([0.5, 0, 2, 1, 0, 0, 3.0])
    return [vectors, table, np.array(1.5), weights]


def _value_and_slopes(kernel, leaves, size):
    places = np.array([3, 1, 0, 8, 2, 5, 6], "int32")

    def value(leaves):
        vectors, table, scale, weights = leaves
        rows = [vectors, ops.convert_to_tensor(places)]
        return ops.square(kernel(scores, rows, [table, scale], weights, size))

    return backend.value_and_gradient(value)(leaves)


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_reference(example, size):
    """Value and all gradients, in float64, for any number of rows at a time."""
    with backend.float64():
        found = _value_and_slopes(kernels.sum_of_rows, example, size)
        expected = _value_and_slopes(reference.sum_of_rows, example, size)
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    *slopes, by_weights = expected[1]
    by_weights = np.where(example[3] == 0, 0, by_weights)  # such rows are not computed
    for slope, other in zip(found[1], [*slopes, by_weights]):
        np.testing.assert_allclose(slope, other, rtol=1e-10, atol=1e-12)


def test_what_the_function_does_not_read(example):
    """It has a gradient of 0: the vectors and the table, given twice, have that of once."""

    def kernel(function, rows, shared, weights, size):
        rows, shared = [*rows, rows[0]], [*shared, shared[0]]
        return kernels.sum_of_rows(
            lambda row, batch: function(row[:2], batch[:2]), rows, shared, weights, size
        )

    with backend.float64():
        found = _value_and_slopes(kernel, example, 3)
        expected = _value_and_slopes(kernels.sum_of_rows, example, 3)
    for slope, other in zip(found[1], expected[1]):
        np.testing.assert_allclose(slope, other, rtol=1e-12)


def test_nothing_counts(example):
    """All weights 0: value and gradients 0."""
    example = [t.astype("float32") for t in example]
    example[3] = np.zeros(7, "float32")
    value, slopes = _value_and_slopes(kernels.sum_of_rows, example, 3)
    assert value == 0
    assert all(not np.any(slope) for slope in slopes)


def test_no_compilation_for_another_number_of_rows_that_count(example):
    """What is computed depends on the weights, and what is compiled does not."""
    vectors, table, scale, weights = (ops.convert_to_tensor(t.astype("float32")) for t in example)
    places = ops.zeros(7, "int32")

    def run(weights):
        return kernels.sum_of_rows(scores, [vectors, places], [table, scale], weights, 3)

    run, traces = backend.compiled(run)
    for count in range(8):
        some = ops.where(ops.arange(7) < count, weights, 0.0)
        whole = reference.sum_of_rows(scores, [vectors, places], [table, scale], some, 3)
        np.testing.assert_allclose(float(run(some)), float(whole), rtol=1e-5)
    assert len(traces) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_values(example, size):
    """Each row's own value, 0 where nothing counts; a gradient does not go through them."""
    with backend.float64():
        places = ops.zeros(7, "int32")
        *tensors, weights = map(ops.convert_to_tensor, example)

        def values(vectors):
            rows, shared = [vectors, places], tensors[1:]
            return kernels.values_of_rows(scores, rows, shared, weights, size)

        found = ops.convert_to_numpy(values(tensors[0]))
        whole = ops.convert_to_numpy(scores([tensors[0], places], tensors[1:]))
        slopes = backend.value_and_gradient(lambda leaves: ops.sum(ops.square(values(*leaves))))(
            [example[0]]
        )[1]
    np.testing.assert_allclose(found, np.where(example[3] == 0, 0, whole), rtol=1e-12)
    assert not np.any(slopes[0])
