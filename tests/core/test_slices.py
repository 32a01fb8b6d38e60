"""`microbatch_size`: the same gradient and the same numbers as the whole batch."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend
from tests.core import cuts

SIZES = (1, 5)  # the second leaves a short slice
MORE_SIZES = (*SIZES, 3, cuts.ROWS // 2, cuts.ROWS)


@pytest.fixture
def float64():
    """Everything in float64."""
    before = keras.config.floatx()
    with backend.float64():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("losses", "sizes"),
    [
        *(pytest.param((n,), MORE_SIZES, marks=pytest.mark.slow, id=n) for n in cuts.LOSSES),
        pytest.param(cuts.LOSSES, SIZES, id="all"),
    ],
)
def test_gradient_is_the_whole_batchs(losses, sizes):
    """In float32 to 1e-5, for losses that couple examples and for means over tokens."""
    whole, logs = cuts.gradient(cuts.build(losses), cuts.data())
    for size in sizes:
        sliced, sliced_logs = cuts.gradient(cuts.build(losses), cuts.data(), microbatch_size=size)
        assert cuts.difference(sliced, whole) < 1e-5, size
        assert sliced_logs == pytest.approx(logs, rel=1e-5), size


def test_recurrent_encoder():
    """The same where a loop over time runs inside the loop over slices."""
    found = [
        cuts.gradient(
            cuts.build(pooling=lambda: keras.layers.GRU(5)), cuts.data(), microbatch_size=size
        )
        for size in (None, 5)
    ]
    assert cuts.difference(found[1][0], found[0][0]) < 1e-5


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX always compiles so")
def test_compiled_by_xla():
    """On a GPU, Keras has TensorFlow's steps compiled by XLA."""
    found = [
        cuts.gradient(cuts.build(), cuts.data(), microbatch_size=size, jit_compile=True)
        for size in (None, 5)
    ]
    assert cuts.difference(found[1][0], found[0][0]) < 1e-5


@pytest.mark.slow
def test_gradient_in_float64(float64):
    """To 1e-10: what differs in float32 is rounding."""
    whole, _ = cuts.gradient(cuts.build(), cuts.data())
    assert whole[0].dtype == "float64"
    sliced, _ = cuts.gradient(cuts.build(), cuts.data(), microbatch_size=5)
    assert cuts.difference(sliced, whole) < 1e-10


def test_mean_of_slices_would_differ():
    """The tests above can fail: the mean of the slices' own gradients is far away."""
    whole, _ = cuts.gradient(cuts.build(), cuts.data())
    halves = []
    for rows in (slice(0, 6), slice(6, 12)):
        part = {name: ids[rows] for name, ids in cuts.data().items()}
        halves.append(cuts.gradient(cuts.build(), part)[0])
    mean = [(a + b) / 2 for a, b in zip(*halves)]
    assert cuts.difference(mean, whole) > 0.05


def test_evaluate_and_short_batches():
    """`fit` over a short last batch, and `evaluate`, report what they report without slices."""
    found = []
    for size in (None, 4):
        model = cuts.build()
        model.compile(keras.optimizers.SGD(0.1), microbatch_size=size)
        history = model.fit(cuts.data(), batch_size=7, epochs=2, shuffle=False, verbose=0).history
        numbers = model.evaluate(cuts.data(), batch_size=5, verbose=0, return_dict=True)
        found.append([*(n for values in history.values() for n in values), *numbers.values()])
    assert found[1] == pytest.approx(found[0], rel=1e-5)


def dropped_sum(units=64, seed=1):
    """A model whose loss is the sum of `w * dropped ones`; its gradient by w counts the kept."""
    x = keras.Input((units,), name="x")
    kept = keras.layers.Dropout(0.5, seed=seed)(x)
    scale = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = ll.Model(x, kept)
    model.add_loss(scale(kept)[:, 0], name="sum")
    return model


@pytest.mark.parametrize("seed", [1, None])  # without one, PyTorch has a generator for all
def test_dropout_is_the_same_in_both_passes(seed):
    """The gradient by `w` of `w * x` is x, so the two agree only if both passes drop the same."""
    model = dropped_sum(seed=seed)
    gradients, logs = cuts.gradient(model, np.ones((8, 64)), microbatch_size=2)
    [kernel] = [g for g in gradients if g.shape == (64, 1)]
    assert kernel.sum() == pytest.approx(logs["sum"], rel=1e-5)
    assert len(set(kernel[:, 0].round(3))) > 1  # the slices drop other units


