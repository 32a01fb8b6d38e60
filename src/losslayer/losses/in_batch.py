"""Losses that take the other examples of the batch for the wrong answers."""

import math
import typing

import keras
from keras import ops

from losslayer import kernels
from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import tensor_signature
from losslayer.core.reduction import LEFT_OUT, expand
from losslayer.kernels.moderate import MODERATE
from losslayer.losses.fused import FusedLoss
from losslayer.losses.similarity import direction

# A learned temperature divides by no less: CLIP's bound.
_SMALLEST_TEMPERATURE = 0.01

# Scores at a time, about: 4 MB, which caches hold.
_SCORES = 2**20
_LEAST_ROWS = 16


class BatchScores(FusedLoss):
    """What losses share in which the rows of a batch have a score with each other.

    A subclass writes `of_rows`. Scores are never all in memory: a few rows at a time have theirs.
    """

    couples_examples = True
    axes: typing.ClassVar[dict] = {
        "anchor": "batch dim",
        "positive": "batch dim",
        "negative": "batch [num_negatives] dim",
        "ids": "batch [num_right]",
        "negative_ids": "batch [num_negatives]",
        "log_q": "batch",
    }
    integers = ("ids", "negative_ids")

    def __init__(self, temperature, learned, **kwargs):
        super().__init__(**kwargs)
        self.temperature = check.number(self, "temperature", temperature, above=0)
        self.learned = check.choice(self, "learned", learned, (False, True))

    def build(self, tensors_shape):
        """Make the weight that is learned."""
        if self.learned:
            start = keras.initializers.Constant(math.log(self.temperature))
            name = "log_temperature"
            self.log_temperature = self.add_weight(shape=(), initializer=start, name=name)

    def of_rows(self, row, batch):
        """The values of a few rows: what a subclass writes.

        Args:
            row: Tensors by name, what is each row's own: `anchor` and `positive`, `(row, dim)`,
                whose products are scores (cosine / temperature); `place`, `(row,)`, in the batch;
                `ids` where they were given.
            batch: Tensors of the whole batch by the same names; `counts` where some rows don't;
                `negative`, `(candidate, dim)`, with `negative_counts` and `negative_ids`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `of_rows`.")

    def weighted_sum(self, tensors, weights, counts):
        """The sum over rows, a few of them at a time."""
        row, batch = self._prepared(tensors, counts)
        return self._in_turn(kernels.sum_of_rows, self.of_rows, row, batch, weights)

    def _in_turn(self, kernel, function, row, batch, weights):
        """What a kernel makes of `function(row, batch)`, which takes tensors by name."""

        def by_place(of_row, of_batch):
            return function(dict(zip(row, of_row)), dict(zip(batch, of_batch)))

        size = max(_SCORES // (weights.shape[0] or 2**14), _LEAST_ROWS)
        return kernel(by_place, [*row.values()], [*batch.values()], weights, size)

    def _prepared(self, tensors, counts):
        """What `of_rows` takes, for all rows."""
        named = dict(zip(tensor_signature(self).parameters, tensors))
        named = {name: tensor for name, tensor in named.items() if tensor is not None}
        if "negative_ids" in named and "ids" not in named:
            rule = "be given when `negative_ids` is"
            refuse(self, "ids", rule, None, error=ArgumentTypeError)
        half = ops.sqrt(self._scale())  # of both factors of a product
        for name in ("anchor", "positive", "negative"):
            if name in named:
                named[name] = direction(named[name]) * half
        row = {n: t for n, t in named.items() if n not in ("negative", "negative_ids")}
        if counts is not None:
            named["counts"] = counts
        if "negative" in named:
            *leading, dim = ops.shape(named["negative"])
            if counts is not None:
                counts = ops.broadcast_to(expand(counts, len(leading)), leading)
                named["negative_counts"] = ops.reshape(counts, (-1,))
            named["negative"] = ops.reshape(named["negative"], (-1, dim))
        if "negative_ids" in named:
            named["negative_ids"] = ops.reshape(named["negative_ids"], (-1,))
        named |= self.settings()
        return {**row, "place": ops.arange(ops.shape(tensors[0])[0])}, named

    def settings(self):
        """Further tensors for `of_rows`, by name: what is learned can't come another way."""
        return {}

    def _scale(self):
        """What the cosines are multiplied by."""
        if not self.learned:
            return ops.convert_to_tensor(1 / self.temperature, self.compute_dtype)
        log = ops.convert_to_tensor(self.log_temperature)
        below = ops.relu(math.log(_SMALLEST_TEMPERATURE) - log)
        # The gradient goes past the bound, so that what went below can come back.
        return ops.exp(-log - ops.stop_gradient(below))


