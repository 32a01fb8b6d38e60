"""How well scores rank the candidates of a list: a value per query, and its exact mean."""

import math

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.reduction import ExactMean, at_least_float32, like, mean, mean_of_counted


class _Ranking(ExactMean):
    """The mean over queries of a value that the targets have, sorted by their scores.

    Of equal scores, the less relevant candidate comes first, on every backend: a model that gives
    all the same score gets the least that it could get. A score that is NaN comes last.

    `update_state` takes `targets` and `scores`, `(batch, list)`, and as `sample_weight` a mask of
    candidates, weights of queries, or both multiplied: `(batch, list)` or `(batch,)`. A candidate
    of weight 0 is not in its list. A query weighs the mean weight of its candidates, and 0 if none
    of them is relevant: there is nothing to be found.
    """

    def update_state(self, targets, scores, sample_weight=None):  # type: ignore[override]
        """Add the queries of a batch."""
        scores = at_least_float32(scores)
        targets = ops.cast(ops.convert_to_tensor(targets), scores.dtype)
        axes = {"targets": "batch list", "scores": "batch list"}
        check.axes(self, axes, {"targets": targets.shape, "scores": scores.shape})
        weights = like(sample_weight, scores, owner=type(self).__name__)
        counts = ops.not_equal(weights, 0)
        targets = ops.where(counts, targets, ops.zeros_like(targets))
        relevant = ops.any(targets > 0, axis=1)
        weights = mean_of_counted(weights)
        weights = ops.where(relevant, weights, ops.zeros_like(weights))
        super().update_state(self.value(_sorted(targets, scores, counts)), weights)

    def value(self, targets):
        """The value of each query, from its targets in the order in which they were ranked."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="losslayer")
class RecallAtK(_Ranking):
    """The share of the right candidates that are among the first k.

        value = (right ones among the first k) / (right ones in the list)

    With one right candidate per list: how often it is among the first k. Right is a candidate whose
    target is > 0. `update_state` takes `targets`, `scores` and `sample_weight`, `(batch, list)`
    each, the last one also `(batch,)`: candidates of weight 0 are not in their list, and lists with
    no right one don't count. Of equal scores the wrong candidate comes first.

    Args:
        k: How many, >= 1.

    Example:

    >>> metric = RecallAtK(1)
    >>> metric.update_state([[0, 1, 0], [1, 0, 0]], [[0.2, 0.9, 0.1], [0.5, 0.5, 0.0]])
    >>> float(metric.result())  # the second is ranked behind a wrong one of the same score
    0.5
    """

    def __init__(self, k, name=None, dtype=None):
        check.whole(self, "k", k, at_least=1)
        super().__init__(name=name or f"recall@{k}", dtype=dtype)
        self.k = k

    def value(self, targets):
        """The share of the right ones."""
        right = ops.cast(targets > 0, targets.dtype)
        return mean(ops.sum(right[:, : self.k], axis=1), ops.sum(right, axis=1))

    def get_config(self):
        """The arguments of the constructor."""
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable(package="losslayer")
class MeanReciprocalRank(_Ranking):
    """The mean of 1 / (place of the first right candidate), places from 1.

        value = 1 / min over right candidates of their place

    Right is a candidate whose target is > 0. `update_state` takes `targets`, `scores` and
    `sample_weight`, `(batch, list)` each, the last one also `(batch,)`: candidates of weight 0 are
    not in their list, and lists with no right one don't count. Of equal scores the wrong candidate
    comes first.

    Example:

    >>> metric = MeanReciprocalRank()
    >>> metric.update_state([[0, 1, 0], [1, 0, 0]], [[0.2, 0.9, 0.1], [0.5, 0.5, 0.0]])
    >>> float(metric.result())
    0.75
    """

    def __init__(self, name="mrr", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def value(self, targets):
        """One by the first place."""
        places = ops.cumsum(ops.ones_like(targets), axis=1)
        return ops.max(ops.cast(targets > 0, targets.dtype) / places, axis=1)


@keras.saving.register_keras_serializable(package="losslayer")
class NDCG(_Ranking):
    """Normalised discounted cumulative gain: how much of the relevance comes early.

        value = DCG of the ranking / DCG of the best ranking
        DCG = sum over the first k places of target / log2(place + 1)

    The gain is the target itself; for the other one in use, give `2**targets - 1`. `update_state`
    takes `targets` >= 0, `scores` and `sample_weight`, `(batch, list)` each, the last one also
    `(batch,)`: candidates of weight 0 are not in their list, and lists with nothing relevant don't
    count. Of equal scores the less relevant candidate comes first.

    Args:
        k: How many places count, >= 1; None: all.

    Example:

    >>> metric = NDCG()
    >>> metric.update_state([[3.0, 1.0, 0.0]], [[0.1, 0.9, 0.0]])  # (1 + 3/1.585) / (3 + 1/1.585)
    >>> round(float(metric.result()), 4)
    0.7967

    Source: Järvelin and Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques, ACM
    TOIS 20(4).
    """

    def __init__(self, k=None, name=None, dtype=None):
        if k is not None:
            check.whole(self, "k", k, at_least=1)
        super().__init__(name=name or ("ndcg" if k is None else f"ndcg@{k}"), dtype=dtype)
        self.k = k

    def value(self, targets):
        """The gain of the ranking, relative to the best."""
        best = -ops.sort(-targets, axis=1)
        return mean(self._gain(targets), self._gain(best))

    def _gain(self, targets):
        places = ops.cumsum(ops.ones_like(targets), axis=1)
        gains = targets * (math.log(2.0) / ops.log(places + 1))
        return ops.sum(gains[:, : self.k], axis=1)

    def get_config(self):
        """The arguments of the constructor."""
        return {**super().get_config(), "k": self.k}


def _sorted(targets, scores, counts):
    """The targets from the largest score to the smallest; those that don't count come last, as 0.

    Sorting is stable, so what was sorted by target first stays so where scores are equal.
    """
    lowest = ops.full_like(scores, -float("inf"))
    scores = ops.where(counts & ops.logical_not(ops.isnan(scores)), scores, lowest)
    last = ops.where(counts, targets, ops.full_like(targets, float("inf")))
    order = ops.argsort(last, axis=1)
    targets, scores = (ops.take_along_axis(t, order, axis=1) for t in (targets, scores))
    return ops.take_along_axis(targets, ops.argsort(-scores, axis=1), axis=1)
