"""The matcher as its users see it: train, ask, evaluate, save, load."""

import dataclasses
import json
import os
import signal
import zipfile

import numpy as np
import pytest

import losslayer as ll
from losslayer.faq import Matcher, read_examples
from losslayer.text import FolderError

FILES = [
    "answer_encoder.keras",
    "curves.png",
    "history.json",
    "matcher.json",
    "metrics.json",
    "question_encoder.keras",
    "tokenizer.json",
    "vectors.npy",
]


def test_it_learns(trained, test_table, small):
    """It beats chance by far on questions that it has not seen, and has noted each epoch."""
    unseen = read_examples(test_table, entries=trained.entries)
    measured = trained.evaluate(unseen)
    assert measured["accuracy@1"] >= 0.75
    assert measured["recall@5"] == 1.0
    assert set(trained.history) == {"loss", "triplet", "in_order", "seconds"}
    assert {len(values) for values in trained.history.values()} == {small.epochs}
    assert trained.history["triplet"] == trained.history["loss"]
    assert trained.history["in_order"][-1] > 0.9


def test_what_is_loaded_answers_as_what_was_saved(trained, test_table, tmp_path):
    """Scores, measures, settings and history are the same after a round trip."""
    unseen = read_examples(test_table, entries=trained.entries)
    measured = {"this model": trained.evaluate(unseen)}
    dataclasses.replace(trained, metrics=measured).save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == FILES
    assert (tmp_path / "saved" / "curves.png").read_bytes().startswith(b"\x89PNG")
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
    assert len(stopped.history["triplet"]) == 3
    assert len(stopped.ask(["card"], 2)[0]) == 2
    lines = []
    again = Matcher.train(known, settings, report=lines.append, resume=tmp_path / "parts")
    assert len(lines) == 1
    assert not again.interrupted
    for name in ("loss", "triplet", "in_order"):
        assert again.history[name] == whole.history[name]
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    other = dataclasses.replace(settings, margin=0.3)
    with pytest.raises(ll.ResumeError, match="same.settings.margin: 0.2 then, 0.3 now"):
        Matcher.train(known, other, resume=tmp_path / "parts")
    fewer = dataclasses.replace(known, questions=known.questions[::-1])
    with pytest.raises(ll.ResumeError, match="same.examples"):
        Matcher.train(fewer, settings, resume=tmp_path / "parts")


def test_encoders_need_no_losslayer(trained, tmp_path):
    """The saved encoders are plain Keras: no class of ours is named in their files."""
    trained.save(tmp_path / "saved")
    for name in ("question_encoder.keras", "answer_encoder.keras"):
        with zipfile.ZipFile(tmp_path / "saved" / name) as archive:
            assert b"losslayer" not in archive.read("config.json")


def test_damaged_folders_are_errors_in_a_line(trained, tmp_path):
    """What can't be loaded says which folder, and why."""
    with pytest.raises(FolderError, match="no matcher is saved there"):
        Matcher.load(tmp_path)
    folder = tmp_path / "saved"
    trained.save(folder)
    vectors = np.load(folder / "vectors.npy")
    np.save(folder / "vectors.npy", vectors[1:])
    with pytest.raises(FolderError, match="3 vectors for 4 entries"):
        Matcher.load(folder)
    np.save(folder / "vectors.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(FolderError, match="can't be read"):
        Matcher.load(folder)
    content = json.loads((folder / "matcher.json").read_text("utf-8"))
    (folder / "matcher.json").write_text(json.dumps({**content, "format": 99}), "utf-8")
    with pytest.raises(FolderError, match="format 99"):
        Matcher.load(folder)


def test_saving_over_something_else_is_refused(trained, tmp_path):
    """A folder that isn't a matcher stays as it is; a matcher is replaced."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(FolderError, match="nothing was changed"):
        trained.save(tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"
    trained.save(tmp_path / "saved")
    trained.save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == FILES