class InBatchNegatives(BatchScores):
    """The answers to the other questions of the batch are the wrong ones (InfoNCE).

        value_i = -log( exp(s(a_i, p_i)) / sum_j exp(s(a_i, c_j)) )

    with the scores s(a, c) = cos(a, c) / temperature. The candidates `c` are the positives of the
    batch's examples that count, and all of their `negative`s. One of weight 0 is neither anchor
    nor candidate: the others' values are what they would be without it. The value depends on who
    shares the batch, and so does its mean over an epoch.

    No more than a few rows of the scores are in memory at a time, and the gradient, of the mean, is
    computed along with them. So the result is one number with its total weight, and `fit` takes
    no `sample_weight`; weights of the graph go to `sample_weight` below.

    Args:
        temperature: > 0; divides the cosines. The smaller, the more the nearest wrong candidate
            counts.
        symmetric: Whether each positive is also to find its anchor among all anchors; the value is
            the mean of both ways then (CLIP).
        same_side: Whether the other anchors are candidates for an anchor too, and for a positive
            the other positives (with `symmetric`: NT-Xent, SimCLR).
        hardness: >= 0; a wrong candidate counts exp(hardness * cos) times, so the nearest of them
            count even more. 0: all alike.
        learned: Whether the temperature is a weight that is trained, from `temperature` on; never
            below 0.01.

    Call with:
        anchor: `(batch, dim)`.
        positive: `(batch, dim)`.
        negative: Optional, wrong answers of which some may be hard: `(batch, dim)` or `(batch,
            num_negatives, dim)`. They are candidates for all anchors.
        ids: Optional integers, `(batch,)`: who has the same text for a positive. Such are not
            wrong for each other, and are left out. Without ids draw batches without repeats.
            Where an anchor has several right texts, `(batch, num_right)`: the positive's first,
            then the others (a number again where there are fewer). Two examples are then not
            wrong for each other if the positive of one is right for the other.
        negative_ids: Optional integers, `(batch,)` or `(batch, num_negatives)`: the texts of the
            negatives, in the same numbering; those that are right for an anchor are left out.
        log_q: Optional, `(batch,)`: logarithm of how probable it is that the positive is in a
            batch. It is taken from the scores of positives as candidates, so that frequent ones
            are not pushed away for being frequent.

    Returns:
        `(value, weight)`, scalars: the exact mean and the total weight.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `ids` are no integers.

    Example:

    >>> anchor = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> value, weight = InBatchNegatives(temperature=0.5)(anchor, anchor)
    >>> print(keras.ops.convert_to_numpy(value).round(4))  # log(1 + exp(-1 / 0.5))
    0.1269

    Source: van den Oord et al. 2018, arXiv:1807.03748 (InfoNCE); Henderson et al. 2017,
    arXiv:1705.00652 (other answers of a batch as negatives); Radford et al. 2021,
    arXiv:2103.00020 (symmetric, learned); Chen et al. 2020, arXiv:2002.05709 (NT-Xent); Robinson et
    al. 2021, arXiv:2010.04592 (hardness); Yi et al. 2019, RecSys,
    doi:10.1145/3298689.3346996 (log_q).
    """

    def __init__(
        self,
        temperature=0.05,
        symmetric=False,
        same_side=False,
        hardness=0.0,
        learned=False,
        **kwargs,
    ):
        super().__init__(temperature, learned, **kwargs)
        self.symmetric = check.choice(self, "symmetric", symmetric, (False, True))
        self.same_side = check.choice(self, "same_side", same_side, (False, True))
        self.hardness = check.number(self, "hardness", hardness, at_least=0)

    def values(
        self,
        anchor,
        positive,
        negative=None,
        ids=None,
        negative_ids=None,
        log_q=None,
        *,
        counts=None,
    ):
        """The value of each row, all scores at once: what the loss is the mean of."""
        tensors = [anchor, positive, negative, ids, negative_ids, log_q]
        return self.of_rows(*self._prepared(tensors, counts))

    def settings(self):
        """By how much a score is larger where it is wrong."""
        return {"harder": 1 + self.hardness / self._scale()} if self.hardness else {}

    def of_rows(self, row, batch):
        """Cross entropy of the right candidate among all that count."""
        value = self._found(row, batch, "anchor", "positive")
        if self.symmetric:
            value = (value + self._found(row, batch, "positive", "anchor")) / 2
        return value

    def weighted_sum(self, tensors, weights, counts):
        """The sum over rows; for both ways each score is made twice, not once for each gradient.

        First the log-sum of each positive over its anchors, without a gradient. With that constant

            sum_j weight_j (sum_i exp(s_ij - log_sum_j) + log_sum_j - 1)

        is the sum of the log-sums, and has its gradient. It needs a row's scores only once more,
        and those are what the way forth needs.
        """
        if not self.symmetric:
            return super().weighted_sum(tensors, weights, counts)
        row, batch = self._prepared(tensors, counts)
        back = self._in_turn(kernels.values_of_rows, self._back, row, batch, weights)
        known = {"weight": weights, "back": back}
        row, batch = row | known, batch | known
        ones = ops.cast(ops.not_equal(weights, 0), weights.dtype)
        return self._in_turn(kernels.sum_of_rows, self._both_ways, row, batch, ones) / 2

    def _back(self, row, batch):
        scores, out, _ = self._between(row, batch, "positive", "anchor")
        return self._log_sum(row, batch, "positive", "anchor", scores, out)

    def _both_ways(self, row, batch):
        """What a row adds to the sum: its own way forth, and its part of all ways back."""
        scores, out, right = self._between(row, batch, "anchor", "positive")
        value = self._log_sum(row, batch, "anchor", "positive", scores, out)
        value = value + row["back"] - 1 - 2 * right
        if self.same_side:
            beside, beside_out = self._beside(row, batch, "positive")
            value = value + ops.sum(_exp(beside - row["back"], beside_out), axis=0)
        shares = _exp(scores - ops.expand_dims(batch["back"], 1), out)
        return row["weight"] * value + ops.matmul(batch["weight"], shares)

    def _found(self, row, batch, own, other):
        """-log of the share that a row's other side has among its candidates."""
        scores, out, right = self._between(row, batch, own, other)
        return self._log_sum(row, batch, own, other, scores, out) - right

    def _between(self, row, batch, own, other):
        """Scores of candidates of the other side, `(candidate, row)`; who is out; each own one."""
        right = ops.sum(row[own] * row[other], axis=1)
        scores = self._scores(batch[other], row[own], batch)
        if self.hardness:
            scores = ops.where(_is_right(row, batch), right, scores)
        return scores, _others_out(row, batch), right

    def _beside(self, row, batch, own):
        """The same for candidates of its own side, but for the row itself."""
        out, itself = _others_out(row, batch), _is_right(row, batch)
        out = itself if out is None else ops.logical_or(out, itself)
        return self._scores(batch[own], row[own], batch), out

    def _log_sum(self, row, batch, own, other, scores, out):
        """Log of the sum over all candidates of a row, those beside it and the negatives too."""
        forth = other == "positive"
        if forth and "log_q" in row:
            scores = scores - ops.expand_dims(batch["log_q"], 1)
        # A cosine is at most 1, and the own candidate is never out.
        bounded = not self.learned and 1 / self.temperature + self.hardness < MODERATE
        log_sum = _log_sum(scores, out, moderate=bounded and not (forth and "log_q" in row))
        if self.same_side:
            log_sum = ops.logaddexp(log_sum, _log_sum(*self._beside(row, batch, own)))
        if forth and "negative" in batch:
            scores = self._scores(batch["negative"], row[own], batch)
            out = _out(batch.get("negative_counts"), batch.get("negative_ids"), row.get("ids"))
            log_sum = ops.logaddexp(log_sum, _log_sum(scores, out))
        if forth and "log_q" in row:  # the own candidate's score too is without it
            log_sum = log_sum + row["log_q"]
        return log_sum

    def _scores(self, candidates, vectors, batch):
        """Scores as those of wrong candidates, `(candidate, row)`: so the products run fastest."""
        scores = ops.matmul(candidates, ops.transpose(vectors))
        return scores * batch["harder"] if self.hardness else scores


