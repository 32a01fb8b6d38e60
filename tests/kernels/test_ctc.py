"""The kernel of CTC: exact over many frames, at any sizes, and the same as the reference."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from losslayer import backend, kernels
from losslayer.kernels.ctc import reference


def example(batch, time, label, classes, seed=0):
    """Logits, labels and lengths that have an alignment, but for too many repetitions."""
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(batch, time, classes)).astype("float32"),
        random.integers(1, classes, (batch, label)).astype("int32"),
        random.integers(time // 2, time + 1, batch).astype("int32"),
        random.integers(0, label + 1, batch).astype("int32"),
    )


def values_and_slopes(kernel, logits, *integers):
    """The value of each sequence, and the slope of their sum by the logits."""
    found = []

    def total(leaves):
        log_probs = ops.log_softmax(leaves[0], axis=-1)
        tensors = map(ops.convert_to_tensor, integers)
        found.append(kernel(log_probs, *tensors, blank=0))
        return ops.sum(found[-1])

    slopes = backend.value_and_gradient(total)([logits])[1][0]
    log_probs = ops.log_softmax(ops.convert_to_tensor(logits), axis=-1)
    values = kernel(log_probs, *map(ops.convert_to_tensor, integers), blank=0)
    return ops.convert_to_numpy(values), ops.convert_to_numpy(slopes)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 2), (3, 1, 0, 3), (5, 9, 4, 6), (4, 12, 6, 2)])
def test_kernel_is_the_reference(sizes):
    """Engine's code or `keras.ops`: the same values and slopes."""
    arrays = example(*sizes)
    values, slopes = values_and_slopes(kernels.ctc_loss, *arrays)
    expected, expected_slopes = values_and_slopes(reference.ctc_loss, *arrays)
    real = expected < 1e20  # what has no alignment has no value to compare
    np.testing.assert_allclose(values[real], expected[real], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes[real], expected_slopes[real], rtol=1e-5, atol=1e-6)
    assert np.isfinite(slopes).all()


def alpha_loop(log_probs, labels):
    """The value by the textbook's recursion, in Python's own numbers."""
    walk = [0]
    for label in labels:
        walk += [int(label), 0]
    alpha = [0.0] + [-math.inf] * (len(walk) - 1)
    for frame in log_probs:
        new = []
        for s, c in enumerate(walk):
            terms = [alpha[s]] + ([alpha[s - 1]] if s else [])
            if s > 1 and c not in (0, walk[s - 2]):
                terms.append(alpha[s - 2])
            top = max(terms)
            total = math.fsum(math.exp(t - top) for t in terms) if top > -math.inf else 0
            new.append(top + math.log(total) + frame[c] if total else -math.inf)
        alpha = new
    top = max(alpha[-2:])
    return -top - math.log(math.fsum(math.exp(a - top) for a in alpha[-2:]))


def test_many_frames_are_exact():
    """600 frames: float32 keeps values to 1e-6, and slopes against differences in float64."""
    logits, labels, lengths, label_lengths = example(2, 600, 40, 8)
    lengths[:] = 600, 500
    label_lengths[:] = 40, 30
    values, slopes = values_and_slopes(kernels.ctc_loss, logits, labels, lengths, label_lengths)

    def exact(row, change=0.0):
        x = logits[row, : lengths[row]].astype("float64") + change
        log_probs = x - np.log(np.exp(x).sum(-1, keepdims=True))
        return alpha_loop(log_probs, labels[row, : label_lengths[row]])

    assert values == pytest.approx([exact(0), exact(1)], rel=1e-6)
    for row in (0, 1):
        # No terms that cancel: they would measure the sum, not the slopes.
        direction = np.sign(slopes[row, : lengths[row]])
        direction *= np.random.default_rng(row).uniform(size=direction.shape)
        found = np.sum(slopes[row, : lengths[row]] * direction, dtype="float64")
        step = 1e-5 * direction
        assert found == pytest.approx((exact(row, step) - exact(row, -step)) / 2e-5, rel=1e-5)
        assert not slopes[row, lengths[row] :].any()


def test_extreme_logits_and_no_alignment():
    """Logits of +-1e4, and labels that don't fit: finite values and slopes."""
    logits, labels, lengths, label_lengths = example(6, 7, 5, 4)
    logits = np.where(logits > 0, 1e4, -1e4).astype("float32")
    lengths[:], label_lengths[:] = (0, 1, 2, 3, 7, 7), 5
    for part in values_and_slopes(kernels.ctc_loss, logits, labels, lengths, label_lengths):
        assert np.isfinite(part).all()


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch brings its own")
def test_slopes_cost_nothing_where_none_are_wanted(monkeypatch):
    """Without a gradient only the walk forward runs."""
    runs, scan = [], ops.scan
    monkeypatch.setattr(
        reference.ops, "scan", lambda *a, **k: (runs.append(k.get("reverse")), scan(*a, **k))[1]
    )
    logits, *integers = example(2, 5, 2, 3)
    log_probs = ops.convert_to_tensor(logits)
    kernels.ctc_loss(log_probs, *map(ops.convert_to_tensor, integers), blank=0)
    assert runs == [None]
