"""What masks, weights and shapes mean for single losses, in numbers that can be worked out."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll


def run(layer, *arrays, **weights):
    """Values and weights as NumPy."""
    return [ops.convert_to_numpy(part) for part in layer(*arrays, **weights)]


def test_sequence_weighs_the_mean_of_its_counted_tokens():
    """Per sequence: its value is a weighted mean, its weight the mean over what counts."""
    logits = np.log(np.array([[[1, 1], [1, 3], [9, 1]], [[1, 1]] * 3], "float32"))
    labels = np.zeros((2, 3), "int32")
    weights = np.array([[1, 3, 0], [0, 0, 0]], "float32")
    layer = ll.losses.SequenceCrossEntropy(per="sequence")
    values, counts = run(layer, logits, labels, sample_weight=weights)
    expected = (1 * np.log(2) + 3 * np.log(4)) / 4
    np.testing.assert_allclose(values, [expected, 0], rtol=1e-6)
    np.testing.assert_allclose(counts, [2, 0])


def test_mask_and_sample_weight_multiply():
    """A mask per token and a weight per sequence give a weight per token."""
    logits, labels = np.zeros((2, 2, 3), "float32"), np.zeros((2, 2), "int32")
    mask = np.array([[True, True], [True, False]])
    weights = np.array([2.0, 0.5], "float32")
    layer = ll.losses.SequenceCrossEntropy()
    values, counts = run(layer, logits, labels, mask=mask, sample_weight=weights)
    np.testing.assert_allclose(values, np.log(3) * mask, rtol=1e-6)
    np.testing.assert_allclose(counts, [[2, 2], [0.5, 0]])


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_implicit_mask_counts(dtype):
    """The mask of an embedding reaches the loss, in half precision too."""
    tokens = keras.Input((None,), dtype="int32")
    labels = keras.Input((None,), dtype="int32")
    logits = keras.layers.Embedding(9, 4, mask_zero=True, dtype=dtype)(tokens)
    model = keras.Model([tokens, labels], ll.losses.SequenceCrossEntropy()(logits, labels))
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    _, weights = model([ids, ids])
    np.testing.assert_array_equal(ops.convert_to_numpy(weights), ids != 0)


def test_focal_alpha_must_fit_the_logits():
    """One number per class where logits have a class axis, one number where they have none."""
    labels = np.array([0, 1])
    for alpha, shape in ((0.5, (2, 3)), ((1, 2), (2,)), ((1, 2), (2, 3))):
        with pytest.raises(ll.ArgumentError, match=r"Focal: `alpha` must .* Received: alpha="):
            ll.losses.Focal(alpha=alpha)(np.zeros(shape, "float32"), labels)


def test_focal_keeps_what_is_left_of_a_sure_answer():
    """Where 1 - p is far below float32's resolution the loss is still not rounded to 0."""
    logits = np.array([[20.0, 0.0]], "float32")
    values, _ = run(ll.losses.Focal(gamma=1.0), logits, np.array([0]))
    rest = np.exp(-20.0)  # 1 - p, and -log p, to first order
    np.testing.assert_allclose(values, [rest * rest], rtol=1e-3)


def test_in_batch_negatives_of_weight_0_are_no_candidates():
    """Three orthogonal pairs and one that is masked: -log(e^2 / (e^2 + 2)), whatever it holds."""
    pairs = np.concatenate([np.eye(3), np.full((1, 3), np.nan)]).astype("float32")
    layer = ll.losses.InBatchNegatives(temperature=0.5)
    for given in ({"mask": [1, 1, 1, 0]}, {"sample_weight": [1.0, 2.0, 3.0, 0.0]}):
        value, _ = run(layer, pairs, pairs, **given)
        np.testing.assert_allclose(value, np.log(1 + 2 * np.exp(-2)), rtol=1e-6)


def test_lists_weigh_the_mean_of_their_candidates():
    """A mask of candidates, weights of lists; where nothing relevant is left, weight 0."""
    scores = np.zeros((3, 4), "float32")
    targets = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [2, 1, 0, 0]], "float32")
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], bool)
    layer = ll.losses.ListSoftmax()
    values, weights = run(layer, scores, targets, mask=mask, sample_weight=[2.0, 3.0, 0.5])
    np.testing.assert_allclose(values, [np.log(2), 0, np.log(4)], rtol=1e-6)
    np.testing.assert_allclose(weights, [2, 0, 0.5])


def test_cosent_leaves_out_what_has_no_weight():
    """Of four pairs one is masked: two are in order by 1, the third as near as the first."""
    similarity = np.array([0.0, 1.0, 0.0, np.nan], "float32")
    targets = np.array([-1.0, 1.0, 2.0, 9.0], "float32")  # on both sides of 0, the padding
    value, weight = run(ll.losses.CoSENT(3.0), similarity, targets, sample_weight=[1, 2, 0.5, 0])
    np.testing.assert_allclose(value, np.log(1 + np.exp(-3) + 1 + np.exp(3)), rtol=1e-6)
    assert weight == 3.5


def test_targets_of_several_negatives_have_their_axes():
    """One margin for three negatives would be repeated in silence."""
    with pytest.raises(ll.ArgumentError, match="MarginMSE: `targets` must have the axes of"):
        ll.losses.MarginMSE()(np.ones(2), np.ones((2, 3)), np.ones(2))
