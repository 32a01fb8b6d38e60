"""A pretrained BERT as the encoder: the same vectors as Hugging Face's, tuned and saved."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tokenizers

import losslayer as ll
from losslayer import cli
from losslayer.faq import Entry, Examples, Matcher, Settings, bert
from losslayer.saving import WeightsError
from losslayer.text import Tokenizer

WORDS = ["my", "card", "is", "lost", "where", "can", "i", "find", "it", "top", "up", "by", "cheque"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LAYERS, DIM = 2, 8
SETTINGS = Settings(epochs=1, batch_size=4, longest=16, word_dropout=0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small BERT with random weights, written as Hugging Face's library writes it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch = pytest.importorskip("torch", reason="Hugging Face's BERT runs on it")
    transformers = pytest.importorskip("transformers", reason="in the extra `peers`")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    transformers.BertModel(config).save_pretrained(folder)
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


def encoder_of(checkpoint):
    """Our network with the checkpoint's weights."""
    shape = bert.read_shape(checkpoint)
    settings = dataclasses.replace(SETTINGS, encoder="bert", bert=shape)
    encoder = bert.bert(shape["vocabulary_size"], settings)
    bert.read_checkpoint(checkpoint, encoder)
    return encoder


def test_the_vectors_of_hugging_face(checkpoint):
    """The mean over the tokens, for texts of several lengths in one batch."""
    import torch
    import transformers

    tokens = np.array([[2, 5, 6, 7, 3], [2, 9, 3, 0, 0], [2, 4, 4, 3, 0]], "int32")
    mask = torch.tensor(tokens > 0)
    with torch.no_grad():
        model = transformers.BertModel.from_pretrained(checkpoint).eval()
        states = model(torch.tensor(tokens).long(), attention_mask=mask).last_hidden_state.numpy()
    expected = [row[: (ids > 0).sum()].mean(0) for row, ids in zip(states, tokens)]
    found = encoder_of(checkpoint).predict(tokens, verbose=0)
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