def test_dropout_goes_on():
    """Every step draws new masks, and the same seed draws the same ones again."""

    def losses():
        model = dropped_sum()
        model.compile(keras.optimizers.SGD(0.0), microbatch_size=3)
        x = np.random.default_rng(0).normal(size=(8, 64))
        return model.fit(x, epochs=3, batch_size=8, shuffle=False, verbose=0).history["sum"]

    first = losses()
    assert len(set(first)) == 3
    assert losses() == first


@keras.saving.register_keras_serializable(package="tests")
class Counting(keras.layers.Layer):
    """Counts its calls in training."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x, training=None):
        if training:
            self.calls.assign_add(1.0)
        return x


@keras.saving.register_keras_serializable(package="tests")
class Centred(keras.layers.Layer):
    """Takes the mean of the batch away: examples meet, and nothing in its shape says so."""

    def call(self, x):
        return x - ops.mean(x, axis=0, keepdims=True)


def regression(*inner):
    """A model whose output has gone through the layers `inner`."""
    x = keras.Input((3,), name="x")
    y = x
    for layer in inner:
        y = layer(y)
    y = keras.layers.Dense(1)(y)
    model = ll.Model(x, y)
    model.add_loss(ops.square(y[:, 0] - 1.0), name="error")
    return model


X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def test_state_goes_from_slice_to_slice():
    """Each slice's forward pass counts once, the recomputed one does not count."""
    counting = Counting()
    model = regression(counting)
    model.compile("sgd", microbatch_size=3)  # slices of 3, 3 and 2
    model.fit(X, batch_size=8, epochs=2, verbose=0)
    assert float(ops.convert_to_numpy(counting.calls)) == 6


@pytest.mark.parametrize("nested", [False, True])
def test_layer_that_mixes_examples(nested):
    """Found in the first step and named, inside of another model too."""
    layer = Centred(name="centred")
    model = regression(keras.Sequential([keras.layers.Dense(3), layer]) if nested else layer)
    model.compile("sgd", microbatch_size=2)
    with pytest.raises(ll.ObjectiveError, match="'centred', which gives an example another value"):
        model.fit(X, verbose=0)


@pytest.mark.parametrize("nested", [False, True])
def test_batch_normalization(nested):
    """Refused by name before the first step; frozen it is an ordinary layer."""
    layer = keras.layers.BatchNormalization(name="norm")
    model = regression(keras.Sequential([keras.layers.Dense(3), layer]) if nested else layer)
    with pytest.raises(ll.ObjectiveError, match=r"'norm', a BatchNormalization.*trainable = False"):
        model.compile("sgd", microbatch_size=2)
    layer.trainable = False
    model.compile("sgd", microbatch_size=2)
    model.fit(X, verbose=0)


def test_layer_with_a_loss_of_its_own():
    """A sum over a slice is not the sum over the batch, and nobody can tell which was meant."""
    layer = keras.layers.Dense(3, activity_regularizer="l2", name="active")
    model = regression(layer)
    model.compile("sgd", microbatch_size=2)
    with pytest.raises(ll.ObjectiveError, match="'active'.*activity_regularizer"):
        model.fit(X, verbose=0)


def regularised():
    """A regulariser of weights counts once, however many slices there are."""
    return regression(keras.layers.Dense(3, kernel_regularizer="l2")), {}


