"""The chain of tags against all its sequences one by one, and the engines against the recursion."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops

from losslayer import backend
from losslayer.kernels import crf
from losslayer.kernels.crf import reference

TAGS, TIME = 3, 5
NAMES = ("logits", "transitions", "start", "end")


def example(batch=6, time=TIME, tags=TAGS, seed=0):
    """Random scores; of each sequence any positions count, of the second none, of the first all."""
    rng = np.random.default_rng(seed)
    shapes = (batch, time, tags), (tags, tags), (tags,), (tags,)
    given = {name: rng.normal(size=shape) for name, shape in zip(NAMES, shapes)}
    positions = rng.uniform(size=(batch, time)) < 0.6
    positions[0], positions[1] = True, False
    return {**given, "positions": positions}


def one_by_one(given):
    """For each sequence of the batch: a dict from all sequences of tags to their scores."""
    for logits, counts in zip(given["logits"], given["positions"]):
        logits = logits[counts]
        scores = {}
        for tags in itertools.product(range(logits.shape[1]), repeat=len(logits)):
            score = sum(row[tag] for row, tag in zip(logits, tags))
            score += sum(given["transitions"][pair] for pair in itertools.pairwise(tags))
            if tags:
                score += given["start"][tags[0]] + given["end"][tags[-1]]
            scores[tags] = score
        yield scores


def run(function, given):
    """What it gives, as an array."""
    tensors = [ops.convert_to_tensor(given[n]) for n in (*NAMES, "positions")]
    return ops.convert_to_numpy(function(*tensors))


def test_against_all_sequences():
    """The sum, the marginals and the best, wherever what doesn't count may be."""
    given = example()
    with backend.float64():
        total, shares, best = (
            run(f, given) for f in (crf.log_partition, crf.marginals, crf.viterbi)
        )
    for row, scores in enumerate(one_by_one(given)):
        counts = given["positions"][row]
        assert (best[row][~counts] == -1).all()
        assert (shares[row][~counts] == 0).all()
        if not counts.any():
            assert np.isfinite(total[row])
            continue
        expected = math.log(math.fsum(map(math.exp, scores.values())))
        assert total[row] == pytest.approx(expected, rel=1e-12)
        assert tuple(best[row][counts]) == max(scores, key=scores.get)
        found = np.zeros((counts.sum(), TAGS))
        for tags, score in scores.items():
            found[range(len(tags)), tags] += math.exp(score - expected)
        np.testing.assert_allclose(shares[row][counts], found, rtol=1e-10)


def slopes(function, given, weights):
    """The gradient of the weighted sum by all scores."""
    positions = ops.convert_to_tensor(given["positions"])

    def weighted(leaves):
        return ops.sum(ops.convert_to_tensor(weights) * function(*leaves, positions))

    return backend.value_and_gradient(weighted)([given[n] for n in NAMES])[1]


@pytest.mark.parametrize("seed", range(3))
def test_gradient(seed):
    """That of the recursion; by the logits it is the marginals, each with its factor."""
    given = example(time=7, seed=seed)
    weights = np.random.default_rng(seed).normal(size=6)
    weights[1] = 0  # nothing counts there

    def recursion(*tensors):
        return reference.log_partition(*tensors, crf._first(tensors[-1]))

    with backend.float64():
        found = slopes(crf.log_partition, given, weights)
        for name, one, other in zip(NAMES, found, slopes(recursion, given, weights)):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12, err_msg=name)
        shares = run(crf.marginals, given)
        np.testing.assert_allclose(found[0], weights[:, None, None] * shares, rtol=1e-10)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
@pytest.mark.parametrize("name", ["log_partition", "marginals", "viterbi"])
def test_padding_compiles_once(name):
    """Another number of positions that count is no other program."""
    function, traces = backend.compiled(getattr(crf, name))
    given = {n: a.astype("float32") for n, a in example(time=8).items()}
    for length in (8, 5, 1, 0):
        given["positions"] = np.broadcast_to(np.arange(8) < length, (6, 8))
        np.testing.assert_allclose(
            run(function, given), run(getattr(crf, name), given), rtol=1e-5, atol=1e-6
        )
    assert len(traces) == 1


def test_long_sequence():
    """Nothing overflows or drifts over 300 positions with scores in the thousands."""
    given = example(batch=3, time=300)
    given["logits"] *= 1e3
    given = {n: a.astype("float32" if n != "positions" else "bool") for n, a in given.items()}
    shares = run(crf.marginals, given)
    sums = shares.sum(-1)[given["positions"]]
    np.testing.assert_allclose(sums, 1, rtol=1e-4)
    assert np.isfinite(run(crf.log_partition, given)).all()
