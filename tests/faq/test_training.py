"""A whole training: the development split, early stopping, mining, and going on exactly."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.faq import Examples, Matcher, read_examples
from losslayer.faq.right import held_out
from losslayer.faq.together import Together

FIGURES = ("loss", "in_batch", "in_order", "drift", "dev_mrr", "dev_accuracy@1")


@pytest.fixture(scope="module")
def known(table):
    return read_examples(table)


@pytest.fixture(scope="module")
def dev(known, test_table):
    return read_examples(test_table, entries=known.entries)


@pytest.fixture(scope="module")
def small(small):
    """With the encoder that is compiled the fastest."""
    return dataclasses.replace(small, encoder="cnn")


class Weights(keras.callbacks.Callback):
    """Notes the weights at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.of = []

    def on_epoch_end(self, epoch, logs=None):
        self.of.append([np.array(w) for w in self.model.get_weights()])


def test_the_best_model_is_kept(known, dev, small):
    """By the MRR of the development split, and not a later one; the training ends early."""
    settings = dataclasses.replace(small, epochs=12, patience=2, learning_rate=0.05)
    settings = dataclasses.replace(settings, negatives="in-batch")
    lines, weights = [], Weights()
    matcher = Matcher.train(known, settings, lines.append, callbacks=[weights], dev=dev)
    mrr = matcher.history["dev_mrr"]
    best = int(np.argmax(mrr))
    assert len(mrr) == min(settings.epochs, best + 1 + settings.patience)
    assert matcher.evaluate(dev)["mrr"] == pytest.approx(mrr[best], abs=1e-6)
    measured = matcher.evaluate(dev)["accuracy@1"]
    assert measured == pytest.approx(matcher.history["dev_accuracy@1"][best], abs=1e-6)
    assert lines[-1] == f"The model of epoch {best + 1} is kept."
    assert f"development MRR {mrr[0]:.3f}" in lines[0]
    kept = {w.tobytes() for w in map(np.array, matcher.question_encoder.get_weights())}
    assert kept <= {w.tobytes() for w in weights.of[best]}
    assert best + 1 < len(mrr), "the last model is the best; this says nothing"
    assert not kept <= {w.tobytes() for w in weights.of[-1]}


@pytest.mark.slow
def test_a_question_counts_once_with_all_its_answers(known, dev, small):
    """The first right one decides: with all entries right, each question finds one at once."""
    entries = len(known.entries)
    questions = [question for question in dev.questions for _ in range(entries)]
    every = Examples(questions, np.tile(np.arange(entries), len(dev)), dev.entries)
    settings = dataclasses.replace(small, epochs=1)
    matcher = Matcher.train(known, settings, dev=every)
    assert matcher.history["dev_mrr"] == matcher.history["dev_accuracy@1"] == [1.0]


@pytest.mark.slow
def test_held_out_questions_choose(known, small):
    """A share of the questions; too few of them, and none are."""
    settings = dataclasses.replace(small, epochs=1, hold_out=0.2)
    lines = []
    assert "dev_mrr" not in Matcher.train(known, settings, lines.append).history
    assert lines[0] == "Too few questions to hold any out; the last model is kept."
    more = [f"{question} {n}" for n in range(5) for question in known.questions]
    examples = Examples(more, np.tile(known.right, 5), known.entries)
    matcher = Matcher.train(examples, settings, lines.append)
    rest, held = held_out(examples, 0.2, settings.seed)
    assert lines[2] == f"{len(held)} questions are held out; {len(rest)} are trained on."
    assert len(matcher.history["dev_mrr"]) == 1


def test_entries_of_the_development_split_must_agree(known, test_table, small):
    """Questions numbered by other entries choose nothing."""
    with pytest.raises(ValueError, match=r"Matcher.train: `dev` must have the matcher's entries"):
        Matcher.train(known, small, dev=read_examples(test_table, entry="question"))


@pytest.mark.parametrize(
    ("negatives", "mined"),
    [
        pytest.param("random", [], marks=pytest.mark.slow),
        pytest.param("mined", [1], marks=pytest.mark.slow),
        ("refresh:2", [1, 3]),
    ],
)
def test_when_wrong_titles_are_mined(known, small, negatives, mined):
    """After the random epochs once, or again every K epochs; drift compares with those before."""
    settings = dataclasses.replace(
        small, negatives=negatives, random_epochs=1, epochs=5, nearest=1, learning_rate=0.1
    )
    assert [epoch for epoch in range(5) if settings.mines(epoch)] == mined
    lines = []
    history = Matcher.train(known, settings, lines.append).history
    assert ["nearest" in line for line in lines] == [bool(mined) and n >= 1 for n in range(5)]
    drift = history.get("drift", [0] * 5)
    assert ("drift" in history) == negatives.startswith("refresh")
    assert [n for n, value in enumerate(drift) if value] == [3] * negatives.startswith("refresh")
    assert max(drift) <= 1


@pytest.mark.slow
def test_in_batch_negatives_alone(known, test_table, small):
    """No wrong titles, and it learns."""
    settings = dataclasses.replace(small, negatives="in-batch")
    matcher = Matcher.train(known, settings)
    assert set(matcher.history) == {"loss", "in_batch", "seconds"}
    unseen = read_examples(test_table, entries=known.entries)
    assert matcher.evaluate(unseen)["accuracy@1"] >= 0.75


