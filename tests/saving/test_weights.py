"""Weights as safetensors: by stable names, whole or not at all, for every engine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

from losslayer.saving import WeightsError, read_weights, write_weights
from tests.saving import encoders

SPEC = {"vocabulary_size": 20, "units": 8, "settings": {"embedding_dim": 4, "units": 3}}
ROOT = Path(__file__).parents[2]


def arrays(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("kind", ["faq", "gru", "cnn", "transformer"])
def test_another_model_of_the_spec_gets_the_weights(tmp_path, kind):
    """Whatever numbers Keras gave to the names of its layers."""
    build = getattr(encoders, kind)
    first, second = build(SPEC), build(SPEC)
    for seed, model in enumerate((first, second)):
        generator = np.random.default_rng(seed)
        for weight in model.weights:
            weight.assign(generator.normal(size=weight.shape))
    write_weights(tmp_path / "first", first)
    read_weights(tmp_path / "first", second)
    for own, others in zip(arrays(first), arrays(second), strict=True):
        np.testing.assert_array_equal(own, others)
    write_weights(tmp_path / "second", second)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_the_file_is_readable_by_others(tmp_path):
    """Names, shapes and numbers, by the library alone."""
    model = encoders.faq(SPEC)
    write_weights(tmp_path / "weights", model)
    stored = safetensors.numpy.load_file(tmp_path / "weights")
    cell = {"kernel": (4, 12), "recurrent_kernel": (3, 12), "bias": (12,)}
    assert {name: array.shape for name, array in stored.items()} == {
        "embedding/embeddings": (20, 4),
        **{f"bidirectional/forward_lstm/lstm_cell/{name}": cell[name] for name in cell},
        **{f"bidirectional/lstm/lstm_cell/{name}": cell[name] for name in cell},
        "ask/kernel": (6, 6),
        "ask/bias": (6,),
    }
    np.testing.assert_array_equal(stored["ask/kernel"], np.eye(6))


def test_names_are_numbered_within_the_model(tmp_path):
    """Layers of one kind are told apart, in their order."""
    write_weights(tmp_path / "weights", encoders.gru(SPEC))
    names = safetensors.numpy.load_file(tmp_path / "weights")
    assert {name.split("/")[0] for name in names} == {"embedding", "gru", "gru_1"}


def test_what_does_not_fit_is_refused_by_name(tmp_path):
    """Another model's, another size's; and no weight has changed."""
    model = encoders.gru(SPEC)
    before = arrays(model)

    def refused(stored, message):
        safetensors.numpy.save_file(stored, tmp_path / "weights")
        with pytest.raises(WeightsError, match=message):
            read_weights(tmp_path / "weights", model)
        for was, now in zip(before, arrays(model), strict=True):
            np.testing.assert_array_equal(was, now)

    write_weights(tmp_path / "right", model)
    right = safetensors.numpy.load_file(tmp_path / "right")
    right = {name: array + 1 for name, array in right.items()}
    lacking = {name: array for name, array in right.items() if name != "gru/gru_cell/bias"}
    refused(lacking, "it lacks gru/gru_cell/bias, and has besides: nothing")
    refused({**right, "new": np.ones(1)}, "it lacks nothing, and has besides: new")
    last = "gru_1/gru_cell/kernel"
    refused({**right, last: np.ones((8, 3), "float32")}, rf"{last} must be float32 \(8, 24\), is")
    refused({**right, last: right[last].astype("float64")}, f"{last} must be float32 .* is float64")


def test_a_damaged_file_is_refused(tmp_path):
    """Cut off, no such file, or none of the kind."""
    model = encoders.cnn(SPEC)
    write_weights(tmp_path / "cut", model)
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-1])
    (tmp_path / "text").write_text("no weights")
    for name, message in (("cut", "or damaged"), ("text", "or damaged"), ("none", "can't be read")):
        with pytest.raises(WeightsError, match=f"{name}: .*{message}"):
            read_weights(tmp_path / name, model)


def test_layers_of_one_name_are_refused(tmp_path):
    """Two weights can't be told apart then."""
    inputs = keras.Input((2,))
    inner = keras.Model(inputs, keras.layers.Dense(2, name="same")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="same")(inner(inputs)))
    with pytest.raises(WeightsError, match="two weights of .* are named same/kernel"):
        write_weights(tmp_path / "weights", model)


def test_half_precision_is_kept(tmp_path):
    """bfloat16 comes back bit by bit, and isn't put into a float32 model."""
    inputs = keras.Input((2,))
    half, other = (keras.layers.Dense(3, dtype="bfloat16") for _ in range(2))
    first, second = keras.Model(inputs, half(inputs)), keras.Model(inputs, other(inputs))
    write_weights(tmp_path / "weights", first)
    read_weights(tmp_path / "weights", second)
    assert keras.ops.all(half.kernel == other.kernel)
    full = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(WeightsError, match="must be float32 .* is bfloat16"):
        read_weights(tmp_path / "weights", full)


JOB = """
import json, sys
import keras
import numpy as np
from losslayer.saving import read_weights, write_weights
from tests.saving import encoders

folder, own, others, spec = json.loads(sys.argv[1])
model = encoders.faq(spec)
if own:
    for weight in model.weights:
        weight.assign(0.5 * keras.random.normal(weight.shape))
    write_weights(f"{folder}/{own}", model)
ids = np.array([[5, 2, 7, 0], [1, 19, 3, 4]], "int32")
found = []
for other in others:
    read_weights(f"{folder}/{other}", model)
    found.append(keras.ops.convert_to_numpy(model(ids)).tolist())
print(json.dumps(found))
"""


@pytest.mark.slow
def test_any_engine_reads_what_any_wrote(tmp_path):
    """Nine pairs of engines: the vectors of three stored encoders are the same on all."""

    def run(engine, own, others):
        environment = {**os.environ, "KERAS_BACKEND": engine}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
        order = json.dumps([str(tmp_path), own, others, SPEC])
        done = subprocess.run(
            [sys.executable, "-c", JOB, order], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return np.array(json.loads(done.stdout.splitlines()[-1]))

    engines = ["jax", "torch", "tensorflow"]
    for engine in engines:
        run(engine, engine, [])
    jax, *rest = (run(engine, "", engines) for engine in engines)
    assert jax.shape == (3, 2, 6)
    assert np.ptp(jax, axis=0).min() > 1e-3  # three encoders, not one
    for other in rest:
        np.testing.assert_allclose(other, jax, atol=1e-6)
