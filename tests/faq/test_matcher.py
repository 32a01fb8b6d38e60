"""The matcher as its users see it: train, ask, evaluate, save, load."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import losslayer as ll
from losslayer.faq import Matcher, read_examples, read_faq
from losslayer_serve.errors import FolderError
from losslayer_serve.index import DamagedIndexError, OtherModelError

FILES = [
    "curves.png",
    "history.json",
    "losslayer-manifest.json",
    "metrics.json",
    "spec.json",
    "tokenizer.json",
    "weights.safetensors",
]

FAQ = """question\tanswer
Where is my card?\tIt comes by mail within five days.
How do I add money?\tChoose top up, then the amount.
Which rate do I get?\tThat of the day on which you exchange.
I lost my phone\tLock the account from another device.
"""


def test_it_learns(trained, test_table, small):
    """It beats chance by far on questions that it has not seen, and has noted each epoch."""
    unseen = read_examples(test_table, entries=trained.entries)
    measured = trained.evaluate(unseen)
    assert measured["accuracy@1"] >= 0.75
    assert measured["recall@5"] == 1.0
    assert set(trained.history) == {"loss", "in_batch", "in_order", "drift", "seconds"}
    assert {len(values) for values in trained.history.values()} == {small.epochs}
    assert trained.history["in_batch"] == trained.history["loss"]
    assert trained.history["in_order"][-1] > 0.9


def test_what_is_loaded_answers_as_what_was_saved(trained, test_table, tmp_path):
    """Scores, measures, settings and history are the same after a round trip."""
    unseen = read_examples(test_table, entries=trained.entries)
    measured = {"this model": trained.evaluate(unseen)}
    dataclasses.replace(trained, metrics=measured).save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved" / "model").iterdir()) == FILES
    assert (tmp_path / "saved" / "model" / "curves.png").read_bytes().startswith(b"\x89PNG")
    loaded = Matcher.load(tmp_path / "saved")
    np.testing.assert_allclose(
        loaded.scores(unseen.questions), trained.scores(unseen.questions), rtol=1e-5, atol=1e-6
    )
    assert loaded.metrics == measured
    assert loaded.settings == trained.settings
    assert loaded.history == trained.history


def test_answers_are_sorted_cosines(trained):
    """Best first, at most `top`, each with id, title and a cosine; the order of asking is kept."""
    [first, second] = trained.ask(["does my phone miss?", "a much longer question on my card"], 3)
    for answers in (first, second):
        scores = [answer.score for answer in answers]
        assert scores == sorted(scores, reverse=True)
        assert all(-1.001 <= score <= 1.001 for score in scores)
        assert len(answers) == 3
    assert first[0].title == first[0].id.replace("_", " ")
    assert trained.ask(["does my phone miss?"], 3)[0][0].id == first[0].id
    assert len(trained.ask(["x"], top=99)[0]) == len(trained.entries)
    assert trained.ask([]) == []


def test_a_text_is_no_list_of_texts(trained):
    """`ask("...")` would be asked letter by letter."""
    with pytest.raises(TypeError, match="must be a list"):
        trained.ask("where is my card?")


def test_entries_must_agree(trained, test_table):
    """Questions numbered by other entries can't be measured."""
    with pytest.raises(ValueError, match="must have the matcher's entries"):
        trained.evaluate(read_examples(test_table, entry="question"))


def test_the_same_seed_gives_the_same_matcher(table, small):
    """Nothing random is left open; progress is reported once an epoch."""
    known, lines = read_examples(table), []
    settings = dataclasses.replace(small, epochs=3)
    first, second = (Matcher.train(known, settings, report=lines.append) for _ in range(2))
    np.testing.assert_allclose(first.vectors, second.vectors, rtol=1e-4, atol=1e-4)
    assert len(lines) == 2 * 3


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(table, small, tmp_path):
    """Ctrl-C keeps what was learned; the same call goes on and ends as if it had not been."""
    known = read_examples(table)
    settings = dataclasses.replace(small, epochs=4, batch_size=8)
    whole = Matcher.train(known, settings, resume=tmp_path / "whole")
    stopped = Matcher.train(
        known,
        settings,
        report=lambda line: os.kill(os.getpid(), signal.SIGINT) if " 3/4 " in line else None,
        resume=tmp_path / "parts",
    )
    assert stopped.interrupted
    assert len(stopped.history["in_batch"]) == 3
    assert len(stopped.ask(["card"], 2)[0]) == 2
    lines = []
    again = Matcher.train(known, settings, report=lines.append, resume=tmp_path / "parts")
    assert len(lines) == 1
    assert not again.interrupted
    for name in ("loss", "in_batch", "in_order"):
        assert again.history[name] == whole.history[name]
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    other = dataclasses.replace(settings, margin=0.3)
    with pytest.raises(ll.ResumeError, match="same.settings.margin: 0.2 then, 0.3 now"):
        Matcher.train(known, other, resume=tmp_path / "parts")
    fewer = dataclasses.replace(known, questions=known.questions[::-1])
    with pytest.raises(ll.ResumeError, match="same.examples"):
        Matcher.train(fewer, settings, resume=tmp_path / "parts")


