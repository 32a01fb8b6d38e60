"""An exported encoder, written by hand here, as the service uses it."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from losslayer_serve.encoder import Encoder
from losslayer_serve.errors import ArgumentError, FolderError
from losslayer_serve.folder import new_model_folder
from losslayer_serve.tokenizer import Tokenizer

TEXTS = ["Where is my card?", "我的卡在哪里？", "top up my account", "?"]
LONGEST = 20
DIM = 5


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS * 2, 60)


@pytest.fixture(scope="module")
def table(tokenizer):
    """An embedding whose padding is zeros, so the sum over time leaves it out."""
    values = np.random.default_rng(0).normal(size=(tokenizer.vocabulary_size, DIM))
    values[0] = 0
    return values.astype("float32")


def sum_of_embeddings(table, input_type=TensorProto.INT32, time="time"):
    """`(batch, time)` to the sum of the rows of `table`."""
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axis"], ["vectors"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info("tokens", input_type, ["batch", time])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", table.shape[1]])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def write(path, tokenizer, model, weights=b"", longest=LONGEST, notes=""):
    with new_model_folder(path, {"kind": "faq", "encoder": {"longest": longest}}) as folder:
        tokenizer.save(folder / "tokenizer.json")
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "notes.txt").write_text(notes)
        if model is not None:
            content = model if isinstance(model, bytes) else model.SerializeToString()
            (folder / "question.onnx").write_bytes(content)
    return path


@pytest.fixture(scope="module")
def encoder(tokenizer, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "model"
    return Encoder(write(path, tokenizer, sum_of_embeddings(table)))


def expected(ids, table):
    vector = table[ids].astype("float64").sum(axis=0)
    return vector / np.linalg.norm(vector)


def test_vectors_are_those_of_each_text(encoder, tokenizer, table):
    """Of unit length, in the order of the texts, however many and however long."""
    generator = np.random.default_rng(1)
    texts = [" ".join(generator.choice(TEXTS, generator.integers(1, 4))) for _ in range(600)]
    vectors = encoder(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (600, encoder.dim) == (600, DIM)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    oracle = [expected(tokenizer([text])[0][:LONGEST], table) for text in texts]
    np.testing.assert_allclose(vectors, oracle, atol=1e-6)
    assert encoder([]).shape == (0, DIM)


def test_a_long_text_is_cut(encoder, tokenizer, table):
    """Only its first tokens are read."""
    text = " ".join(TEXTS * 1000)
    [ids] = tokenizer([text])
    assert len(ids) > LONGEST
    np.testing.assert_allclose(encoder([text])[0], expected(ids[:LONGEST], table), atol=1e-6)


def test_a_text_alone_has_no_padding(encoder, tokenizer, monkeypatch):
    """Nothing is compiled for its length, and every step takes time."""
    shapes, encode = [], encoder._encode
    monkeypatch.setattr(
        encoder, "_encode", lambda tokens: shapes.append(tokens.shape) or encode(tokens)
    )
    encoder([TEXTS[0]])
    assert shapes == [(1, len(tokenizer([TEXTS[0]])[0]))]


@pytest.mark.parametrize("text", ["", "   \n"])
def test_a_text_without_tokens_is_unknown(encoder, tokenizer, table, text):
    """Its vector is of unit length too."""
    assert tokenizer([text]) == [[Tokenizer.unknown]]
    np.testing.assert_allclose(encoder([text])[0], expected([Tokenizer.unknown], table), atol=1e-6)


@pytest.mark.parametrize("texts", ["a text", ["a", None], [b"a"], ["\ud83d"]])
def test_only_texts_are_taken(encoder, texts):
    """No single text, no bytes, no half of an emoji."""
    with pytest.raises(ArgumentError, match="Encoder: `texts` must be a list of texts"):
        encoder(texts)


def test_answers_may_be_longer(tokenizer, table, tmp_path):
    """Of an answer, other tokens count if the spec says so; without a word, as many."""
    text, model = "card account " * 20, sum_of_embeddings(table)
    vectors = []
    for encoder in ({"longest": 2}, {"longest": 2, "longest_answer": 5}):
        with new_model_folder(tmp_path / "m", {"kind": "faq", "encoder": encoder}) as folder:
            tokenizer.save(folder / "tokenizer.json")
            (folder / "weights.safetensors").write_bytes(b"")
            for side in ("question", "answer"):
                (folder / f"{side}.onnx").write_bytes(model.SerializeToString())
        ids = tokenizer([text])[0]
        for side in ("question", "answer"):
            longest = encoder.get(f"longest_{side}", 2)
            expected = table[ids[:longest]].sum(axis=0)
            found = Encoder(tmp_path / "m", side)([text])[0]
            np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-5)
            vectors.append(found)
    assert not np.allclose(vectors[2], vectors[3])


def test_the_fingerprint_is_that_of_weights_and_tokenizer(tokenizer, table, tmp_path):
    """Other weights, another tokeniser or another encoder in the spec; nothing else."""
    model = sum_of_embeddings(table)

    def fingerprint(**changed):
        given = {"tokenizer": tokenizer, "model": model, **changed}
        return Encoder(write(tmp_path / "model", **given)).fingerprint

    first = fingerprint()
    assert len(bytes.fromhex(first)) == 32
    assert fingerprint(notes="other") == first
    others = {
        fingerprint(weights=b"1"),
        fingerprint(tokenizer=Tokenizer.train(TEXTS * 2, 50)),
        fingerprint(longest=LONGEST + 1),
    }
    assert len(others | {first}) == 4


def test_what_cannot_be_used_is_refused(tokenizer, table, tmp_path):
    """When the service starts, and not when somebody asks."""

    def refused(message, **changed):
        given = {"tokenizer": tokenizer, "model": sum_of_embeddings(table), **changed}
        with pytest.raises(FolderError, match=message):
            Encoder(write(tmp_path / "model", **given))

    refused(r"holds no question\.onnx\. Run: losslayer faq export", model=None)
    refused(r"question\.onnx: can't be read", model=b"no onnx")
    wide = sum_of_embeddings(table, TensorProto.INT64)
    refused(r"question\.onnx: must turn int32 \(batch, time\) into", model=wide)
    refused(r"question\.onnx: must turn int32", model=sum_of_embeddings(table, time=16))
    refused("question.onnx can't read token", model=sum_of_embeddings(table[:-1]))
    for longest in (0, None, True, "64"):
        refused("`encoder.longest` must be a positive integer", longest=longest)
    folder = write(tmp_path / "model", tokenizer, sum_of_embeddings(table))
    with pytest.raises(FolderError, match=r"holds no answer\.onnx"):
        Encoder(folder, side="answer")


def test_a_tokenizer_of_another_form_is_refused(table, tmp_path):
    """Whatever the library says about it."""
    path = tmp_path / "model"
    with new_model_folder(path, {"kind": "faq", "encoder": {"longest": 1}}) as folder:
        (folder / "tokenizer.json").write_text(json.dumps({"model": 1}))
        onnx.save(sum_of_embeddings(table), folder / "question.onnx")
    with pytest.raises(FolderError, match=r"tokenizer\.json: can't be read"):
        Encoder(path)


def test_an_encoder_reads_no_file_outside(tokenizer, table, tmp_path):
    """ONNX may keep numbers in other files; ones outside the folder are left alone."""
    model = sum_of_embeddings(table)
    [stored] = [tensor for tensor in model.graph.initializer if tensor.name == "table"]
    (tmp_path / "secret").write_bytes(stored.raw_data)
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="../secret")
    with pytest.raises(FolderError, match=r"question\.onnx: can't be read"):
        Encoder(write(tmp_path / "model", tokenizer, model))
