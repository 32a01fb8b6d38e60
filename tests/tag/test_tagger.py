"""The tagger as its users see it: train, predict, evaluate, save, load."""

import dataclasses
import itertools
import json
import os
import re

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.tag import Sentence, Tagger
from losslayer.tag.batches import Batches, batches_of
from losslayer.tag.model import build
from losslayer.text import TableError
from losslayer_serve.errors import FolderError
from tests.tag.conftest import sentences, texts

FILES = [
    "curves.png",
    "history.json",
    "losslayer-manifest.json",
    "metrics.json",
    "spec.json",
    "vocabulary.json",
    "weights.safetensors",
]


def test_it_learns(trained):
    """Chunks of sentences that it has not seen; the history has each epoch."""
    assert trained.evaluate(sentences(50, 9))["f1"] > 0.95
    assert trained.scheme == "BIO"
    assert set(trained.history) == {"loss", "nll", "val_loss", "val_nll", "val_accuracy", "val_f1"}
    [tags] = trained.predict([["anna", "Meyer", "went", "to", "Rome"]])
    assert tags == ["B-person", "I-person", "O", "O", "B-place"]


@pytest.mark.slow
def test_it_learns_to_cut_text(small):
    """Words of text that it has not seen; a space is always a border."""
    tagger = Tagger.train(texts(300, 1), texts(40, 2), small, segment=True)
    assert tagger.scheme == "BMES"
    assert tagger.evaluate(texts(50, 9))["f1"] > 0.95
    assert tagger.segment(["我们喜欢北 京", ""]) == [["我们", "喜欢", "北", "京"], []]


def test_words_are_the_text(segmenter):
    """Whatever was learned, the words of a text join to it, and none goes across a space."""
    given = ["我们喜欢北 京", "图书馆的天气 very 很", "x", " ", "人" * 40]
    found = segmenter.segment(given)
    assert ["".join(words) for words in found] == ["".join(text.split()) for text in given]
    assert "北" in found[0][-2]
    assert found[0][-1] == "京"


def test_probabilities_are_those_of_all_sequences(trained):
    """Of every sequence of tags, weighed by the exponential of its score under the CRF."""
    given = ["anna", "Meyer", "went"]
    [found], [none] = trained.probabilities([given]), trained.probabilities([[]])
    assert none.shape == (0, len(trained.vocabulary.tags))

    network = keras.Model(trained.model.inputs, trained.model.get_layer("logits").output)
    [(_, x)] = batches_of(trained.vocabulary, [Sentence(given)], 512)
    logits = keras.ops.convert_to_numpy(network.predict_on_batch(x))[0, : len(given)]
    scores = trained.model.get_layer("crf").scores()
    transitions, start, end = (keras.ops.convert_to_numpy(score) for score in scores)
    expected = np.zeros_like(found, dtype="float64")
    for tags in itertools.product(range(logits.shape[1]), repeat=len(given)):
        score = start[tags[0]] + end[tags[-1]] + sum(logits[t, tag] for t, tag in enumerate(tags))
        score += sum(transitions[pair] for pair in itertools.pairwise(tags))
        for t, tag in enumerate(tags):
            expected[t, tag] += np.exp(np.float64(score))
    expected /= expected.sum(axis=1, keepdims=True)
    # The scores are sums in float32, of about 1e-7; the transitions matter far more than that.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    each_alone = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert np.abs(found - each_alone).max() > 0.1


def test_the_figures_of_training_are_those_of_evaluate(trained):
    """The best epoch's F1 in `fit` is what `evaluate` counts with the weights that were kept."""
    measured = trained.evaluate(sentences(40, 2))
    assert measured["f1"] == pytest.approx(max(trained.history["val_f1"]), abs=1e-6)
    best = np.argmax(trained.history["val_f1"])
    assert measured["accuracy"] == pytest.approx(trained.history["val_accuracy"][best], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "scheme"),
    [
        ({"encoder": "transformer", "learning_rate": 0.01}, "auto"),
        ({"loss": "token", "letters": 0}, "auto"),
        ({"loss": "token"}, "none"),
    ],
)
def test_other_models_learn(small, changes, scheme):
    """A transformer; a loss of each token; any tags."""
    settings = dataclasses.replace(small, **changes)
    tagger = Tagger.train(sentences(200, 1), sentences(40, 2), settings, scheme=scheme)
    measured = tagger.evaluate(sentences(50, 9))
    assert measured["f1"] > 0.9
    assert ("f1" in tagger.model.get_metrics_result()) == (scheme != "none")


