"""The engines' kernels against the formula in `keras.ops`, in float64."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend, kernels
from losslayer.kernels.linear_cross_entropy import reference

DIM, VOCAB = 5, 11
NAMES = ("hidden", "table", "bias", "weights")


def example(tokens, counted, seed=0):
    """Random tensors; `counted` is the share of the tokens that have a weight."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2, tokens) * (rng.uniform(size=tokens) < counted)
    return {
        "hidden": rng.normal(size=(tokens, DIM)),
        "table": rng.normal(size=(VOCAB, DIM)),
        "bias": rng.normal(size=VOCAB),
        "labels": rng.integers(0, VOCAB, tokens),
        "weights": weights,
    }


def slopes(function, given, **settings):
    """The value of a kernel, and its gradient by everything that has one."""
    names = [n for n in NAMES if given[n] is not None]
    labels = ops.convert_to_tensor(given["labels"])

    def run(leaves):
        tensors = {**given, **dict(zip(names, leaves)), "labels": labels}
        return function(**tensors, **settings)

    return backend.value_and_gradient(run)([given[n] for n in names])


# A chunk holds 128 tokens here: less than one, one, a full one, some and a part.
@pytest.mark.parametrize("tokens", [1, 127, 128, 300])
@pytest.mark.parametrize("counted", [1.0, 0.4, 0.0])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_value_and_gradient(tokens, counted, size):
    """For any number of tokens, any of which may not count, and logits that are moderate or not."""
    with backend.float64():
        for smoothing, z_loss, bias in ((0, 0, True), (0.1, 0.01, True), (0.2, 0, False)):
            given = example(tokens, counted)
            given["hidden"] *= size
            if not bias:
                given["bias"] = None
            settings = {"smoothing": smoothing, "z_loss": z_loss}
            value, found = slopes(kernels.linear_cross_entropy, given, **settings)
            expected, wanted = slopes(reference.linear_cross_entropy, given, **settings)
            assert value == pytest.approx(expected, rel=1e-12)
            counts = given["weights"] != 0
            for name, one, other in zip(NAMES[: 4 if bias else 2], found, wanted):
                if name == "weights":  # of a token that doesn't count nothing is computed
                    one, other = one[counts], other[counts]
                np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("transposed", [False, True])
