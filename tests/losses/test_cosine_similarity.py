"""CosineSimilarity, a plain layer that losses build on."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend

from .oracles.common import cosine, random


def similarity(a, b):
    """What the layer says, as NumPy."""
    return ops.convert_to_numpy(ll.losses.CosineSimilarity()(a, b))


def test_equals_the_formula():
    """a . b / (|a| |b|), along the last axis, with broadcasting."""
    a, b = random().normal(size=(2, 3, 1, 4)).astype("float32")
    found = similarity(a, np.repeat(b, 2, axis=1))
    expected = [[cosine(a[i, 0], b[i, 0])] * 2 for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_is_symmetric_and_ignores_lengths():
    """cos(a, b) = cos(b, a) = cos(1000 a, b / 1000)."""
    a, b = random().normal(size=(2, 5, 4)).astype("float32")
    np.testing.assert_allclose(similarity(a, b), similarity(b, a), rtol=1e-6)
    np.testing.assert_allclose(similarity(a, b), similarity(1e3 * a, 1e-3 * b), rtol=1e-5)


@pytest.mark.parametrize("zero", ["a", "b", "both"])
def test_zero_vectors_have_gradient_zero(zero):
    """The cosine of a zero vector is 0, and so is its gradient, on every backend."""
    a, b = random().normal(size=(2, 3, 4)).astype("float32")
    a[0] = 0 if zero in ("a", "both") else a[0]
    b[0] = 0 if zero in ("b", "both") else b[0]
    layer = ll.losses.CosineSimilarity()
    run = backend.value_and_gradient(lambda tensors: ops.sum(layer(*tensors)))
    value, gradients = run([a, b])
    assert similarity(a, b)[0] == 0
    assert np.isfinite(value)
    assert np.isfinite(gradients).all()
    assert (gradients[0][0] == 0).all() == (zero != "b") or (b[0] == 0).all()
    if zero != "b":
        np.testing.assert_array_equal(gradients[0][0], np.zeros(4))
    if zero != "a":
        np.testing.assert_array_equal(gradients[1][0], np.zeros(4))


def test_half_precision_comes_out_as_float32():
    """Cosines are sums of products: float32 inside and out."""
    a = ops.ones((2, 4096), "float16")
    found = ll.losses.CosineSimilarity()(a, a)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), 1, rtol=1e-6)


@pytest.mark.parametrize("layer", [ll.losses.CosineSimilarity(), ll.losses.EuclideanDistance()])
def test_nan_stays_nan(layer):
    """A model that has lost its weights must not look as if its vectors had no length."""
    lost = np.array([[np.nan, 1.0], [3.0, 4.0]], "float32")
    found = ops.convert_to_numpy(layer(lost, np.ones((2, 2), "float32")))
    assert np.isnan(found).tolist() == [True, False]