def test_what_is_predicted_keeps_to_the_scheme(trained, small):
    """No `I` without its `B`, whatever the words, also for a model that has learned nothing."""
    rng = np.random.default_rng(0)
    words = ["Meyer", "went", "Wu", "to", "Oslo", "?"]
    given = [list(map(str, rng.choice(words, rng.integers(1, 40)))) for _ in range(60)]
    fresh = build(trained.vocabulary, small, "BIO")
    for tagger in (trained, dataclasses.replace(trained, model=fresh)):
        allowed = ll.losses.allowed_transitions(tagger.vocabulary.tags, "BIO")
        for tags in tagger.predict(given):
            for start in range(0, len(tags), small.longest):
                part = tags[start : start + small.longest]
                numbers = [*map(tagger.vocabulary.tags.index, part)]
                border = len(tagger.vocabulary.tags)
                steps = zip([border, *numbers], [*numbers, border])
                assert all(allowed[a][b] for a, b in steps)


def test_tags_do_not_depend_on_the_company(trained):
    """Alone, in a batch, in another order: the same tags; one for each token of any length."""
    given = [*sentences(30, 5), Sentence([]), Sentence(["anna", "went", "to"] * 20)]
    together = trained.predict(given)
    assert [len(tags) for tags in together] == [len(s.tokens) for s in given]
    assert [trained.predict([one])[0] for one in given[-5:]] == together[-5:]
    assert trained.predict(given[::-1]) == together[::-1]
    assert trained.predict([]) == []


def test_few_shapes(trained):
    """1,000 sentences: one shape for each power of two, all rows once."""
    given = sentences(1000, 3) + [Sentence(["anna"] * 40)]
    seen, shapes = [], set()
    for rows, x in batches_of(trained.vocabulary, given, 256):
        seen += rows
        shapes.add(x["word"].shape)
        assert x["letters"].shape[:2] == x["word"].shape
    assert sorted(seen) == list(range(1001))
    assert shapes == {(16, 16), (1, 64)}


def test_letters_of_a_batch(trained):
    """Each word's own letters, in the order of the batch; padding has none."""
    given = sentences(10, 4)
    data = Batches(trained.vocabulary, given, 256, seed=None)
    letters = ["", "?", *trained.vocabulary.letters]
    for batch in range(len(data)):
        (x,) = data[batch]
        for row, number in zip(x["letters"], data.rows(batch)):
            read = ["".join(letters[i] for i in word if i) for word in row]
            words = [*given[number].tokens]
            assert read == words + [""] * (len(read) - len(words))


def test_what_is_loaded_tags_as_what_was_saved(trained, segmenter, tmp_path):
    """Tags, history, metrics and settings are the same after a round trip."""
    for tagger, given in ((trained, sentences(20, 6)), (segmenter, texts(20, 6))):
        measured = {"test": tagger.evaluate(given)}
        dataclasses.replace(tagger, metrics=measured).save(tmp_path / "saved")
        files = FILES if tagger.history else [name for name in FILES if name != "curves.png"]
        assert sorted(os.listdir(tmp_path / "saved")) == files
        loaded = Tagger.load(tmp_path / "saved")
        assert loaded.predict(given) == tagger.predict(given)
        assert loaded.metrics == measured
        if tagger.history:
            assert (tmp_path / "saved" / "curves.png").read_bytes().startswith(b"\x89PNG")
        for name in ("settings", "history", "vocabulary", "scheme"):
            assert getattr(loaded, name) == getattr(tagger, name)


def test_damaged_folders(trained, tmp_path):
    """A file that was changed is named; so is a folder of something else."""
    trained.save(tmp_path / "m")
    path = tmp_path / "m" / "vocabulary.json"
    path.write_text(path.read_text().replace("rome", "roma"))
    with pytest.raises(FolderError, match=r"vocabulary.json: was changed"):
        Tagger.load(tmp_path / "m")
    with pytest.raises(FolderError, match="no model is saved there"):
        Tagger.load(tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FolderError, match="nothing was changed"):
        trained.save(tmp_path)


@pytest.mark.slow
def test_held_out(small):
    """Without development data a tenth is held out, and said; nothing of it is trained on."""
    said = []
    given = sentences(40, 1)
    marked = [Sentence([f"w{n}", *s.tokens], ["O", *s.tags]) for n, s in enumerate(given)]
    settings = dataclasses.replace(small, epochs=1)
    tagger = Tagger.train(marked, settings=settings, report=said.append)
    assert said[0] == "No development data: 4 of 40 sentences are held out for that."
    assert sum(f"w{n}" in tagger.vocabulary.views["word"] for n in range(40)) == 36
    assert said[1].startswith("epoch 1/1  nll")
    assert said[2:] == ["Kept: epoch 1 of 1."]
    with pytest.raises(ll.ArgumentError, match="two sentences at least"):
        Tagger.train(given[:1], settings=settings)