class SigmoidPairs(BatchScores):
    """Does this answer belong to this question? Yes or no for each pair of the batch (SigLIP).

        value_i = -sum_j log sigmoid( z_ij (cos(a_i, p_j) / temperature + bias) )

    with `z_ii` = 1 and -1 for all others. `j` runs over the positives of the examples that count,
    and over all of their `negative`s. Unlike a softmax no pair depends on the others, and small
    batches do.

    Memory, and what `fit` takes, are as for `InBatchNegatives`.

    Args:
        temperature: > 0; divides the cosines.
        bias: What is added to all scores: at the start nearly all pairs are wrong.
        learned: Whether both are weights that are trained, from these on; the temperature never
            below 0.01.

    Call with:
        anchor: `(batch, dim)`.
        positive: `(batch, dim)`.
        negative: Optional, `(batch, dim)` or `(batch, num_negatives, dim)`: wrong for all anchors.
        ids: Optional integers, `(batch,)` or `(batch, num_right)`, as for `InBatchNegatives`: who
            has the same text for a positive, or a right one. Such pairs are left out.
        negative_ids: Optional integers, `(batch,)` or `(batch, num_negatives)`: the texts of the
            negatives, in the same numbering.

    Returns:
        `(value, weight)`, scalars: the exact mean and the total weight.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `ids` are no integers.

    Example:

    >>> anchor = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> value, weight = SigmoidPairs(temperature=0.5, bias=-1.0, learned=False)(anchor, anchor)
    >>> print(keras.ops.convert_to_numpy(value).round(4))  # log(1 + 1 / e), twice
    0.6265

    Source: Zhai et al. 2023, arXiv:2303.15343.
    """

    def __init__(self, temperature=0.1, bias=-10.0, learned=True, **kwargs):
        super().__init__(temperature, learned, **kwargs)
        self.bias = check.number(self, "bias", bias)

    def build(self, tensors_shape):
        """Make the weights that are learned."""
        super().build(tensors_shape)
        if self.learned:
            start = keras.initializers.Constant(self.bias)
            self.learned_bias = self.add_weight(shape=(), initializer=start, name="bias")

    def settings(self):
        """The bias."""
        bias = self.learned_bias if self.learned else self.bias
        return {"bias": ops.convert_to_tensor(bias, self.compute_dtype)}

    def values(self, anchor, positive, negative=None, ids=None, negative_ids=None, *, counts=None):
        """The value of each row, all scores at once: what the loss is the mean of."""
        tensors = [anchor, positive, negative, ids, negative_ids]
        return self.of_rows(*self._prepared(tensors, counts))

    def of_rows(self, row, batch):
        """Minus the sum of the log-probabilities of the right decisions."""
        vectors = ops.transpose(row["anchor"])
        scores = ops.matmul(batch["positive"], vectors) + batch["bias"]
        terms = ops.softplus(ops.where(_is_right(row, batch), -scores, scores))
        value = _sum(terms, _others_out(row, batch))
        if "negative" in batch:
            terms = ops.softplus(ops.matmul(batch["negative"], vectors) + batch["bias"])
            out = _out(batch.get("negative_counts"), batch.get("negative_ids"), row.get("ids"))
            value = value + _sum(terms, out)
        return value


