"""A run: what is measured, kept and stored, and that it goes on exactly."""

import dataclasses

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq import DataSettings, Seq2Seq, pairs
from losslayer.seq2seq.evaluation import mean_weights, weights_of
from losslayer.seq2seq.rows import rows
from losslayer.seq2seq.tokens import Tokens
from losslayer.seq2seq.training import tokens_of
from losslayer.text.buckets import best_bounds
from tests.seq2seq.app.conftest import small


class Stop(keras.callbacks.Callback):
    """Ctrl-C in a step; and the steps that were made."""

    def __init__(self, step=None):
        super().__init__()
        self.step, self.made = step, 0

    def get_state(self):
        return {"made": self.made}

    def set_state(self, state):
        self.made = state["made"]

    def on_train_batch_end(self, batch, logs=None):
        import signal

        self.made += 1
        if self.made == self.step:
            signal.raise_signal(signal.SIGINT)


class Weights(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def on_train_begin(self, logs=None):
        self.start = weights_of(self.model)

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(weights_of(self.model))


def same(one, two):
    """Whether all weights are the same, bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_figures_of_each_epoch(trained):
    """Those of `fit` after each epoch, those of decoding after each second, exact means."""
    records = trained.history
    assert [record["epoch"] for record in records] == [1, 2, 3, 4]
    for record in records:
        assert {"loss", "nll", "ppl", "val_nll", "val_ppl", "val_accuracy"} < record.keys()
        assert "val_sequence_accuracy" in record
        assert ("val_wer" in record) == (record["epoch"] % 2 == 0)
    assert records[-1]["ppl"] < records[0]["ppl"]


def test_the_best_weights_are_kept(trained, dev):
    """Those with the least perplexity of all epochs."""
    best = min(record["val_ppl"] for record in trained.history)
    assert trained.checkpoint == "best"
    assert trained.teacher_forced(trained.rows(dev))["ppl"] == pytest.approx(best, rel=1e-6)


def test_lines_of_progress(command):
    """One for the batches, one for each epoch with the time that is left."""
    lines = command[2].splitlines()
    assert any("batches of the shapes [(" in line for line in lines)
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == 4
    assert "wer" not in epochs[0]
    assert "wer" in epochs[1]
    assert epochs[-1].endswith(", 0 s left")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["in an epoch", "between epochs"])
def test_it_goes_on_exactly(known, dev, tmp_path, when):
    """Interrupted and started again: the same weights, checkpoints and figures, bit for bit.

    With everything that has a state: moving averages, averaged checkpoints, decoding after steps,
    patience.
    """
    settings = small(
        epochs=3, tokens=1024, ema=0.9, average=3, decode_steps=3, patience=9, monitor="wer"
    )
    # No word is rounded differently by threads that happen to add in another order.
    whole = Seq2Seq.train(known, dev, settings, resume=tmp_path / "whole")
    steps = whole.history[-1]["step"] // 3
    step = steps + 1 if when == "in an epoch" else steps
    first = Seq2Seq.train(known, dev, settings, resume=tmp_path / "parts", callbacks=[Stop(step)])
    assert first.interrupted
    assert not whole.interrupted
    second = Seq2Seq.train(known, dev, settings, resume=tmp_path / "parts", callbacks=[Stop()])
    assert second.history == whole.history
    assert second.checkpoints.keys() == whole.checkpoints.keys()
    for name, weights in whole.checkpoints.items():
        assert same(second.checkpoints[name], weights), name


@pytest.mark.slow
def test_another_training_is_refused(known, dev, tmp_path):
    """Other settings, other pairs: the state says what differs."""
    stopped = [Stop(1)]
    Seq2Seq.train(known, dev, small(), resume=tmp_path / "state", callbacks=stopped)
    with pytest.raises(ll.ResumeError, match="learning_rate"):
        Seq2Seq.train(
            known, dev, small(learning_rate=0.01), resume=tmp_path / "state", callbacks=[Stop()]
        )
    less = pairs(known.sources[:-1], known.targets[:-1])
    with pytest.raises(ll.ResumeError, match="train"):
        Seq2Seq.train(less, dev, small(), resume=tmp_path / "state", callbacks=[Stop()])


@pytest.mark.slow
def test_moving_averages_are_their_formula(known, dev):
    """Measured and kept are the averages of the weights over the steps, which train on unchanged.

    average = 0.9 * average + 0.1 * weights, from the weights after the first step on.
    """
    steps = Weights()
    settings = small(epochs=2, tokens=1024, ema=0.9, average=1, decode_epochs=0)
    model = Seq2Seq.train(known, dev, settings, callbacks=[steps])
    expected = steps.seen[0]
    for weights in steps.seen[1:]:
        expected = [0.9 * a + 0.1 * b for a, b in zip(expected, weights)]
    trainable = {id(v) for v in model.models.training.trainable_weights}
    for variable, found, right in zip(
        model.models.training.weights, model.checkpoints["last"], expected, strict=True
    ):
        if id(variable) in trainable:
            np.testing.assert_allclose(found, right, rtol=2e-4, atol=1e-6)
    # What was in the model when the last epoch was measured: the same averages.
    for found, right in zip(model.checkpoints["average"], model.checkpoints["last"], strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
    # Measuring with the averages leaves the training as it is.
    plain = Weights()
    Seq2Seq.train(known, dev, small(epochs=2, tokens=1024, decode_epochs=0), callbacks=[plain])
    for one, two in zip(plain.seen[-1], steps.seen[-1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_it_ends_without_progress(known, dev):
    """With a rate that moves nothing, no epoch after the first is better: two are waited for."""
    said = []
    settings = small(epochs=9, tokens=1024, learning_rate=1e-12, patience=2, monitor="accuracy")
    training = dataclasses.replace(settings.training, self_check=True)
    settings = dataclasses.replace(settings, training=training)
    model = Seq2Seq.train(known, dev, settings, report=said.append)
    assert len(model.history) == 3
    assert model.metrics["self_check"]["rows"] == 30
    assert said[-1].startswith("self-check over 30 pairs")
    assert "no better accuracy in 2 comparisons" in said[-2]
    assert not model.interrupted


def test_mean_of_checkpoints():
    """In double precision: the mean of the same is the same."""
    one = [np.float32([0.1, 0.2]), np.float32(3)]
    assert same(mean_weights([one, one, one]), one)
    two = [np.float32([0.3, 0.4]), np.float32(5)]
    assert same(mean_weights([one, two]), [np.float32([0.2, 0.3]), np.float32(4)])


@pytest.mark.slow
def test_half_precision_trains_and_single_precision_is_kept(known, dev):
    """Layers compute in bfloat16 while they are trained; what is used and saved does not."""
    settings = small(epochs=1, precision="mixed_bfloat16", decode_epochs=0)
    model = Seq2Seq.train(known, dev, settings)
    assert keras.config.dtype_policy().name == "float32"
    assert model.models.training.weights[0].dtype == "float32"
    assert not any(
        getattr(layer, "compute_dtype", "float32") == "bfloat16"
        for layer in model.models.training.layers
    )
    assert np.isfinite(model.teacher_forced(model.rows(dev))["ppl"])


def test_the_loss_in_blocks_is_the_same(known, dev):
    """The rows that fill a batch up don't count in it, and the figures are those of all logits."""
    settings = small(epochs=1, decode_epochs=0, self_check=False)
    found = []
    for fused in (False, True):
        chosen = dataclasses.replace(settings.model, fused=fused, dropout=0.0)
        model = Seq2Seq.train(known, dev, dataclasses.replace(settings, model=chosen))
        found.append(model.teacher_forced(model.rows(dev)))
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_a_limit_that_leaves_nothing(known, dev):
    """The message names the option."""
    settings = small()
    settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, longest=1))
    long = pairs(["abc"], ["A B C"])
    with pytest.raises(ll.ArgumentError, match=r"\[model\] `longest` must be larger"):
        Seq2Seq.train(long, long, settings)


