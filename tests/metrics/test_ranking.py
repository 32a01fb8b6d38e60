"""RecallAtK, MeanReciprocalRank and NDCG: their ties, and what does not count."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll

BY_NAME = {
    "recall@1": lambda: ll.metrics.RecallAtK(1),
    "recall@3": lambda: ll.metrics.RecallAtK(3),
    "mrr": ll.metrics.MeanReciprocalRank,
    "ndcg": ll.metrics.NDCG,
    "ndcg@2": lambda: ll.metrics.NDCG(2),
}


def result(metric, *tensors, **weights):
    """The result after one batch."""
    metric.update_state(*tensors, **weights)
    return float(metric.result())


@pytest.mark.parametrize(
    ("name", "least"), [("recall@1", 0), ("recall@3", 0), ("mrr", 1 / 5), ("ndcg@2", 0)]
)
def test_equal_scores_are_ranked_as_bad_as_can_be(name, least):
    """A model that scores all alike gets what the worst order gets, wherever the right one is."""
    for place in range(5):
        targets = np.eye(5)[[place]]
        assert result(BY_NAME[name](), targets, np.ones((1, 5))) == pytest.approx(least)
        nan = np.full((1, 5), np.nan)
        assert result(BY_NAME[name](), targets, nan) == pytest.approx(least)


def test_a_score_that_is_nan_comes_last():
    """It is as bad as -inf, and a wrong candidate comes before a right one there too."""
    for targets, scores in (
        ([1, 0, 0], [np.nan, 0.0, -1.0]),
        ([1, 0, 0], [np.nan, 0.0, -np.inf]),
        ([0, 0, 1], [0.0, np.nan, -np.inf]),
    ):
        found = result(ll.metrics.MeanReciprocalRank(), [targets], [scores])
        assert found == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", BY_NAME)
def test_order_of_candidates_does_not_matter(name):
    """Graded targets and equal scores: the same number in any order of the list."""
    random = np.random.default_rng(0)
    targets, scores = random.integers(0, 4, (2, 30, 12))
    order = random.permutation(12)
    expected = result(BY_NAME[name](), targets, scores)
    assert result(BY_NAME[name](), targets[:, order], scores[:, order]) == pytest.approx(expected)


@pytest.mark.parametrize("name", BY_NAME)
def test_masked_candidates_are_not_in_the_list(name):
    """A mask of candidates is as good as shorter lists, also where scores are the lowest."""
    random = np.random.default_rng(1)
    targets, scores = random.integers(0, 3, (9, 6)), random.normal(size=(9, 6))
    scores[0, :4] = -np.inf
    mask = np.arange(6) < 4
    expected = result(BY_NAME[name](), targets[:, :4], scores[:, :4])
    scores[:, 4], scores[:, 5], targets[:, 4:] = np.inf, np.nan, 9
    found = result(BY_NAME[name](), targets, scores, sample_weight=np.tile(mask, (9, 1)))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", BY_NAME)
def test_queries_without_a_right_candidate_do_not_count(name):
    """Nor do those of weight 0; weights of queries weigh the mean."""
    targets = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    scores = np.array([[1, 5, 3], [1, 5, 3], [1, 5, 3], [9, 0, 0]])
    found = result(BY_NAME[name](), targets, scores, sample_weight=[3, 7, 1, 0])
    first, third = (result(BY_NAME[name](), targets[[i]], scores[[i]]) for i in (0, 2))
    assert found == pytest.approx((3 * first + third) / 4)


@pytest.mark.parametrize("k", [None, 1, 4, 20])
def test_ndcg_is_that_of_scikit_learn(k):
    """On scores that differ, where both mean the same."""
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(2)
    targets, scores = random.integers(0, 5, (40, 10)), random.normal(size=(40, 10))
    expected = metrics.ndcg_score(targets, scores, k=k)
    assert result(ll.metrics.NDCG(k), targets, scores) == pytest.approx(expected, rel=1e-6)


def test_wrong_arguments_are_refused():
    """k is a whole number >= 1; targets and scores have the axes (batch, list)."""
    for metric in (ll.metrics.RecallAtK, ll.metrics.NDCG):
        for k in (0, 1.5, "1"):
            with pytest.raises(ll.ArgumentError, match="`k` must be a whole number >= 1"):
                metric(k)
    with pytest.raises(ll.ArgumentError, match="`scores` must have the axes"):
        ll.metrics.NDCG().update_state(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ll.ArgumentError, match="`targets` must have the axes"):
        ll.metrics.NDCG().update_state(np.ones(2), np.ones((2, 4)))


def test_in_a_model():
    """As metrics of a model, with a mask of the graph, over batches of several sizes."""
    scores = keras.Input((None,), name="scores")
    targets = keras.Input((None,), name="targets")
    mask = keras.Input((None,), dtype="bool", name="mask")
    ranked = keras.layers.Rescaling(2.0)(scores)
    model = ll.Model(inputs=scores, outputs=ranked, labels=[targets, mask])
    model.add_loss(ll.losses.ListSoftmax()(ranked, targets, mask=mask), name="softmax")
    for name, metric in BY_NAME.items():
        model.add_metric(metric(), targets, ranked, sample_weight=mask, name=name)
    model.compile("sgd")
    random = np.random.default_rng(3)
    data = {
        "scores": random.normal(size=(11, 6)),
        "targets": random.integers(0, 2, (11, 6)),
        "mask": random.uniform(size=(11, 6)) < 0.8,
    }
    found = model.evaluate(data, batch_size=4, verbose=0, return_dict=True)
    for name, metric in BY_NAME.items():
        expected = result(
            metric(), data["targets"], data["scores"], sample_weight=ops.cast(data["mask"], "int32")
        )
        assert found[name] == pytest.approx(expected, rel=1e-6)
