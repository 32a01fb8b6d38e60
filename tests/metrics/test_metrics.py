"""The metrics: exact over any batches, blind to what does not count, saved and loaded."""

import itertools
import json
import math

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend

ROWS = 23


@pytest.fixture
def data():
    """Values, weights, logits and labels of 23 sequences."""
    random = np.random.default_rng(3)
    data = {
        "values": random.gamma(2.0, size=(ROWS, 5)).astype("float32"),
        "weights": random.integers(0, 3, (ROWS, 5)).astype("float32"),
        "logits": random.normal(size=(ROWS, 5, 7)).astype("float32"),
        "labels": random.integers(0, 7, (ROWS, 5)),
        "targets": random.integers(0, 3, (ROWS, 5)).astype("float32"),
        "scores": random.integers(0, 4, (ROWS, 5)).astype("float32"),  # many are equal
        "true": random.integers(0, 3, (ROWS, 5)),
        "tags": random.integers(0, 3, (ROWS, 5)),
    }
    data["weights"][4] = 0  # nothing counts there
    # Two out of three sequences wholly right.
    right = np.arange(ROWS) % 3 > 0
    data["labels"][right] = data["logits"][right].argmax(-1)
    return data


def _mean(data):
    terms = zip(data["values"].ravel(), data["weights"].ravel())
    return math.fsum(float(v) * float(w) for v, w in terms) / math.fsum(data["weights"].ravel())


def _perplexity(data):
    return math.exp(_mean(data))


def _accuracy(data):
    right = 0.0
    for place in itertools.product(range(ROWS), range(5)):
        best = max(range(7), key=lambda k: data["logits"][place][k])
        right += data["weights"][place] * (best == data["labels"][place])
    return right / math.fsum(data["weights"].ravel())


def _sequence_accuracy(data):
    right, total = 0.0, 0.0
    for logits, labels, weights in zip(data["logits"], data["labels"], data["weights"]):
        counted = [t for t in range(5) if weights[t]]
        if counted:
            weight = sum(weights[t] for t in counted) / len(counted)
            best = [max(range(7), key=lambda k: logits[t][k]) for t in counted]
            right += weight * all(b == labels[t] for b, t in zip(best, counted))
            total += weight
    return right / total if total else 0.0


def _ranked(value):
    """The mean over queries of a value of the targets in their order, by loops."""

    def expected(data):
        total = weight = 0.0
        for row in range(ROWS):
            counted = [j for j in range(5) if data["weights"][row, j]]
            order = sorted(
                counted, key=lambda j: (-data["scores"][row, j], data["targets"][row, j])
            )
            targets = [float(data["targets"][row, j]) for j in order]
            if any(targets):
                share = math.fsum(data["weights"][row, j] for j in counted) / len(counted)
                total, weight = total + share * value(targets), weight + share
        return total / weight

    return expected


def _recall_at_2(targets):
    right = [t > 0 for t in targets]
    return sum(right[:2]) / sum(right)


def _reciprocal_rank(targets):
    return next(1 / place for place, t in enumerate(targets, 1) if t > 0)


def _ndcg(targets, k=5):
    def gain(ranked):
        return sum(t / math.log2(place + 1) for place, t in enumerate(ranked[:k], 1))

    return gain(targets) / gain(sorted(targets, reverse=True))


def _chunk_f1(data):
    sets = []
    for name in ("true", "tags"):
        found = set()
        for row in range(ROWS):
            last = None  # the first place of the chunk that a tag may go on with
            kept = [t for t, w in zip(data[name][row], data["weights"][row]) if w]
            for place, tag in enumerate(kept):
                if tag == 0:
                    last = None
                elif tag == 1 or last is None:
                    last = place
                if tag:
                    found.discard((row, last, place - 1))
                    found.add((row, last, place))
        sets.append(found)
    true, predicted = sets
    return 2 * len(true & predicted) / (len(true) + len(predicted))


RANKED = ("targets", "scores")
# Each metric: how it is fed, and what it must say; and the arguments that it can't do without.
METRICS = {
    "ChunkF1": (("true", "tags"), _chunk_f1, {"tags": ["O", "B", "I"]}),
    "ExactMean": (("values",), _mean),
    "Perplexity": (("values",), _perplexity),
    "MaskedAccuracy": (("labels", "logits"), _accuracy),
    "SequenceAccuracy": (("labels", "logits"), _sequence_accuracy),
    "RecallAtK": (RANKED, _ranked(_recall_at_2), {"k": 2}),
    "MeanReciprocalRank": (RANKED, _ranked(_reciprocal_rank)),
    "NDCG": (RANKED, _ranked(_ndcg)),
}


def _made(metric, **arguments):
    for needed in METRICS[metric][2:]:
        arguments.update(needed)
    return getattr(ll.metrics, metric)(**arguments)


def _fed(name, data, slices):
    metric = _made(name)
    for rows in slices:
        tensors = [data[n][rows] for n in METRICS[name][0]]
        metric.update_state(*tensors, sample_weight=data["weights"][rows])
    return metric


def test_every_metric_is_tested():
    """The table of contents holds nothing else."""
    assert set(METRICS) == set(ll.metrics.__all__)