def _is_right(row, batch):
    """Each row's own place among all, `(candidate, row)`."""
    places = ops.expand_dims(ops.arange(ops.shape(batch["anchor"])[0]), 1)
    return ops.equal(places, row["place"])


def _others_out(row, batch):
    """Which of the batch's other examples are no wrong answers to a row; None if all are."""
    out = _out(batch.get("counts"), batch.get("ids"), row.get("ids"))
    if out is None:
        return None
    return ops.logical_and(out, ops.logical_not(_is_right(row, batch)))


def _out(counts, ids, own_ids):
    """Which candidates are no wrong answers to a row, `(candidate, row)`; None if all are."""
    out = None if counts is None else ops.expand_dims(ops.logical_not(counts), 1)
    if ids is None:
        return out
    same = _same(ids, own_ids)
    return same if out is None else ops.logical_or(out, same)


def _same(ids, own_ids):
    """Which candidates have a text that is right for a row, or the other way round.

    The first id of each is its own text; further ones are right for it too.
    """
    if len(own_ids.shape) == 1:
        return ops.equal(ops.expand_dims(ids, 1), own_ids)
    texts = ids if len(ids.shape) == 1 else ids[:, 0]
    same = ops.any(ops.equal(ops.expand_dims(texts, (1, 2)), own_ids), axis=2)
    if len(ids.shape) == 1:
        return same
    return same | ops.any(ops.equal(ops.expand_dims(ids, 1), own_ids[:, :1]), axis=2)


def _sum(terms, out):
    return ops.sum(terms if out is None else ops.where(out, 0.0, terms), axis=0)


def _exp(scores, out):
    return ops.exp(scores if out is None else ops.where(out, LEFT_OUT, scores))


def _log_sum(scores, out, moderate=False):
    """Log of the sum of exp over the candidates that are not out; `moderate` as in kernels."""
    if moderate:
        return ops.log(ops.sum(_exp(scores, out), axis=0))
    scores = scores if out is None else ops.where(out, LEFT_OUT, scores)
    top = ops.stop_gradient(ops.max(scores, axis=0))
    return top + ops.log(ops.sum(ops.exp(scores - top), axis=0))
