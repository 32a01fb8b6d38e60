"""The layer beside Keras's own: the same weights, numbers and files."""

import contextlib

import keras
import numpy as np
import pytest
from keras import layers, ops

import losslayer as ll
from losslayer import backend

BATCH, TIME, DIM, UNITS = 5, 7, 3, 4
LENGTHS = np.array([7, 3, 1, 0, 5])[:, None]
MASKS = {
    "none": None,
    "right-padded": np.arange(TIME) < LENGTHS,
    "left-padded": np.arange(TIME) >= TIME - LENGTHS,
    "holes": np.random.default_rng(1).uniform(size=(BATCH, TIME)) < 0.5,
    "nothing": np.zeros((BATCH, TIME), "bool"),
}
ARGUMENTS = {
    "last": {},
    "sequences": {"return_sequences": True},
    "states": {"return_sequences": True, "return_state": True},
    "backwards": {"go_backwards": True},
    "backward sequences": {"go_backwards": True, "return_sequences": True},
    "no bias": {"use_bias": False},
    "zeros where nothing counts": {"return_sequences": True, "zero_output_for_mask": True},
    "last, zero where nothing counts": {"zero_output_for_mask": True},
    "another activation": {"activation": "relu"},
    "unrolled": {"unroll": True},
}


def pair(make):
    """The same made with our layer and with Keras's, with the same random weights."""
    found = [make(kind) for kind in (ll.layers.LSTM, layers.LSTM)]
    rng = np.random.default_rng(0)
    for layer in found:
        layer.build((BATCH, TIME, DIM))
    values = [rng.normal(size=w.shape) for w in found[0].weights]
    for layer in found:
        layer.set_weights(values)
    return found


def sequences():
    return np.random.default_rng(3).normal(size=(BATCH, TIME, DIM)).astype("float32")


def arrays(found):
    return [
        ops.convert_to_numpy(t) for t in (found if isinstance(found, (list, tuple)) else [found])
    ]


def assert_same(one, other, tolerance=1e-5):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_numbers(name, mask):
    """Whatever it returns, under any mask; what its loop has no way for is left to Keras."""
    ours, keras_own = pair(lambda kind: kind(UNITS, **ARGUMENTS[name]))
    given = {"mask": MASKS[mask]} if mask != "none" else {}
    assert_same(ours(sequences(), **given), keras_own(sequences(), **given))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_both_directions(return_sequences, merge_mode, mask):
    """Inside of `Bidirectional`, which makes a second layer of the first one's config."""

    def make(kind):
        return layers.Bidirectional(
            kind(UNITS, return_sequences=return_sequences), merge_mode=merge_mode
        )

    ours, keras_own = pair(make)
    assert isinstance(ours.backward_layer, ll.layers.LSTM)
    assert_same(*(layer(sequences(), mask=MASKS[mask]) for layer in (ours, keras_own)))


def trained(kind, steps=4):
    """A small model, trained a little, and what it lost on the way."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    embedded = layers.Embedding(9, DIM, mask_zero=True)(tokens)
    read = kind(UNITS, return_sequences=True)(
        layers.Bidirectional(kind(UNITS, return_sequences=True))(embedded)
    )
    model = keras.Model(tokens, layers.Dense(2)(kind(UNITS, go_backwards=True)(read)))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    rng = np.random.default_rng(4)
    x = rng.integers(1, 9, (BATCH, TIME)) * MASKS["right-padded"]
    y = rng.normal(size=(BATCH, 2))
    return model, model.fit(x, y, epochs=steps, shuffle=False, verbose=0).history["loss"]


def test_training():
    """From the same seed: the same weights before and after, by the same names."""
    (ours, losses), (keras_own, expected) = trained(ll.layers.LSTM), trained(layers.LSTM)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[-1] < losses[0]
    names = [[w.path.rpartition("/")[2] for w in m.weights] for m in (ours, keras_own)]
    assert names[0] == names[1]
    assert_same(ours.get_weights(), keras_own.get_weights())


def test_first_state_and_its_gradient():
    """A decoder: it begins with what an encoder ended with, which learns by that."""
    found = []
    for kind in (ll.layers.LSTM, layers.LSTM):
        keras.utils.set_random_seed(0)
        source, target = keras.Input((None, DIM)), keras.Input((None, DIM))
        mask = ops.any(ops.not_equal(source, 0), axis=-1)
        _, *states = kind(UNITS, return_state=True)(source, mask=mask)
        read = kind(UNITS, return_sequences=True)(target, initial_state=states)
        model = keras.Model([source, target], read)
        model.compile(keras.optimizers.SGD(0.5), "mse")
        x = sequences() * MASKS["right-padded"][:, :, None]
        model.fit([x, sequences()], np.ones((BATCH, TIME, UNITS)), epochs=3, verbose=0)
        found.append(model.get_weights())
    assert_same(*found)


def test_stateful():
    """The state goes on from batch to batch."""
    ours, keras_own = pair(lambda kind: kind(UNITS, stateful=True))
    for _ in range(2):
        assert_same(ours(sequences()), keras_own(sequences()))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_types(dtype):
    """The types are Keras's too, and the numbers as near as the type allows."""
    tolerance = {"mixed_float16": 5e-3, "mixed_bfloat16": 4e-2, "float64": 1e-5}[dtype]
    with backend.float64() if dtype == "float64" else contextlib.nullcontext():
        ours, keras_own = pair(lambda kind: kind(UNITS, return_sequences=True, dtype=dtype))
        for mask in (None, MASKS["holes"]):
            one, other = (layer(sequences(), mask=mask) for layer in (ours, keras_own))
            assert ops.dtype(one) == ops.dtype(other)
            one, other = (ops.cast(t, "float32") for t in (one, other))
            assert_same(one, other, tolerance)


def test_file(tmp_path):
    """It loads in safe mode and gives the same; plain Keras's layer takes the weights."""
    model, _ = trained(ll.layers.LSTM, steps=1)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    tokens = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    assert_same(loaded(tokens), model(tokens), 1e-6)
    assert sum(isinstance(layer, ll.layers.LSTM) for layer in loaded.layers) == 2
    model.save_weights(tmp_path / "m.weights.h5")
    keras_own, _ = trained(layers.LSTM, steps=1)
    keras_own.load_weights(tmp_path / "m.weights.h5")
    assert_same(keras_own(tokens), model(tokens))
