"""Reported numbers are quotients of two sums over all elements that count."""

import math

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import regression, tagger, tagger_data


def tagger_by_hand(model, tokens, tags):
    """nll, ppl and accuracy from the stored logits, token by token in float64."""
    logits = model.predict(tokens, verbose=0).astype("float64")
    total, right, count = 0.0, 0, 0
    for row in range(len(tokens)):
        for position in range(tokens.shape[1]):
            if tokens[row, position] == 0:
                continue
            scores = logits[row, position]
            total += math.log(sum(math.exp(s) for s in scores)) - scores[tags[row, position]]
            right += int(np.argmax(scores) == tags[row, position])
            count += 1
    return {
        "loss": total / count,
        "nll": total / count,
        "ppl": math.exp(total / count),
        "accuracy": right / count,
        "masked": right / count,
    }


def test_same_for_any_batch_size_order_and_padding(rng):
    """Batch sizes 1, 7 and 64, another order and more padding: a NumPy loop's numbers."""
    model = tagger()
    model.compile("adam")
    tokens, tags = tagger_data(rng)
    expected = tagger_by_hand(model, tokens, tags)
    order = rng.permutation(len(tokens))
    padded = np.pad(tokens, ((0, 0), (0, 3))), np.pad(tags, ((0, 0), (0, 3)), constant_values=-9)
    for x, y in ((tokens, tags), (tokens[order], tags[order]), padded):
        for batch_size in (1, 7, 64):
            got = model.evaluate(x, y, batch_size=batch_size, return_dict=True, verbose=0)
            assert got == pytest.approx(expected, rel=1e-5)


def test_epoch_figure_is_the_mean_over_its_steps(rng):
    """With a learning rate of 0, fit reports what evaluate does; val_ twins come with it."""
    model = tagger()
    model.compile(keras.optimizers.SGD(0.0))
    tokens, tags = tagger_data(rng)
    fit = {"batch_size": 5, "validation_data": (tokens[:9], tags[:9]), "verbose": 0}
    history = model.fit(tokens, tags, **fit).history
    expected = tagger_by_hand(model, tokens, tags)
    validation = tagger_by_hand(model, tokens[:9], tags[:9])
    expected.update({f"val_{name}": number for name, number in validation.items()})
    assert set(history) == set(expected)
    assert {name: v[-1] for name, v in history.items()} == pytest.approx(expected, rel=1e-5)