@pytest.mark.slow
def test_long_sentences_are_read_in_pieces(small):
    """Nothing is cut off, and it is said."""
    said = []
    long = Sentence(["anna", "went"] * 20, ["B-person", "O"] * 20)
    settings = dataclasses.replace(small, epochs=1)
    Tagger.train([*sentences(20, 1), long], sentences(5, 2), settings, report=said.append)
    assert said[0] == "1 sentences have more than 16 tokens and are read in pieces."


def test_long_sentences_are_counted_whole(trained):
    """Tags are predicted in pieces; each token and each chunk counts."""
    long = Sentence(["anna", "went"] * 20, ["B-person", "O"] * 20)
    measured = trained.evaluate([long])
    assert (measured["tokens"], measured["true"]) == (40, 20)


@pytest.mark.slow
def test_early_stopping_keeps_the_best(small):
    """Epochs without a better one end it; the weights are those of the best."""
    settings = dataclasses.replace(small, epochs=40, patience=2)
    tagger = Tagger.train(sentences(200, 1), sentences(40, 2), settings)
    f1 = tagger.history["val_f1"]
    best = f1.index(max(f1))
    assert len(f1) == best + 3
    assert tagger.evaluate(sentences(40, 2))["f1"] == pytest.approx(f1[best], abs=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_tagger(small):
    """And another seed another one."""
    settings = dataclasses.replace(small, epochs=2)
    one, same, other = (
        Tagger.train(sentences(60, 1), sentences(9, 2), dataclasses.replace(settings, seed=seed))
        for seed in (0, 0, 1)
    )
    assert one.history == same.history
    assert one.history != other.history


@pytest.mark.slow
def test_it_goes_on_where_it_was(small, tmp_path):
    """Interrupted in the third epoch, and called again: the history of one that wasn't."""
    settings = dataclasses.replace(small, epochs=4)
    data = sentences(200, 1), sentences(40, 2)
    whole = Tagger.train(*data, settings, resume=tmp_path / "whole")

    def interrupt(line):
        if line.startswith("epoch 2/4"):
            os.kill(os.getpid(), 2)

    first = Tagger.train(*data, settings, report=interrupt, resume=tmp_path / "state")
    assert first.interrupted
    assert len(first.history["nll"]) < 4
    again = Tagger.train(*data, settings, resume=tmp_path / "state")
    # On PyTorch with several threads the last bits of a sum differ from run to run.
    exact = {} if keras.backend.backend() == "torch" else {"rel": 0, "abs": 0}
    for name, values in whole.history.items():
        assert again.history[name] == pytest.approx(values, **exact)
    assert again.predict(sentences(20, 3)) == whole.predict(sentences(20, 3))
    with pytest.raises(ll.ResumeError, match="Received: another one"):
        Tagger.train(sentences(50, 7), data[1], settings, resume=tmp_path / "state")


def test_wrong_calls(trained, segmenter):
    """Texts for sentences, sentences for texts, tags that are missing or of another scheme."""
    for given in ("", "anna went", ["anna went"], [["anna", 1]], [None], None):
        for method in ("predict", "probabilities"):
            message = f"Tagger.{method}: `sentences` must be lists of tokens, which are texts. "
            with pytest.raises(TypeError, match=re.escape(f"{message}Received: {given!r}.")):
                getattr(trained, method)(given)
    with pytest.raises(ll.ArgumentError, match="must be called on a tagger of characters"):
        trained.segment(["anna"])
    with pytest.raises(TableError, match="a tag for each"):
        trained.evaluate([Sentence(["anna"])])
    with pytest.raises(TableError, match="the tag 'S-x' is not of the scheme BIO,"):
        trained.evaluate([Sentence(["anna"], ["S-x"])])
    assert trained.evaluate([Sentence(["anna"], ["B-new"])])["types"]["new"]["true"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "rnn"}, "`encoder` must be one of ('bilstm', 'transformer')"),
        ({"loss": "ctc"}, "`loss` must be one of ('crf', 'token')"),
        ({"dropout": 1.0}, "`dropout` must be a number >= 0 and < 1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a number > 0"),
        ({"epochs": 0}, "`epochs` must be a whole number >= 1"),
        ({"units": 1.5}, "`units` must be a whole number >= 1"),
        ({"tokens": 8}, "`tokens` must be a whole number >= 16"),
    ],
)
def test_settings_are_checked(small, change, message):
    with pytest.raises(ll.ArgumentError) as raised:
        dataclasses.replace(small, **change)
    assert message in str(raised.value)


def test_the_vocabulary_is_plain_json(trained, tmp_path):
    """Other programs can read it."""
    trained.save(tmp_path / "m")
    content = json.loads((tmp_path / "m" / "vocabulary.json").read_text(encoding="utf-8"))
    assert content["tags"] == ["B-person", "B-place", "I-person", "O"]
    assert "rome" in content["views"]["word"]