@pytest.mark.parametrize("size", [1, 4, 10, ROWS])
@pytest.mark.parametrize("name", METRICS)
def test_equals_a_loop_for_any_batches(name, data, size):
    """The same number however the rows are cut into batches and ordered."""
    expected = METRICS[name][1](data)
    order = np.random.default_rng(size).permutation(ROWS)
    batches = [order[i : i + size] for i in range(0, ROWS, size)]
    assert float(_fed(name, data, batches).result()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_garbage_at_weight_zero(name, data):
    """What stands where the weight is 0 is never read."""
    expected = METRICS[name][1](data)
    nothing = data["weights"] == 0
    data["values"][nothing] = float("nan")
    data["logits"][nothing] = float("nan")
    for name_of_ids in ("labels", "true", "tags"):
        data[name_of_ids][nothing] = -1
    data["targets"][nothing] = float("nan")
    data["scores"][nothing] = float("inf")
    assert float(_fed(name, data, [slice(None)]).result()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_counted(name, data):
    """Before the first update, after a reset, and where all weights are 0."""
    expected = 1 if name == "Perplexity" else 0
    metric = _fed(name, data, [slice(None)])
    metric.reset_state()
    assert float(metric.result()) == expected
    data["weights"][:] = 0
    assert float(_fed(name, data, [slice(None)]).result()) == expected


def test_sums_carry_what_float32_rounds_off():
    """20,000 updates of 0.1: a plain float32 sum would be off by 1e-4 or so."""
    metric, value = ll.metrics.ExactMean(), np.full(1, 0.1, "float32")
    if keras.backend.backend() == "jax":
        update, _ = backend.compiled(metric.stateless_update_state)
        state = [v.value for v in metric.variables]
        for _ in range(20_000):
            state = update(state, value)
        for variable, new in zip(metric.variables, state):
            variable.assign(new)
    else:
        # Compiled on TensorFlow, as in `fit`; on PyTorch compiling would take the longest.
        update = metric.update_state
        if keras.backend.backend() == "tensorflow":
            update, _ = backend.compiled(update)
        for _ in range(20_000):
            update(ops.convert_to_tensor(value))
    total = float(metric.total) + float(metric.total_rest)
    assert float(metric.weight) == 20_000
    assert total == pytest.approx(20_000 * float(np.float32(0.1)), rel=1e-6)
    assert float(metric.result()) == pytest.approx(0.1, rel=1e-6)
    plain = np.float32(0)
    for _ in range(20_000):
        plain += np.float32(0.1)
    assert abs(plain / 2000 - 1) > 1e-6  # so the metric does something


def test_large_labels_are_compared_as_integers():
    """float32 can't tell 2^24 from 2^24 + 1: such a label is not the class 2^24."""
    metric = ll.metrics.MaskedAccuracy()
    labels = np.array([2**24 + 1, 1], "int32")
    logits = np.array([[0.0, 1.0], [0.0, 1.0]], "float32")
    metric.update_state(labels, logits)
    assert float(metric.result()) == 0.5
    seen = []
    equal, ops_equal = ops.equal, "losslayer.metrics.accuracy.ops.equal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops_equal, lambda a, b: (seen.append((a, b)), equal(a, b))[1])
        metric.update_state(labels, logits)
    assert all("int" in keras.backend.standardize_dtype(t.dtype) for t in seen[0])


@pytest.mark.parametrize("name", METRICS)
def test_configuration_survives_json(name):
    """A metric comes back from plain data with its class, name and dtype."""
    metric = _made(name, name="mine")
    written = json.dumps(keras.saving.serialize_keras_object(metric))
    loaded = keras.saving.deserialize_keras_object(json.loads(written))
    assert type(loaded) is type(metric)
    assert loaded.get_config() == metric.get_config()


def test_infinite_value_is_reported_as_such():
    """One inf makes the mean inf, not NaN."""
    metric = ll.metrics.ExactMean()
    metric.update_state([1.0, float("inf")])
    metric.update_state([1.0])
    assert float(metric.result()) == float("inf")


def test_accuracy_of_labels_in_a_column():
    """Labels (batch, 1) are labels (batch,); other ranks are refused."""
    logits = np.eye(3, dtype="float32")
    metric = ll.metrics.MaskedAccuracy()
    metric.update_state(np.array([[0], [1], [2]]), logits)
    assert float(keras.ops.convert_to_numpy(metric.result())) == 1.0
    with pytest.raises(ll.ArgumentError, match="`logits` must have the axes"):
        metric.update_state(np.ones((3, 2), "int32"), logits)


def test_sequence_accuracy_counts_sequences_not_tokens():
    """Long or short, a sequence counts once; a mask of sequences; other ranks are refused."""
    logits = np.eye(2, dtype="float32")[np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])]
    labels = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    tokens = np.array([[True, True, False], [True, False, False], [True, False, False]])
    metric = ll.metrics.SequenceAccuracy()
    metric.update_state(labels, logits, sample_weight=tokens)
    assert float(metric.result()) == pytest.approx(2 / 3)
    metric.reset_state()
    metric.update_state(labels * 0, logits, sample_weight=[False, True, True])
    assert float(metric.result()) == 0.5
    with pytest.raises(ll.ArgumentError, match="`logits` must have the axes"):
        metric.update_state(labels, logits[..., 0])