def test_damaged_folders_are_errors_in_a_line(trained, tmp_path):
    """What can't be loaded says which file, and why."""
    with pytest.raises(FolderError, match="no matcher is saved there"):
        Matcher.load(tmp_path)
    folder = tmp_path / "saved"
    trained.save(folder)
    for name, error in (
        ("model/weights.safetensors", FolderError),
        ("model/spec.json", FolderError),
        ("index/index.json", DamagedIndexError),
        ("index/shards/00000001-000.npy", DamagedIndexError),
    ):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        with pytest.raises(error, match=path.name):
            Matcher.load(folder)
        path.write_bytes(whole)
    Matcher.load(folder)


def test_an_index_of_another_matcher_is_refused(trained, tmp_path):
    """Vectors are only compared with those of the same weights."""
    trained.save(tmp_path / "one")
    weights = trained.question_encoder.get_weights()
    trained.question_encoder.set_weights([2 * weight for weight in weights])
    try:
        trained.save(tmp_path / "other")
    finally:
        trained.question_encoder.set_weights(weights)
    shutil.rmtree(tmp_path / "one" / "index")
    shutil.copytree(tmp_path / "other" / "index", tmp_path / "one" / "index")
    with pytest.raises(OtherModelError, match="another encoder"):
        Matcher.load(tmp_path / "one")


def test_answers_come_back(small, tmp_path):
    """Of an FAQ: entries are found by their answers, and these are kept."""
    (tmp_path / "faq.tsv").write_text(FAQ)
    known = read_faq(tmp_path / "faq.tsv")
    matcher = Matcher.train(known, small)
    matcher.save(tmp_path / "saved")
    loaded = Matcher.load(tmp_path / "saved")
    assert [entry.answer for entry in loaded.entries] == [entry.answer for entry in known.entries]
    assert loaded.evaluate(known) == matcher.evaluate(known)
    assert loaded.evaluate(known)["accuracy@1"] == 1.0
    [[found]] = loaded.ask(["Where is my card?"], top=1)
    assert found.answer == "It comes by mail within five days."


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_exported_and_served_it_answers_the_same(table, small, encoder, tmp_path):
    """ONNX Runtime and the index give the scores that the matcher gives, in another process."""
    settings = dataclasses.replace(small, encoder=encoder, epochs=2)
    matcher = Matcher.train(read_examples(table), settings)
    matcher.save(tmp_path / "m")
    parities = Matcher.export(tmp_path / "m")
    assert set(parities) == {"question", "answer"}
    assert max(parity.difference for parity in parities.values()) <= 1e-5
    questions = ["does my phone miss?", "a card, a card", "?"]
    script = f"""
import json, sys
from losslayer_serve.encoder import Encoder
from losslayer_serve.index import Index
from losslayer_serve.searcher import Searcher
encoder = Encoder({str(tmp_path / "m" / "model")!r})
index = Index.open({str(tmp_path / "m" / "index")!r}, encoder.fingerprint)
hits = Searcher(encoder, index).ask({questions!r}, 3)
assert not {{"keras", "jax", "torch", "tensorflow", "losslayer"}} & set(sys.modules)
print(json.dumps([[(hit.id, hit.score) for hit in found] for found in hits]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = Matcher.load(tmp_path / "m").ask(questions, 3)
    for found, answers in zip(json.loads(done.stdout), expected, strict=True):
        assert [id for id, _ in found] == [answer.id for answer in answers]
        scores = [answer.score for answer in answers]
        assert [score for _, score in found] == pytest.approx(scores, abs=1e-5)


def test_saving_over_something_else_is_refused(trained, tmp_path):
    """A folder that isn't a matcher stays as it is; a matcher is replaced."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(FolderError, match="nothing was changed"):
        trained.save(tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"
    trained.save(tmp_path / "saved")
    trained.save(tmp_path / "saved")
    (tmp_path / "saved" / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"holds notes\.txt besides, which would be lost"):
        trained.save(tmp_path / "saved")
    (tmp_path / "saved" / "notes.txt").unlink()
    assert sorted(path.name for path in (tmp_path / "saved" / "model").iterdir()) == FILES
