"""What MinedTripletMargin takes for a triplet, in numbers that can be worked out."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject

from .oracles.triplet import MinusSquaredDistance

MINING = ("all", "hard", "semihard")


def run(layer, *arrays, **weights):
    """Values and weights as NumPy."""
    return [ops.convert_to_numpy(part) for part in layer(*arrays, **weights)]


@pytest.mark.parametrize("mining", MINING)
def test_anchors_without_triplets_weigh_nothing(mining):
    """Without a right or a wrong one: weight 0, also where that comes of a mask."""
    embeddings = np.random.default_rng(0).normal(size=(5, 3))
    layer = ll.losses.MinedTripletMargin(mining=mining)
    groups = np.array([1, 1, 2, 2, 3])
    _, weights = run(layer, embeddings, groups, sample_weight=[1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(weights, [1, 2, 3, 4, 0])
    values, weights = run(layer, embeddings, groups, mask=[True, True, True, False, True])
    np.testing.assert_array_equal(weights, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(values[2:], 0)
    for same in (np.zeros(5, int), np.arange(5)):
        values, weights = run(layer, embeddings, same)
        assert not values.any()
        assert not weights.any()


@pytest.mark.parametrize("mining", MINING)
def test_a_matrix_says_what_groups_say(mining):
    """The pair matrix of the groups gives the same values; its diagonal is not read."""
    embeddings = np.random.default_rng(1).normal(size=(7, 3))
    groups = np.array([1, 1, 2, 2, 2, 4, 4])
    layer = ll.losses.MinedTripletMargin(mining=mining)
    expected, _ = run(layer, embeddings, groups)
    matrix = groups[:, None] == groups
    for matches in (matrix, matrix & ~np.eye(7, dtype=bool)):
        np.testing.assert_array_equal(run(layer, embeddings, matches)[0], expected)


def test_equal_scores_are_no_less_near():
    """A wrong one as near as the right one is not semi-hard; all in one point cost the margin."""
    points = np.array([[0.0], [1.0], [1.0], [-1.0], [3.0]])
    groups = np.array([0, 0, 1, 1, 1])
    layer = ll.losses.MinedTripletMargin(20.0, "semihard", MinusSquaredDistance())
    values, _ = run(layer, points, groups)
    # The right one of 0 is as near as two wrong ones: the third is less near, -9 against -1.
    np.testing.assert_allclose(values[0], 20 - 9 + 1)
    for mining in MINING:
        layer = ll.losses.MinedTripletMargin(0.3, mining)
        values, _ = run(layer, np.ones((5, 2)), groups)
        np.testing.assert_allclose(values, 0.3, rtol=1e-6)


def test_semihard_takes_the_least_near_if_all_are_nearer():
    """A right one behind all wrong ones is compared with the last of these."""
    points = np.array([[0.0], [9.0], [1.0], [2.0]])
    layer = ll.losses.MinedTripletMargin(0.5, "semihard", MinusSquaredDistance())
    values, weights = run(layer, points, np.array([0, 0, 1, 2]))
    np.testing.assert_allclose(values[0], 0.5 - 4 + 81)
    np.testing.assert_array_equal(weights, [1, 1, 0, 0])


@pytest.mark.parametrize("mining", MINING)
def test_many_at_once(mining):
    """300 in one batch, with scores that are close to each other: as a loop in float64."""
    random = np.random.default_rng(2)
    embeddings = random.normal(size=(300, 8)).astype("float32") + 3
    groups = random.integers(0, 40, 300)
    values, _ = run(ll.losses.MinedTripletMargin(0.1, mining), embeddings, groups)
    unit = embeddings / np.linalg.norm(embeddings.astype("float64"), axis=1, keepdims=True)
    scores = unit @ unit.T
    for a in range(0, 300, 29):
        right = scores[a][(groups == groups[a]) & (np.arange(300) != a)]
        wrong = scores[a][groups != groups[a]]
        if mining == "hard":
            triplets = 0.1 + wrong.max() - right.min()
        elif mining == "all":
            triplets = 0.1 + wrong[:, None] - right
        else:
            triplets = 0.1 + np.array([wrong[wrong < p].max(initial=wrong.min()) for p in right])
            triplets = triplets - right
        np.testing.assert_allclose(values[a], np.maximum(triplets, 0).mean(), rtol=2e-5)


def test_masked_columns_of_the_matrix_are_not_read():
    """Who is masked is no triplet's wrong or right one, whatever its column says."""
    embeddings = np.random.default_rng(3).normal(size=(5, 3)).astype("float32")
    embeddings[4] = np.nan
    matches = np.array([[0, 1, 0, 0, 1]] * 5, bool)
    mask = np.array([1, 1, 1, 1, 0], bool)
    layer = ll.losses.MinedTripletMargin(1.0, "all")
    expected, _ = run(layer, embeddings[:4], matches[:4, :4])
    found, _ = run(layer, embeddings, matches, mask=mask)
    np.testing.assert_allclose(found[:4], expected, rtol=1e-6)
    arrays = {"embeddings": embeddings, "matches": matches}
    slopes = Subject(layer, arrays).gradient(mask=mask)["embeddings"]
    assert np.isfinite(slopes).all()
    assert not slopes[4].any()


def test_matches_of_another_kind_are_refused():
    """Reals, a boolean per example, an integer matrix: none says who matches whom."""
    layer, embeddings = ll.losses.MinedTripletMargin(), np.ones((3, 2))
    for wrong in (np.ones(3), np.ones(3, bool), np.ones((3, 3), int)):
        with pytest.raises(ll.ArgumentTypeError, match="`matches` must be integers"):
            layer(embeddings, wrong)
    with pytest.raises(ll.ArgumentError, match="`batch` as long as"):
        layer(embeddings, np.ones((3, 4), bool))


@pytest.mark.parametrize("matrix", [False, True])
def test_slices_give_the_gradient_of_the_whole_batch(matrix):
    """Encoded in slices, examples still meet: the same step as at once."""

    def trained(**settings):
        keras.utils.set_random_seed(1)
        x = keras.Input((4,), name="x")
        group = keras.Input((), dtype="int32", name="group")
        encoded = keras.layers.Dense(3)(x)
        model = ll.Model(inputs=[x, group], outputs=encoded)
        same = ops.equal(ops.expand_dims(group, 1), ops.expand_dims(group, 0))
        loss = ll.losses.MinedTripletMargin(mining="all")
        model.add_loss(loss(encoded, same if matrix else group), name="triplet")
        model.compile(keras.optimizers.SGD(0.1), **settings)
        rows = np.random.default_rng(4).normal(size=(8, 4)).astype("float32")
        groups = np.array([0, 0, 0, 1, 1, 2, 2, 2])
        history = model.fit({"x": rows, "group": groups}, batch_size=8, verbose=0)
        return [*model.get_weights(), history.history["loss"]]

    for whole, sliced in zip(trained(), trained(microbatch_size=3)):
        np.testing.assert_allclose(sliced, whole, rtol=1e-5, atol=1e-7)
