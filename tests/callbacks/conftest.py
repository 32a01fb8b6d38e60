"""A small training with everything that has a state: dropout, batch statistics, a schedule."""

import hashlib

import keras
import numpy as np
import pytest

import losslayer as ll

ROWS, SIZE, EPOCHS = 10, 4, 2  # three steps an epoch, the last one with two rows


@pytest.fixture(autouse=True)
def _fresh_session():
    """Names and seeds don't depend on which tests ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)


def model(optimizer=None, units=4, **settings):
    """Squared errors of a network with dropout and batch statistics."""
    x, target = keras.Input((3,), name="x"), keras.Input((1,), name="target")
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(units)(x))
    prediction = keras.layers.Dense(1)(keras.layers.BatchNormalization()(hidden))
    made = ll.Model(x, prediction, labels=target)
    made.add_loss(keras.ops.square(prediction - target), name="error")
    made.add_metric(keras.metrics.MeanAbsoluteError(), target, prediction, name="distance")
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    made.compile(optimizer or keras.optimizers.Adam(rate), **settings)
    return made


def data(rows=ROWS):
    """Rows of `x` and `target`, always the same."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 3)).astype("float32"), rng.normal(size=(rows, 1))


def fit(trained, folder, **settings):
    """Train on arrays with a Resume that stores each step."""
    resume = ll.callbacks.Resume(folder, steps=1, verbose=0, **settings.pop("resume", {}))
    x, target = settings.pop("data", None) or data()
    callbacks = [*settings.pop("callbacks", []), resume]
    arguments = {"batch_size": SIZE, "epochs": EPOCHS, "verbose": 0, **settings}
    return trained.fit(x, target, callbacks=callbacks, **arguments)


def outcome(trained, history):
    """All that must be equal: the history, its epochs, a hash of weights and optimizer."""
    digest = hashlib.sha256()
    for variable in [*trained.variables, *trained.optimizer.variables]:
        digest.update(keras.ops.convert_to_numpy(variable.value).tobytes())
    return history.history, history.epoch, digest.hexdigest()


class Fail(keras.callbacks.Callback):
    """Ends `fit` with an exception after some steps, once."""

    def __init__(self, after):
        super().__init__()
        self.left = self.after = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise ZeroDivisionError
