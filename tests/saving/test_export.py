"""Encoders as ONNX: the same vectors at every length, or no file."""

import sys

import keras
import numpy as np
import onnxruntime
import pytest

from losslayer.faq.encoders import ENCODERS
from losslayer.faq.vectors import unit_vectors
from losslayer.saving import ExportError, export_encoder, golden_ids, graphs, write_weights
from losslayer_serve.encoder import Encoder
from losslayer_serve.folder import new_model_folder
from losslayer_serve.tokenizer import Tokenizer
from tests.saving import encoders

SPEC = {"vocabulary_size": 50, "units": 8, "settings": {"embedding_dim": 8, "units": 6}}
GOLDEN = golden_ids(50, 24)
BERT = {"dim": 8, "layers": 2, "heads": 2, "feedforward": 12, "longest": 64, "epsilon": 1e-12}
OTHERS = {  # than those of the FAQ application
    "gru": encoders.gru,
    "two convolutions": encoders.cnn,
    "two blocks": encoders.transformer,
}


def relu(spec):
    """The convolutions with another activation, which no weight tells."""
    return encoders.cnn({**spec, "activation": "relu"})


def broken(spec):
    """The convolutions, trained until nothing was a number."""
    model = encoders.cnn(spec)
    model.weights[-1].assign(np.full(model.weights[-1].shape, np.nan, "float32"))
    return model


@pytest.mark.parametrize("longest", [1, 2, 5, 64])
def test_golden_texts_have_many_lengths(longest):
    """From one token to the longest, padding only behind, the first text without any."""
    batches = golden_ids(50, longest)
    assert {ids.shape[1] for ids in batches} >= {1, longest}
    for ids in batches:
        assert ids.dtype == np.int32
        assert ids.max() < 50
        lengths = (ids != 0).sum(axis=1)
        assert lengths.min() >= 1
        assert lengths[0] == ids.shape[1]
        assert not ids[np.arange(ids.shape[1]) >= lengths[:, None]].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*ENCODERS, "bert", *OTHERS])
def test_the_exported_encoder_gives_the_same_vectors(tmp_path, kind):
    """At lengths and batch sizes that the export has not seen; padding changes nothing."""
    settings = {**SPEC["settings"], "units": 8, "encoder": kind, "bert": BERT}
    spec = {**SPEC, "settings": settings}
    build = OTHERS.get(kind, encoders.faq)
    model = build(spec)
    for weight in model.weights:  # not the first ones: a bias that is lost would be zero
        weight.assign(weight + 0.2 * keras.random.normal(weight.shape))
    path = tmp_path / "encoder.onnx"
    parity = export_encoder(path, model, build, spec, GOLDEN)
    assert 0 <= parity.difference <= 1e-5
    assert 0 <= parity.padding <= 1e-5
    assert parity.times == (1, 5, 12, 24)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    session = onnxruntime.InferenceSession(path)
    [tokens], [vectors] = session.get_inputs(), session.get_outputs()
    assert tokens.shape == ["batch", "time"]
    assert vectors.shape == ["batch", model.output.shape[-1]]
    ids = np.random.default_rng(1).integers(1, 50, (7, 40), "int32")
    [found] = session.run(None, {tokens.name: ids})
    expected = keras.ops.convert_to_numpy(model(ids))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    [padded] = session.run(None, {tokens.name: np.pad(ids, ((0, 2), (0, 9)))})
    np.testing.assert_allclose(padded[:7], found, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "build", "message"),
    [
        (encoders.unmasked, encoders.unmasked, "padding changes the vectors .* Give it a mask"),
        (encoders.constant, encoders.constant, "constants .* must be NumPy arrays"),
        (encoders.gru, encoders.cnn, "encoders:cnn: can't be exported .* isn't of this model"),
        (relu, encoders.cnn, "not written, the exported encoder gives other vectors"),
        (broken, encoders.cnn, "not written, .* they differ by nan"),
    ],
)
def test_what_cannot_be_served_is_not_written(tmp_path, encoder, build, message):
    """And an earlier file stays."""
    (tmp_path / "encoder.onnx").write_text("earlier")
    with pytest.raises(ExportError, match=message):
        export_encoder(tmp_path / "encoder.onnx", encoder(SPEC), build, SPEC, GOLDEN)
    assert [file.name for file in tmp_path.iterdir()] == ["encoder.onnx"]
    assert (tmp_path / "encoder.onnx").read_text() == "earlier"


@pytest.mark.slow
def test_a_served_model_gives_the_vectors_of_keras(tmp_path):
    """From the folder on: texts of any length through the service's encoder and through Keras."""
    model, texts = encoders.faq(SPEC), ["where is my card", "卡", "a card? " * 30, "top up"] * 20
    tokenizer = Tokenizer.train(texts, SPEC["vocabulary_size"])
    spec = {"kind": "faq", "encoder": {**SPEC, "longest": 24}}
    with new_model_folder(tmp_path / "model", spec) as folder:
        tokenizer.save(folder / "tokenizer.json")
        write_weights(folder / "weights.safetensors", model)
        export_encoder(folder / "question.onnx", model, encoders.faq, spec["encoder"], GOLDEN)
    expected = unit_vectors(model, tokenizer(texts), 24)
    np.testing.assert_allclose(Encoder(tmp_path / "model")(texts), expected, atol=1e-6)


def test_what_another_process_cannot_build_is_refused(tmp_path, monkeypatch):
    """It needs a name to import it by; and no golden text proves nothing."""
    model, path = encoders.cnn(SPEC), tmp_path / "encoder.onnx"
    with pytest.raises(ExportError, match="`build` must be a function of a module"):
        export_encoder(path, model, lambda spec: model, SPEC, GOLDEN)
    with pytest.raises(ExportError, match="`golden` must have a batch"):
        export_encoder(path, model, encoders.cnn, SPEC, [])
    monkeypatch.setattr(relu, "__module__", "__main__")
    with pytest.raises(ExportError, match="`build` must be a function of a module"):
        export_encoder(path, model, relu, SPEC, GOLDEN)


@pytest.mark.parametrize("package", ["tensorflow", "tf2onnx", "onnx", "onnxruntime"])
def test_a_missing_package_is_named(tmp_path, monkeypatch, package):
    """With the extra that has it."""
    model = encoders.cnn(SPEC)
    for needed in graphs.NEEDED:  # which of the others are there doesn't matter
        monkeypatch.setitem(sys.modules, needed, None if needed == package else sys)
    with pytest.raises(ExportError, match=rf'`{package}` is not .* "losslayer\[onnx\]"'):
        export_encoder(tmp_path / "a.onnx", model, encoders.cnn, SPEC, GOLDEN)