def test_float32_and_many_words(transposed):
    """Products in blocks of words, of a table as an Embedding has it or as a Dense layer has it."""
    rng, tokens, vocab = np.random.default_rng(3), 300, 5000
    given = {**example(tokens, 0.7), "table": rng.normal(size=(vocab, DIM))}
    given |= {"bias": rng.normal(size=vocab), "labels": rng.integers(0, vocab, tokens)}
    logits = given["hidden"] @ given["table"].T + given["bias"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = np.eye(vocab)[given["labels"]]
    wanted = given["weights"][:, None] * (shares - right)
    small = {n: a.astype("int32" if n == "labels" else "float32") for n, a in given.items()}

    def kernel(table, **tensors):
        table = ops.transpose(table) if transposed else table
        return kernels.linear_cross_entropy(table=table, **tensors)

    if transposed:
        small["table"] = small["table"].T.copy()
    value, found = slopes(kernel, small)
    assert value == pytest.approx(-given["weights"] @ np.log((shares * right).sum(1)), rel=1e-5)
    by_table = wanted.T @ given["hidden"]
    expected = wanted @ given["table"], by_table.T if transposed else by_table, wanted.sum(0)
    for name, one, other in zip(NAMES, found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=name)


def test_large_logits():
    """No exponential overflows, and none of a sum is lost."""
    given = example(8, 1.0)
    given["hidden"] = given["hidden"] * 1e3
    given = {n: a.astype("float32" if n != "labels" else "int32") for n, a in given.items()}
    value, found = slopes(kernels.linear_cross_entropy, given)
    expected, _ = slopes(reference.linear_cross_entropy, given)
    assert value == pytest.approx(expected, rel=1e-5)
    assert all(np.isfinite(slope).all() for slope in found)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
def test_padding_compiles_once():
    """Another number of tokens that count is no other program."""
    run, traces = backend.compiled(kernels.linear_cross_entropy)
    for counted in (1.0, 0.5, 0.1, 0.0):
        given = example(300, counted)
        names = ("hidden", "table", "bias", "labels", "weights")
        tensors = [ops.convert_to_tensor(given[n]) for n in names]
        expected = reference.linear_cross_entropy(*tensors)
        assert float(run(*tensors)) == pytest.approx(float(expected), rel=1e-5)
    assert len(traces) == 1


def tagger(fused):
    """A model of tokens with a linear head, whose loss sees the logits or doesn't."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    labels = keras.Input((None,), dtype="int32", name="labels")
    embed = keras.layers.Embedding(20, 8)
    head = keras.layers.Dense(VOCAB)
    hidden = keras.layers.Dense(DIM, activation="tanh")(embed(tokens))
    mask = ops.not_equal(tokens, 0)
    logits = head(hidden)
    model = ll.Model(tokens, logits, labels)
    if fused:
        nll = ll.losses.LinearCrossEntropy(head, label_smoothing=0.1)(hidden, labels, mask=mask)
    else:
        nll = ll.losses.SequenceCrossEntropy(label_smoothing=0.1)(logits, labels, mask=mask)
    model.add_loss(nll, name="nll")
    return model


def data():
    """Token ids with padding, and a label for each."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(1, 20, (12, 7)) * (np.arange(7) < rng.integers(1, 8, (12, 1)))
    return tokens, rng.integers(0, VOCAB, (12, 7))


@pytest.mark.parametrize("size", [None, 3])
def test_same_training(size):
    """Fused or not: the same numbers, the same weights, in slices too; `evaluate` as well."""
    found = []
    for fused in (True, False):
        model = tagger(fused)
        model.compile(keras.optimizers.SGD(0.5), microbatch_size=size)
        x, y = data()
        history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history
        numbers = model.evaluate(x, y, batch_size=5, verbose=0)
        found.append(([*history["nll"], *history["loss"], *np.ravel(numbers)], model.get_weights()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for one, other in zip(found[0][1], found[1][1]):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_head_is_shared_in_the_file(tmp_path):
    """What is loaded trains the head that its outputs use."""
    model = tagger(fused=True)
    model.compile(keras.optimizers.SGD(0.5))
    x, y = data()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert len(loaded.weights) == len(model.weights)
    before = loaded.predict(x, verbose=0)
    np.testing.assert_allclose(before, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    histories = [
        m.fit(x, y, epochs=3, shuffle=False, verbose=0).history["nll"] for m in (model, loaded)
    ]
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)
    assert histories[0][-1] < histories[0][0]
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_tied_embeddings():
    """The table that reads tokens also makes their logits, and learns from both."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embed = keras.layers.Embedding(VOCAB, DIM)
    nll = ll.losses.LinearCrossEntropy(embed)(embed(tokens), tokens)
    model = ll.Model(tokens, embed(tokens))
    model.add_loss(nll, name="nll")
    model.compile(keras.optimizers.Adam(0.05))
    history = model.fit(np.arange(VOCAB)[:, None], epochs=30, verbose=0).history["nll"]
    assert history[-1] < 0.5 * history[0]


def test_label_outside_of_the_head():
    """Named before the first step, with the row and the value."""
    model = tagger(fused=True)
    model.compile("sgd")
    x, y = data()
    x[2, 0], y[2, 0] = 1, VOCAB
    with pytest.raises(ll.DataError, match=rf"{VOCAB}"):
        model.fit(x, y, verbose=0)


def test_hidden_of_another_head():
    """Refused where the layer is applied, not in the first step."""
    hidden, labels = keras.Input((None, 4)), keras.Input((None,), dtype="int32")
    for head in (keras.layers.Embedding(VOCAB, DIM), keras.layers.Dense(VOCAB)):
        head.build((None, DIM))
        with pytest.raises(ll.ArgumentError, match="`hidden` must have 5 values in its last axis"):
            ll.losses.LinearCrossEntropy(head)(hidden, labels)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the other engines are told")
def test_slopes_that_nothing_reads_are_not_computed():
    """TensorFlow is not told whether a gradient is wanted: compiled, it drops what is not read."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    hidden, table = (random.normal(size=s).astype("float32") for s in ((256, 8), (50, 8)))
    labels, weights = random.integers(0, 50, 256).astype("int32"), np.ones(256, "float32")

    def value(hidden, table):
        return kernels.linear_cross_entropy(hidden, table, None, labels, weights)

    def slopes(hidden, table):
        with tf.GradientTape() as tape:
            tape.watch([hidden, table])
            found = value(hidden, table)
        return tape.gradient(found, [hidden, table])

    def products(function):
        compiled = tf.function(function, jit_compile=True)
        tensors = tf.constant(hidden), tf.constant(table)
        program = compiled.experimental_get_compiler_ir(*tensors)(stage="optimized_hlo")
        return program.count(" dot(")

    assert products(value) == 2 < products(slopes)  # the logits, the sums of their exponentials