def test_tokens_are_kept_with_the_state(tmp_path):
    """A training that goes on reads them; other texts don't get those of these."""
    data = DataSettings(
        source_tokens="unigram", target_tokens="unigram", vocabulary=40, shared=True
    )
    texts = pairs(["the dog and the cat"] * 3, ["der Hund und die Katze"] * 3)
    first, also = tokens_of(texts, data, tmp_path)
    assert first is also
    assert len(list(tmp_path.iterdir())) == 1
    assert tokens_of(texts, data, tmp_path)[0].digest() == first.digest()
    other = pairs(["a mouse"] * 3, ["eine Maus"] * 3)
    assert tokens_of(other, data, tmp_path)[0].digest() != first.digest()


def test_batches_hold_each_pair_once():
    """Whatever the order; targets run from begin to end."""
    texts = pairs(["a" * n for n in range(1, 20)], ["B " * n for n in range(1, 20)])
    source, target = Tokens.train(texts.sources, "characters"), Tokens.train(texts.targets, "words")
    found = rows(texts, source, target, 99)
    batches = found.batches(64, seed=3)
    seen = []
    for number in range(len(batches)):
        [batch] = batches[number]
        for row, left, right in zip(batches.rows(number), batch["source"], batch["target"]):
            assert left[left > 0].tolist() == found.sources[row]
            assert right[right > 0].tolist() == found.targets[row]
            seen.append(int(row))
    assert sorted(seen) == list(range(19))


@pytest.mark.parametrize(("longest", "multiple"), [(30, 2), (80, 8)])
def test_short_texts_have_finer_bounds(longest, multiple):
    """Less padding than multiples of 8 give, and no more shapes."""
    lengths = [1 + n * n * (longest - 1) // 10_000 for n in range(101)]  # most are short
    texts = pairs(["a" * n for n in lengths], ["B " * n for n in lengths])
    source, target = Tokens.train(texts.sources, "characters"), Tokens.train(texts.targets, "words")
    batches = rows(texts, source, target, 99).batches(1024)
    of_rows = [n + 2 for n in lengths]  # with begin and end
    eights = best_bounds(of_rows)
    assert len(batches.bounds) <= len(eights)
    assert batches.bounds == best_bounds(of_rows, len(eights), multiple)
    padded = sum(min(bound for bound in eights if bound >= n) for n in of_rows)
    saved = sum(min(b for b in batches.bounds if b >= n) for n in of_rows) / padded
    assert (saved < 1) == (multiple == 2)
