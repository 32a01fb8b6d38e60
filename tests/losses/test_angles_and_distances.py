"""Where distances and angles have no slope of their own: gradients stay finite there."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend
from losslayer.testing.subject import Subject

from .oracles.common import random


def test_distance_equals_the_formula():
    """|a - b|, along the last axis, with broadcasting, in float32 from half precision too."""
    a, b = random().normal(size=(2, 3, 1, 4)).astype("float32")
    b = np.repeat(b, 2, axis=1)
    found = ops.convert_to_numpy(ll.losses.EuclideanDistance()(a, b))
    expected = np.sqrt(((a.astype("float64") - b) ** 2).sum(axis=-1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = ll.losses.EuclideanDistance()(ops.ones((1, 4096), "float16"), ops.zeros((1, 4096)))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), 64)


def test_equal_points_have_gradient_zero():
    """Where two points are one, the distance is 0 and so is its gradient, on every backend."""
    a, b = random().normal(size=(2, 3, 4)).astype("float32")
    a[0] = b[0]
    layer = ll.losses.EuclideanDistance()
    _, gradients = backend.value_and_gradient(lambda t: ops.sum(layer(*t)))([a, b])
    assert ops.convert_to_numpy(layer(a, b))[0] == 0
    for slopes in gradients:
        np.testing.assert_array_equal(slopes[0], np.zeros(4))
        np.testing.assert_allclose(np.linalg.norm(slopes[1:], axis=1), 1, rtol=1e-5)


def arcface(margin, scale=8.0):
    """Three classes, whose centres are the axes."""
    layer = ll.losses.ArcFace(3, margin, scale)
    layer.build([(None, 3), (None,)])
    layer.set_weights([2 * np.eye(3)])
    return layer


@pytest.mark.parametrize("margin", [0.0, 0.5, np.pi / 2])
def test_arcface_on_its_centre_and_opposite(margin):
    """At the angles 0 and pi the value is the formula's, and the gradient finite."""
    embeddings = np.array([[3, 0, 0], [-3, 0, 0], [0, 0, 0]], "float32")
    labels, layer = np.array([0, 0, 1]), arcface(margin)
    values = ops.convert_to_numpy(layer(embeddings, labels)[0])
    targets = [np.cos(margin), -1 - margin * np.sin(margin) if margin else -1]
    expected = [np.log(1 + 2 * np.exp(-8 * target)) for target in targets]
    np.testing.assert_allclose(values[:2], expected, rtol=1e-5)
    slopes = Subject(layer, {"embeddings": embeddings, "labels": labels}).gradient()["embeddings"]
    assert np.isfinite(slopes).all()


def test_arcface_near_its_centre_has_the_slope_of_the_angle():
    """At an angle of 1e-4, where cos is 1 in float32, the slope is that of scale * cos(t + m)."""
    angle, layer = 1e-4, arcface(0.5)
    embeddings = np.array([[np.cos(angle), np.sin(angle), 0]] * 3, "float32")
    arrays = {"embeddings": embeddings, "labels": np.zeros(3, int)}
    slope = 3 * Subject(layer, arrays).gradient()["embeddings"][0, 1]
    target, other = 8 * np.cos(angle + 0.5), 8 * np.sin(angle)
    rest = (np.exp(other) + 1) / (np.exp(target) + np.exp(other) + 1)  # what is not the label's
    expected = rest * 8 * np.sin(angle + 0.5) + 8 * np.exp(other) / (
        np.exp(target) + np.exp(other) + 1
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-3)


def test_arcface_never_pays_for_turning_away():
    """The value grows with the angle, also beyond pi - margin."""
    angles = np.linspace(0, np.pi, 60)
    embeddings = np.stack([np.cos(angles), np.zeros(60), np.sin(angles)], axis=1)
    layer = ll.losses.ArcFace(2, 0.7, 4.0)
    layer.build([(None, 3), (None,)])
    layer.set_weights([np.array([[1.0, 0, 0], [0, 1.0, 0]])])
    values = ops.convert_to_numpy(layer(embeddings, np.zeros(60, int))[0])
    assert (np.diff(values) > 0).all()
