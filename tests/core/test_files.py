"""Models are saved, loaded in safe mode, and train on: on any backend."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import tagger, tagger_data, two_towers

BACKENDS = ("jax", "torch", "tensorflow")


@ll.loss_layer
def scaled_error(prediction, target, *, scale=1.0):
    """scale * (prediction - target)^2, `(batch,)`."""
    return scale * keras.ops.square(prediction - target)[:, 0]


def test_round_trip(rng, tmp_path):
    """A loaded model has the same numbers, objective and optimizer state, and trains alike."""
    model = tagger(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(0.01))
    tokens, tags = tagger_data(rng)
    model.fit(tokens, tags, verbose=0, shuffle=False)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    settings = {"return_dict": True, "verbose": 0}
    expected = model.evaluate(tokens, tags, **settings)
    assert loaded.evaluate(tokens, tags, **settings) == pytest.approx(expected, rel=1e-6)
    more = [m.fit(tokens, tags, verbose=0, shuffle=False).history for m in (model, loaded)]
    assert more[0] == {n: pytest.approx(v, rel=1e-5) for n, v in more[1].items()}
    for a, b in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_config_is_plain_data():
    """get_config goes through JSON; from_config gives an equal configuration."""
    model = tagger(per="sequence")
    config = json.loads(json.dumps(model.get_config()))
    again = ll.Model.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert [m.name for m in again._objective.terms] == [m.name for m in model._objective.terms]


def test_loss_layer_function_in_safe_mode(rng, tmp_path):
    """A function's hyper-parameters come back; nothing unsafe is asked for."""
    x = keras.Input((3,), name="x")
    target = keras.Input((1,), name="target")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y, labels=target)
    model.add_loss(scaled_error(scale=3.0)(y, target), name="error", weight=0.5)
    model.compile("sgd")
    data = rng.normal(size=(4, 3)).astype("float32"), np.ones((4, 1), "float32")
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    expected = model.evaluate(*data, verbose=0)
    assert loaded.evaluate(*data, verbose=0) == pytest.approx(expected, rel=1e-6)
    expected = 3 * np.mean((model.predict(data[0], verbose=0) - data[1]) ** 2)
    assert model.evaluate(*data, verbose=0)[1] == pytest.approx(expected, rel=1e-5)


def run(code, backend, *args):
    """Run `code` in a process of its own and return what it prints last, as JSON."""
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_inference_loads_without_losslayer(rng, tmp_path):
    """The inference graph is a plain Keras file: losslayer can't even be imported there."""
    model = two_towers()
    model.compile("adam")
    data = rng.normal(size=(4, 3)).astype("float32")
    np.save(tmp_path / "data.npy", data)
    model.inference.save(tmp_path / "plain.keras")
    code = """
import json, sys
sys.modules["losslayer"] = None  # an import fails from here on
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1] + "/plain.keras", safe_mode=True)
print(json.dumps(model.predict(np.load(sys.argv[1] + "/data.npy"), verbose=0).tolist()))
"""
    got = run(code, keras.backend.backend(), tmp_path)
    np.testing.assert_allclose(got, model.predict(data, verbose=0), rtol=1e-6)


@pytest.mark.slow
def test_file_of_one_backend_on_the_others(rng, tmp_path):
    """Saved here: evaluates to the same numbers (1e-4) on the other backends, and trains on."""
    model = tagger(label_smoothing=0.1, per="sequence")
    model.compile(keras.optimizers.Adam(0.01))
    tokens, tags = tagger_data(rng)
    model.fit(tokens, tags, verbose=0)
    expected = model.evaluate(tokens, tags, return_dict=True, verbose=0)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "data.npz", tokens=tokens, tags=tags)
    code = """
import json, sys
import keras, numpy as np, losslayer
data = np.load(sys.argv[1] + "/data.npz")
model = keras.saving.load_model(sys.argv[1] + "/m.keras", safe_mode=True)
before = model.evaluate(data["tokens"], data["tags"], return_dict=True, verbose=0)
model.fit(data["tokens"], data["tags"], epochs=5, verbose=0)
after = model.evaluate(data["tokens"], data["tags"], return_dict=True, verbose=0)
print(json.dumps([before, after]))
"""
    for backend in BACKENDS:
        if backend != keras.backend.backend():
            pytest.importorskip(backend)
            before, after = run(code, backend, tmp_path)
            assert before == pytest.approx(expected, rel=1e-4), backend
            assert after["loss"] < before["loss"]


def test_weights_file(rng, tmp_path):
    """save_weights and load_weights hold all weights, inference-only ones too."""
    model, other = two_towers(), two_towers()
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert len(model.get_weights()) == 4


@pytest.mark.filterwarnings("ignore")  # each exporter has warnings of its own
def test_export(rng, tmp_path, capfd):
    """export writes the inference graph."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("SavedModel is TensorFlow's own format; elsewhere it takes further packages")
    import tensorflow as tf

    model = two_towers()
    data = rng.normal(size=(4, 3)).astype("float32")
    model.export(tmp_path / "saved")
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    got = saved.serve(tf.constant(data))
    np.testing.assert_allclose(got, model.predict(data, verbose=0), rtol=1e-5)
