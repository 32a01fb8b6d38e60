"""A pretrained BERT as the encoder: the vectors of the paper's formulas, tuned and saved."""

import dataclasses
import json
import math
import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy
import tokenizers

import losslayer as ll
from losslayer import cli
from losslayer.faq import Entry, Examples, Matcher, Settings, bert
from losslayer.saving import WeightsError
from losslayer.text import Tokenizer

WORDS = ["my", "card", "is", "lost", "where", "can", "i", "find", "it", "top", "up", "by", "cheque"]
KINDS = ("word", "position", "token_type")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LAYERS, HEADS, DIM, WIDE, PLACES, EPSILON = 2, 2, 8, 12, 64, 1e-12
TOKENS = np.array([[2, 5, 6, 7, 3], [2, 9, 3, 0, 0], [2, 4, 4, 3, 0]], "int32")
SETTINGS = Settings(epochs=1, batch_size=4, longest=16, word_dropout=0.0)


def random_weights():
    """The arrays of a BERT as Hugging Face's library names them; a kernel is `(output, input)`."""
    rng = np.random.default_rng(0)

    def linear(name, rows, columns):
        return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}

    def norm(name):
        return {f"{name}.weight": (DIM,), f"{name}.bias": (DIM,)}

    shapes = {
        "embeddings.word_embeddings.weight": (len(SPECIAL + WORDS), DIM),
        "embeddings.position_embeddings.weight": (PLACES, DIM),
        "embeddings.token_type_embeddings.weight": (2, DIM),
        **norm("embeddings.LayerNorm"),
        **linear("pooler.dense", DIM, DIM),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= linear(f"{layer}.attention.{part}", DIM, DIM)
        shapes |= norm(f"{layer}.attention.output.LayerNorm")
        shapes |= linear(f"{layer}.intermediate.dense", WIDE, DIM)
        shapes |= linear(f"{layer}.output.dense", DIM, WIDE) | norm(f"{layer}.output.LayerNorm")
    return {name: rng.normal(0, 0.5, shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small BERT with random weights, in the files of Hugging Face's library."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = {
        "model_type": "bert",
        "vocab_size": len(SPECIAL + WORDS),
        "hidden_size": DIM,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": WIDE,
        "max_position_embeddings": PLACES,
        "layer_norm_eps": EPSILON,
        "hidden_act": "gelu",
    }
    (folder / bert.CONFIG).write_text(json.dumps(config))
    safetensors.numpy.save_file(random_weights(), folder / bert.WEIGHTS, {"format": "pt"})
    vocabulary = {word: place for place, word in enumerate(SPECIAL + WORDS)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, "[UNK]"))
    inner.normalizer = tokenizers.normalizers.BertNormalizer()
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    inner.enable_padding(length=18)
    inner.save(str(folder / bert.TOKENIZER))
    return folder


def vector(ids, weights):
    """The mean over the tokens of one text, by the formulas of the paper, in float64."""
    erf = np.vectorize(math.erf)

    def linear(name, values):
        return values @ weights[f"{name}.weight"].T.astype("float64") + weights[f"{name}.bias"]

    def norm(name, values):
        centred = values - values.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    words, places, types = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in KINDS)
    values = norm("embeddings.LayerNorm", words[ids] + places[: len(ids)] + types[0])
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            np.split(linear(f"{layer}.attention.self.{part}", values), HEADS, axis=-1)
            for part in ("query", "key", "value")
        )
        heads = []
        for head in range(HEADS):
            scores = np.exp(query[head] @ key[head].T / math.sqrt(DIM // HEADS))
            heads.append(scores / scores.sum(-1, keepdims=True) @ value[head])
        attended = linear(f"{layer}.attention.output.dense", np.concatenate(heads, -1))
        values = norm(f"{layer}.attention.output.LayerNorm", values + attended)
        wide = linear(f"{layer}.intermediate.dense", values)
        wide = wide * (1 + erf(wide / math.sqrt(2))) / 2
        values = norm(f"{layer}.output.LayerNorm", values + linear(f"{layer}.output.dense", wide))
    return values.mean(0)


def encoder_of(checkpoint):
    """Our network with the checkpoint's weights."""
    shape = bert.read_shape(checkpoint)
    settings = dataclasses.replace(SETTINGS, encoder="bert", bert=shape)
    encoder = bert.bert(shape["vocabulary_size"], settings)
    bert.read_checkpoint(checkpoint, encoder)
    return encoder


def test_the_vectors_against_numpy(checkpoint):
    """The mean over the tokens, for texts of several lengths in one batch."""
    expected = [vector(ids[ids > 0], random_weights()) for ids in TOKENS]
    found = encoder_of(checkpoint).predict(TOKENS, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_vectors_of_hugging_face(checkpoint):
    """The library that wrote the format reads the same numbers out of it."""
    torch = pytest.importorskip("torch", reason="Hugging Face's BERT runs on it")
    transformers = pytest.importorskip("transformers", reason="in the extra `peers`")
    mask = torch.tensor(TOKENS > 0)
    with torch.no_grad():
        model = transformers.BertModel.from_pretrained(checkpoint).eval()
        states = model(torch.tensor(TOKENS).long(), attention_mask=mask).last_hidden_state.numpy()
    expected = [row[: (ids > 0).sum()].mean(0) for row, ids in zip(states, TOKENS)]
    found = encoder_of(checkpoint).predict(TOKENS, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_trained_saved_and_read_without_the_checkpoint(checkpoint, tmp_path):
    """A saved matcher needs the checkpoint no more, and answers as before."""
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    entries = [Entry("a", "lost card"), Entry("b", "top up by cheque")]
    asked = ["where is my card", "can i top up", "my card is lost", "find my cheque"]
    examples = Examples(asked, np.array([0, 1, 0, 1]), entries)
    settings = dataclasses.replace(SETTINGS, encoder=f"pretrained:{copy}")
    matcher = Matcher.train(examples, settings)
    before = encoder_of(checkpoint).get_weights()
    after = matcher.question_encoder.get_layer("bert").get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(after, before)) > 1e-4  # it learns
    vectors = matcher.encode(asked)
    matcher.save(tmp_path / "model")
    shutil.rmtree(copy)
    again = Matcher.load(tmp_path / "model")
    np.testing.assert_allclose(again.encode(asked), vectors, atol=1e-6)
    assert again.settings.encoder == "bert"


def test_the_command_line_takes_a_checkpoint(checkpoint, tmp_path, capsys):
    """`train --encoder pretrained:PATH` trains it in its own way; a folder without one is told."""
    table, out = tmp_path / "table.csv", tmp_path / "model"
    table.write_text("question,entry\nwhere is my card,a\ntop up,b\nlost card,a\nby cheque,b\n")
    line = ["faq", "train", str(table), "--out", str(out), "--epochs", "1", "--encoder"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*line, f"pretrained:{tmp_path}"])
    assert ended.value.code == 2
    assert "no checkpoint is there (it holds no config.json)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        cli.main([*line, f"pretrained:{checkpoint}"])
    assert ended.value.code == 0
    settings = Matcher.load(out).settings
    assert (settings.encoder, settings.epochs, settings.word_dropout) == ("bert", 1, 0.0)
    assert (settings.batch_size, settings.negatives) == (128, "in-batch")
    with pytest.raises(SystemExit) as ended:
        cli.main([*line, f"pretrained:{checkpoint}", "--objective", "triplet", "--overwrite"])
    assert ended.value.code == 0
    assert Matcher.load(out).settings.negatives == Settings.negatives


def test_long_texts_keep_their_end(checkpoint):
    """A text that is cut off still ends with the token that marks the end."""
    tokenizer = Tokenizer.pretrained(checkpoint / bert.TOKENIZER, 5)
    assert tokenizer(["my card is lost where can i find it", "MY card", ""]) == [
        [2, 4, 5, 6, 3],
        [2, 4, 5, 3],
        [2, 3],
    ]


@pytest.mark.parametrize("name", [bert.CONFIG, bert.WEIGHTS, bert.TOKENIZER])
def test_a_checkpoint_without_a_file(checkpoint, tmp_path, name):
    """Said before anything is trained."""
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(bert.CheckpointError, match=f"holds no {name}"):
        bert.adopt(Settings(encoder=f"pretrained:{copy}"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "roberta"}, "model_type must be 'bert', is 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act must be 'gelu'"),
        ({"vocab_size": None}, None),
    ],
)
def test_another_kind_of_network(checkpoint, tmp_path, change, said):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / bert.CONFIG).read_text())
    config |= change
    config = {name: value for name, value in config.items() if value is not None}
    (copy / bert.CONFIG).write_text(json.dumps(config))
    with pytest.raises(bert.CheckpointError, match=said or "can't be read"):
        bert.read_shape(copy)


def test_fewer_places_than_asked(checkpoint):
    with pytest.raises(ll.ArgumentError, match="`longest` must be at most 64"):
        bert.adopt(Settings(encoder=f"pretrained:{checkpoint}", longest=65))


def test_broken_weights(checkpoint, tmp_path):
    """A cut file, and one of another size, are named."""
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    shape = bert.read_shape(copy)
    settings = dataclasses.replace(SETTINGS, encoder="bert", bert={**shape, "feedforward": 16})
    with pytest.raises(WeightsError, match="wide_of_0 must have"):
        bert.read_checkpoint(copy, bert.bert(shape["vocabulary_size"], settings))
    settings = dataclasses.replace(SETTINGS, encoder="bert", bert={**shape, "layers": LAYERS + 1})
    with pytest.raises(WeightsError, match=f"holds no encoder.layer.{LAYERS}"):
        bert.read_checkpoint(copy, bert.bert(shape["vocabulary_size"], settings))
    whole = (copy / bert.WEIGHTS).read_bytes()
    (copy / bert.WEIGHTS).write_bytes(whole[:-10])
    with pytest.raises(WeightsError, match="can't be read"):
        bert.read_checkpoint(copy, keras.Sequential())