def test_terms_times_weights_and_regularisers_sum_to_loss(rng):
    """loss = 0.5 first + 2 second + regulariser + what a layer adds."""

    class Adds(keras.layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.convert_to_tensor(0.25))
            return x

    x = keras.Input((3,), name="x")
    head = keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.1), name="head")
    y = head(Adds()(x))
    model = ll.Model(x, y)
    model.add_loss(y[:, 0] ** 2, name="first", weight=0.5)
    model.add_loss(y[:, 1] ** 2, name="second", weight=2)
    model.compile(keras.optimizers.SGD(0.0))
    data = rng.normal(size=(11, 3)).astype("float32")
    kernel = head.get_weights()[0]
    first, second = ((data @ kernel) ** 2).mean(0)
    loss = 0.5 * first + 2 * second + 0.1 * (kernel**2).sum() + 0.25
    expected = {"loss": loss, "first": first, "second": second}
    got = model.evaluate(data, batch_size=4, return_dict=True, verbose=0)
    assert got == pytest.approx(expected, rel=1e-5)
    assert model.test_on_batch(data) == pytest.approx(list(expected.values()), rel=1e-5)
    expected |= {"first_weight": 0.5, "second_weight": 2.0}
    history = model.fit(data, batch_size=4, verbose=0).history
    assert {n: v[0] for n, v in history.items()} == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(data, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_sample_weight_multiplies_losses_and_leaves_metrics(rng):
    """fit(sample_weight=) weighs the loss terms; a metric keeps the weights it was given."""
    model = regression()
    prediction = model.outputs[0]
    model.add_metric(keras.ops.square(prediction - model.labels[0]), name="plain")
    model.compile("sgd")
    x, y = rng.normal(size=(9, 3)).astype("float32"), rng.normal(size=(9, 1)).astype("float32")
    weight = rng.uniform(size=9).astype("float32")
    weight[:2] = 0
    squared = ((model.predict(x, verbose=0) - y) ** 2)[:, 0]
    expected = {"error": np.average(squared, weights=weight), "plain": squared.mean()}
    expected["loss"] = expected["error"]
    for given in ({"y": y}, {}):
        data = x if given else {"x": x, "target": y}
        got = model.evaluate(
            data, **given, sample_weight=weight, batch_size=4, return_dict=True, verbose=0
        )
        assert got == pytest.approx(expected, rel=1e-5)


def test_class_weight_reaches_the_loss(rng):
    """class_weight becomes sample weights, as in Keras."""
    x = keras.Input((3,), name="x")
    label = keras.Input((), dtype="int32", name="label")
    logits = keras.layers.Dense(2, name="head")(x)
    model = ll.Model(x, logits, labels=label)
    model.add_loss(ll.losses.Focal(gamma=0)(logits, label), name="focal")
    model.compile(keras.optimizers.SGD(0.0))
    data, labels = rng.normal(size=(12, 3)).astype("float32"), np.arange(12) % 2
    scores = model.predict(data, verbose=0)
    each = np.log(np.exp(scores).sum(1)) - scores[np.arange(12), labels]
    expected = np.average(each, weights=np.where(labels == 1, 3.0, 1.0))
    history = model.fit(data, labels, class_weight={1: 3.0}, batch_size=5, verbose=0).history
    assert history["focal"][0] == pytest.approx(expected, rel=1e-5)


def test_scalar_counts_once_per_row(rng):
    """A scalar loss has lost its weight: rows weigh its batches, and summary says so."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1, name="head")(x)
    model = ll.Model(x, y)
    model.add_loss(keras.ops.max(keras.ops.square(y)), name="worst")
    model.compile(keras.optimizers.SGD(0.0))
    data = rng.normal(size=(7, 3)).astype("float32")
    squared = model.predict(data, verbose=0) ** 2
    expected = (4 * squared[:4].max() + 3 * squared[4:].max()) / 7
    got = model.evaluate(data, batch_size=4, return_dict=True, verbose=0)
    assert got["worst"] == pytest.approx(expected, rel=1e-5)
    lines = []
    model.summary(print_fn=lambda text, **kwargs: lines.append(text))
    assert any("worst" in line and "inexact" in line for line in lines)
    with pytest.raises(ll.DataError, match="sample_weight.*'worst'"):
        model.evaluate(data, sample_weight=np.ones(7), verbose=0)


def test_fused_pair_is_an_exact_mean(rng):
    """A scalar mean with its total weight is as exact as values per element."""
    x = keras.Input((3,), name="x")
    count = keras.Input((), name="count")
    y = keras.layers.Dense(1, name="head")(x)[:, 0]
    total = keras.ops.sum(count)
    fused = keras.ops.sum(y * y * count) / total, total
    model = ll.Model([x, count], y)
    model.add_loss(fused, name="fused")
    model.compile("sgd")
    data = rng.normal(size=(7, 3)).astype("float32")
    counts = rng.integers(1, 9, 7).astype("float32")
    expected = np.average(model.predict([data], verbose=0) ** 2, weights=counts)
    for batch_size in (2, 7):
        got = model.evaluate([data, counts], batch_size=batch_size, return_dict=True, verbose=0)
        assert got["fused"] == pytest.approx(expected, rel=1e-5)


def test_nothing_counts(rng):
    """All weights 0: value 0, no gradient, weights stay."""
    model = tagger()
    model.compile(keras.optimizers.SGD(1.0))
    before = model.get_weights()
    history = model.fit(np.zeros((4, 3), "int32"), np.zeros((4, 3), "int32"), verbose=0).history
    assert history["loss"] == [0.0]
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_means_do_not_drift():
    """20,000 additions of 0.1 in float32 keep the mean to 1e-7."""
    metric = ll.metrics.ExactMean()
    for _ in range(2000):
        metric.update_state(keras.ops.convert_to_tensor([0.1]))
    state = [float(keras.ops.convert_to_numpy(v.value)) for v in metric.variables]
    assert sum(state[:2]) == pytest.approx(2000 * float(np.float32(0.1)), rel=1e-7)
    assert float(metric.result()) == pytest.approx(float(np.float32(0.1)), rel=1e-7)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_losses_in_float32(rng, policy):
    """Half precision in the layers, float32 in losses; labels pass through unrounded."""
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input((3,), name="x")
        number = keras.Input((), name="number")
        y = keras.layers.Dense(1, name="head")(x)[:, 0]
        model = ll.Model(x, y, labels=number)
        huber = ll.losses.FromKeras(keras.losses.MeanAbsoluteError())
        error = huber(number[:, None], keras.ops.expand_dims(y, -1))
        model.add_loss(error, name="error")
        model.compile(keras.optimizers.SGD(0.0))
        data = np.zeros((4, 3), "float32")
        history = model.fit(data, np.full(4, 2049.0, "float32"), verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(error[0].dtype) == "float32"
    assert history["error"] == [2049.0]


def test_sample_weight_as_a_column(rng):
    """Weights of shape (n, 1) weigh rows, with values of any rank."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)[:, 0]
    model = ll.Model(x, y)
    model.add_loss(y**2, name="size")
    model.compile("sgd")
    data = rng.normal(size=(4, 3)).astype("float32")
    weight = np.array([1.0, 0.0, 2.0, 0.0], "float32")
    expected = np.average(model.predict(data, verbose=0) ** 2, weights=weight)
    for given in (weight, weight[:, None]):
        got = model.evaluate(data, sample_weight=given, return_dict=True, verbose=0)
        assert got["size"] == pytest.approx(expected, rel=1e-5)


def test_summary_says_what_is_exact():
    """Scalars under a metric, coupling layers and Keras's metrics are told apart."""

    @ll.loss_layer(couples_examples=True)
    def to_the_mean(a):
        return keras.ops.sum(keras.ops.square(a - keras.ops.mean(a, axis=0)), axis=-1)

    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y)
    model.add_loss(to_the_mean()(y), name="coupled")
    model.add_metric(ll.metrics.ExactMean(), keras.ops.max(y), name="scalar")
    model.add_metric(keras.metrics.Mean(), y, name="theirs")
    lines = []
    model.summary(print_fn=lambda text, **kwargs: lines.append(text))
    text = "\n".join(lines)
    assert "x; exact for each batch" in text
    assert "inexact: one number per batch, all batches alike" in text
    assert "counted as its metric does" in text


def test_added_rows_count_in_no_metric(rng):
    """With one weight for the whole batch too, which here is the total weight of a fused loss."""
    a, p = keras.Input((3,), name="a"), keras.Input((3,), name="p")
    pair = ll.losses.InBatchNegatives()(a, p)
    model = ll.Model([a, p], keras.layers.Dense(3)(a))
    mean = keras.metrics.MeanSquaredError()
    model.add_metric(mean, a, p, sample_weight=pair[1], name="square")
    model.add_metric(ll.metrics.Perplexity(), pair, name="ppl")
    model.compile()
    data = {n: rng.normal(size=(6, 3)).astype("float32") for n in ("a", "p")}
    counts = np.array([1, 1, 0, 1, 0, 1], "float32")
    batches = ({**data, "__rows__": counts}, {n: t[counts > 0] for n, t in data.items()})
    filled, fewer = (
        model.evaluate(((b,) for b in [batch]), steps=1, return_dict=True, verbose=0)
        for batch in batches
    )
    assert filled == pytest.approx(fewer, rel=1e-5)
