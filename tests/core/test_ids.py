"""Ids outside of their table are named before the step that would use them."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll

CLASSES, VOCABULARY, ROWS = 4, 9, 6


def tagger(loss=None, **compiled):
    """Tokens to labels; the embedding is inside of another model."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    labels = keras.Input((None,), dtype="int32", name="labels")
    encode = keras.Sequential([keras.layers.Embedding(VOCABULARY, 3, name="table")])
    logits = keras.layers.Dense(CLASSES)(encode(tokens))
    loss = loss or ll.losses.SequenceCrossEntropy(name="nll")
    values = loss(logits, labels, mask=ops.not_equal(tokens, 0))
    model = ll.Model(tokens, logits, labels)
    model.add_loss(values, name="nll")
    model.compile("sgd", **compiled)
    return model


def data():
    """Tokens, 0 is padding, and labels."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, VOCABULARY, (ROWS, 5)).astype("int32")
    tokens[:, 4] = 0
    return tokens, (tokens % CLASSES).astype("int32")


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("value", [VOCABULARY, -1])
def test_token(method, value):
    """The input, the row, the value, the table and its size."""
    tokens, labels = data()
    tokens[3, 2] = value
    settings = {"verbose": 0, "batch_size": ROWS} if method in ("fit", "evaluate") else {}
    settings |= {"shuffle": False} if method == "fit" else {}
    rule = rf"'tokens' must hold ids from 0 to 8, for the embedding 'table'. Received: {value} in "
    with pytest.raises(ll.DataError, match=rule + "row 3 of the batch, at position 2"):
        getattr(tagger(), method)(tokens, labels, **settings)


@pytest.mark.parametrize("check", ["first", True, False])
def test_predict_is_not_looked_at(check):
    """It has no losses, so no labels, and it belongs to none of the stages that are looked at."""
    model = tagger(check=check)
    tokens, labels = data()
    model.fit(tokens, labels, verbose=0)
    assert model.predict(tokens, verbose=0).shape == (ROWS, 5, CLASSES)


def test_label():
    """Where the mask counts; elsewhere anything may stand."""
    tokens, labels = data()
    labels[:, 4] = -100
    tagger().fit(tokens, labels, verbose=0)
    labels[1, 3] = CLASSES
    rule = r"'labels' must hold ids from 0 to 3, for the classes of the loss 'nll'. Received: 4 in"
    with pytest.raises(ll.DataError, match=rule + " row 1"):
        tagger().fit(tokens, labels, batch_size=ROWS, shuffle=False, verbose=0)


def test_label_of_a_keras_loss():
    """Sparse labels are ids too."""
    x = keras.Input((2,), name="x")
    labels = keras.Input((), dtype="int32", name="labels")
    logits = keras.layers.Dense(3)(x)
    keras_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = ll.Model(x, logits, labels)
    model.add_loss(ll.losses.FromKeras(keras_loss)(labels, logits), name="nll")
    model.compile("sgd")
    with pytest.raises(
        ll.DataError, match="'labels' must hold ids from 0 to 2.*Received: 3 in row 1"
    ):
        model.fit(np.ones((2, 2)), np.array([0, 3]), shuffle=False, verbose=0)


def test_binary_label():
    """Without an axis of classes there are two."""
    x = keras.Input((), name="x")
    labels = keras.Input((), dtype="int32", name="labels")
    logits = keras.layers.Dense(1)(x[:, None])[:, 0]
    model = ll.Model(x, logits, labels)
    model.add_loss(ll.losses.Focal()(logits, labels), name="focal")
    model.compile("sgd")
    with pytest.raises(ll.DataError, match="ids from 0 to 1"):
        model.fit(np.ones(2), np.array([0, 2]), shuffle=False, verbose=0)


def test_only_the_first_batch_or_every_one():
    """What is wrong later is found with check=True, and not looked for otherwise."""
    tokens, labels = data()
    labels[4, 0] = CLASSES
    settings = {"batch_size": 2, "shuffle": False, "verbose": 0}
    with pytest.raises(ll.DataError, match="Received: 4 in row 0"):
        tagger(check=True).fit(tokens, labels, **settings)
    if keras.backend.backend() == "jax":  # the others have errors of their own, on a CPU
        tagger().fit(tokens, labels, **settings)
        tagger(check=False).fit(tokens[4:], labels[4:], **settings)


def test_weights_stay():
    """The check moves nothing: not the weights, not the seeds."""
    tokens, labels = data()
    labels[0, 0] = CLASSES
    model = tagger()
    before = model.get_weights()
    with pytest.raises(ll.DataError):
        model.fit(tokens, labels, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    labels[0, 0] = 0
    model.fit(tokens, labels, verbose=0)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras refuses it on torch")
def test_several_steps_in_one_execution():
    """All batches of the first execution are looked at, and none is lost."""
    tokens, labels = data()
    model = tagger(steps_per_execution=2)
    settings = {"batch_size": 2, "shuffle": False, "verbose": 0}
    plain = tagger(check=False)
    plain.set_weights(model.get_weights())
    history = [m.fit(tokens, labels, **settings).history["loss"] for m in (model, plain)]
    assert history[0] == pytest.approx(history[1], rel=1e-6)
    labels[2, 0] = -1
    with pytest.raises(ll.DataError, match="Received: -1"):
        model.fit(tokens, labels, **settings)


def test_setting():
    """One of three, or an error."""
    with pytest.raises(ll.ArgumentError, match="`check` must be one of"):
        tagger(check="always")