@pytest.mark.slow
def test_microbatches_give_the_same_losses(known, small):
    """The loss is that of the whole batch, however many questions are encoded at a time."""
    settings = dataclasses.replace(small, epochs=3, dropout=0.0)
    whole = Matcher.train(known, settings)
    parts = Matcher.train(known, dataclasses.replace(settings, microbatch_size=5))
    np.testing.assert_allclose(parts.history["loss"], whole.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(parts.vectors, whole.vectors, atol=1e-3)


JOB = """
import dataclasses, json, os, signal, sys
from losslayer.faq import Matcher, Settings, read_examples
table, dev, resume, settings, kill = sys.argv[1:]
known = read_examples(table)
dev = read_examples(dev, entries=known.entries)

def report(line):
    print(line, file=sys.stderr)
    if kill and line.startswith(kill):
        os.kill(os.getpid(), signal.SIGKILL)

matcher = Matcher.train(known, Settings(**json.loads(settings)), report, resume, dev=dev)
print(json.dumps([matcher.history, matcher.vectors.tolist()]))
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_killed_it_ends_with_the_same_best_model(table, test_table, small, tmp_path):
    """`kill -9` at the end of two epochs, one of them behind the best: the same model, bit for bit.

    The best weights so far, the epochs since then and the mined titles survive.
    """
    settings = dataclasses.replace(
        small, epochs=12, batch_size=8, patience=3, learning_rate=0.05, random_epochs=1
    )
    settings = dataclasses.replace(settings, negatives="refresh:2")

    def job(folder, kill=""):
        given = [table, test_table, tmp_path / folder, json.dumps(dataclasses.asdict(settings))]
        line = [sys.executable, "-c", JOB, *map(str, given), kill]
        return subprocess.run(line, capture_output=True, text=True, timeout=600)

    whole = job("whole")
    assert whole.returncode == 0, whole.stderr
    history, vectors = json.loads(whole.stdout)
    best, last = 1 + int(np.argmax(history["dev_mrr"])), len(history["dev_mrr"])
    assert best < last, "the last model is the best; this says nothing"
    for epoch in sorted({2, last}):
        killed = job("parts", f"epoch {epoch:2}/")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = job("parts")
    assert done.returncode == 0, done.stderr
    again, found = json.loads(done.stdout)
    for name in FIGURES:
        assert again[name] == history[name]
    assert found == vectors


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_stopped_in_an_epoch_it_keeps_the_best_so_far(known, dev, small, tmp_path):
    """Ctrl-C in the middle of an epoch: the mined titles of that epoch are there again."""
    settings = dataclasses.replace(small, epochs=5, batch_size=8, learning_rate=0.05)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if matcher_epoch == [3] and batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

        def on_epoch_begin(self, epoch, logs=None):
            matcher_epoch[:] = [epoch]

    matcher_epoch = []
    whole = Matcher.train(known, settings, resume=tmp_path / "whole", dev=dev)
    stopped = Matcher.train(known, settings, resume=tmp_path / "parts", callbacks=[Stop()], dev=dev)
    assert stopped.interrupted
    assert len(stopped.history["loss"]) == 3
    best = max(stopped.history["dev_mrr"])
    assert stopped.evaluate(dev)["mrr"] == pytest.approx(best, abs=1e-6)
    again = Matcher.train(known, settings, resume=tmp_path / "parts", dev=dev)
    for name in FIGURES:
        assert again.history[name] == whole.history[name]
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    other = Examples(dev.questions[:-1], dev.right[:-1], dev.entries)
    with pytest.raises(ll.ResumeError, match=r"same\.dev"):
        Matcher.train(known, settings, resume=tmp_path / "parts", dev=other)


@pytest.mark.parametrize(
    "encoder",
    [
        "bilstm-maxpool",
        "bert",
        pytest.param("cnn", marks=pytest.mark.slow),
        pytest.param("transformer", marks=pytest.mark.slow),
    ],
)
def test_half_precision_trains_and_single_precision_is_kept(known, small, encoder):
    """Layers compute in bfloat16 while they are trained; what is used and saved does not."""
    sizes = {
        "dim": 16,
        "layers": 1,
        "heads": 2,
        "feedforward": 32,
        "longest": 256,
        "epsilon": 1e-12,
    }
    computed = []

    class Precisions(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            [shared] = [layer for layer in self.model.layers if isinstance(layer, Together)]
            computed.extend(layer.compute_dtype for layer in shared.encoder.layers)

    single = dataclasses.replace(
        small, encoder=encoder, bert=sizes, learning_rate=0.005, dropout=0.0, word_dropout=0.0
    )
    settings = dataclasses.replace(single, dtype="mixed_bfloat16")
    matcher = Matcher.train(known, settings, callbacks=[Precisions()])
    assert "bfloat16" in computed
    assert keras.config.dtype_policy().name == "float32"
    kept = [layer.compute_dtype for layer in matcher.question_encoder.layers]
    assert set(kept) == {"float32"}
    assert matcher.vectors.dtype == np.float32
    assert matcher.history["loss"][-1] < matcher.history["loss"][0] / 2
    first = Matcher.train(known, dataclasses.replace(single, epochs=1)).history["loss"][0]
    assert matcher.history["loss"][0] == pytest.approx(first, rel=0.01)