def scalar_loss():
    """A tensor without the batch's axis is where examples meet."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(2)(x)
    model = ll.Model(x, y)
    model.add_loss(ops.max(y), name="largest")
    return model, {}


def loss_on_the_outputs():
    """What `compile` was given sees the whole batch too."""
    x = keras.Input((3,), name="x")
    return ll.Model(x, keras.layers.Dense(1)(x)), {"loss": "mse", "metrics": ["mae"]}


def nothing_before_the_cut():
    """Examples meet right at the inputs."""
    inputs = [keras.Input((3,), name=name) for name in ("x", "other")]
    value, weight = ll.losses.InBatchNegatives()(*inputs)
    scaled = keras.layers.Dense(1)(keras.ops.reshape(value, (1, 1)))[0, 0]
    model = ll.Model(inputs, inputs[0])
    model.add_loss((scaled, weight), name="nll")
    return model, {}


def one_layer_in_two_parts():
    """What two encoders have in common is trained by both."""
    inputs = [keras.Input((3,), name=name) for name in ("x", "other")]
    query, answer = map(keras.layers.Dense(4), inputs)
    model = ll.Model(inputs, query)
    model.add_loss(ll.losses.InBatchNegatives()(query, answer), name="nll")
    return model, {}


@pytest.mark.parametrize("rows", [8, 1])
@pytest.mark.parametrize(
    "build",
    [
        regularised,
        scalar_loss,
        loss_on_the_outputs,
        nothing_before_the_cut,
        one_layer_in_two_parts,
    ],
)
def test_two_steps(build, rows):
    """The same weights and the same numbers with slices as without."""
    data = {"x": X[:rows], "other": np.roll(X, 1, axis=0)[:rows] + 0.1}
    found = []
    for size in (None, 3):
        keras.utils.set_random_seed(0)
        model, given = build()
        model.compile(keras.optimizers.SGD(0.1), microbatch_size=size, **given)
        x = {t.name: data[t.name] for t in model.inputs}
        y = np.ones((rows, 1)) if given else None
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        found.append((model.get_weights(), [n for values in history.values() for n in values]))
    (whole, numbers), (sliced, sliced_numbers) = found
    assert sliced_numbers == pytest.approx(numbers, rel=1e-5, abs=1e-7)
    for one, other in zip(sliced, whole):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_no_terms():
    """A model that is only asked may be compiled for slices."""
    x = keras.Input((3,), name="x")
    model = ll.Model(x, keras.layers.Dense(1)(x))
    model.compile("sgd", microbatch_size=2)
    assert model.predict(X, verbose=0).shape == (8, 1)


def test_random_state_goes_from_part_to_part():
    """One dropout layer in two encoders drops other units in each."""

    @ll.loss_layer(couples_examples=True)  # else both encodings would be of one part
    def distance(a, b):
        return ops.mean(ops.abs(a - b), axis=-1)

    inputs = [keras.Input((64,), name=name) for name in ("x", "other")]
    query, answer = map(keras.layers.Dropout(0.5, seed=1), inputs)
    model = ll.Model(inputs, query)
    model.add_loss(ops.square(keras.layers.Dense(1)(query)[:, 0]), name="error")
    model.add_metric(distance()(query, answer), name="distance")
    model.compile("sgd", microbatch_size=2)
    logs = model.train_on_batch({n: np.ones((8, 64)) for n in ("x", "other")}, return_dict=True)
    assert logs["distance"] > 0.5


def test_stop_gradient_before_the_cut():
    """Weights that no loss reaches are found inside the slices too, and don't move."""
    x = keras.Input((3,), name="x")
    still = keras.layers.Dense(3, name="still")
    y = keras.layers.Dense(1)(ops.stop_gradient(still(x)))
    model = ll.Model(x, y)
    model.add_loss(ops.square(y[:, 0] - 1.0), name="error")
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.1), microbatch_size=3)
    before = still.get_weights()
    model.fit(X, batch_size=8, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, still.get_weights()))


def test_mask_that_keras_attached():
    """It would be lost at the cut, so it must be given."""
    ids = keras.Input((4,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(9, 3, mask_zero=True)(ids)

    @ll.loss_layer(couples_examples=True)
    def spread(vectors):
        return vectors[..., 0] - ops.mean(vectors)

    for given, fits in (({}, False), ({"mask": ops.not_equal(ids, 0)}, True)):
        model = ll.Model(ids, embedded)
        model.add_loss(spread()(embedded, **given), name="spread")
        if fits:
            model.compile("sgd", microbatch_size=2)
            model.fit(np.arange(16).reshape(4, 4) % 9, verbose=0)
        else:
            with pytest.raises(ll.ObjectiveError, match="must get its mask as mask="):
                model.compile("sgd", microbatch_size=2)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "8"])
def test_size_that_is_none(size):
    """A whole number >= 1, or an error that says so."""
    with pytest.raises(ll.ArgumentError, match="`microbatch_size` must be a whole number >= 1"):
        regression().compile("sgd", microbatch_size=size)


def test_input_with_a_fixed_batch():
    """Its graph holds the number of examples, so a slice doesn't fit."""
    x = keras.Input(batch_shape=(8, 3), name="x")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y)
    model.add_loss(y[:, 0], name="y")
    with pytest.raises(ll.ArgumentError, match="fixed number of examples"):
        model.compile("sgd", microbatch_size=2)


def test_file(tmp_path):
    """A loaded model trains on in slices."""
    model = regression()
    model.compile("sgd", microbatch_size=3)
    model.fit(X, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.get_compile_config()["microbatch_size"] == 3
    again = [m.fit(X, verbose=0, shuffle=False).history["loss"] for m in (model, loaded)]
    assert again[0] == pytest.approx(again[1], rel=1e-6)
