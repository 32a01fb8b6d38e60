"""Keras's losses as layers, and `identity`."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll

from .oracles.common import random

ARGUMENTS = [
    keras.losses.Huber(delta=0.3),
    keras.losses.CosineSimilarity(axis=1),
    keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
]


@pytest.mark.parametrize("loss", ARGUMENTS, ids=lambda loss: loss.name)
def test_arguments_are_saved(loss):
    """A loaded layer computes what the saved one did, also where Keras forgets an argument."""
    arrays = random().uniform(size=(2, 4, 4, 4)).astype("float32")
    layer = ll.losses.FromKeras(loss)
    loaded = ll.losses.FromKeras.from_config(layer.get_config())
    before, after = (ops.convert_to_numpy(one(*arrays)[0]) for one in (layer, loaded))
    np.testing.assert_array_equal(after, before)


def test_identity_trains_on_the_models_output(tmp_path):
    """A plain Keras model whose output is the loss trains, and loads in safe mode."""
    a = keras.Input((4,), name="a")
    b = keras.Input((4,), name="b")
    shared = keras.layers.Dense(3, name="shared")
    values, _ = ll.losses.KLDivergence()(shared(a), shared(b))
    model = keras.Model([a, b], values)
    model.compile(keras.optimizers.SGD(0.1), loss=ll.losses.identity)
    arrays = list(random().normal(size=(2, 8, 4)).astype("float32"))
    nothing = np.zeros(8)
    history = model.fit(arrays, nothing, epochs=3, batch_size=8, verbose=0).history["loss"]
    assert history[0] > history[1] > history[2]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before, after = (m.evaluate(arrays, nothing, verbose=0) for m in (model, loaded))
    assert after == pytest.approx(before, rel=1e-6)
    assert before == pytest.approx(np.mean(model.predict(arrays, verbose=0)), rel=1e-6)
