"""Cross entropy of sequences and CTC are what PyTorch, Optax and TensorFlow make of the same."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject

from .peers import assert_same, same, torch

F = torch.nn.functional

RANDOM = np.random.default_rng(0)
TOKENS = {
    "logits": 2 * RANDOM.normal(size=(6, 5, 7)).astype("float32"),
    "labels": RANDOM.integers(0, 7, (6, 5)).astype("int32"),
}
WEIGHTS = RANDOM.integers(0, 3, (6, 5)).astype("float32")
# Equal neighbours, a sequence without labels, one with a single alignment.
SPEECH = {
    "logits": 2 * RANDOM.normal(size=(5, 9, 6)).astype("float32"),
    "labels": np.array([[1, 2, 3, 4], [5, 5, 2, 0], [1, 1, 1, 0], [0] * 4, [3, 2, 3, 1]], "int32"),
    "logit_lengths": np.array([9, 6, 5, 7, 8], "int32"),
    "label_lengths": np.array([4, 3, 3, 0, 4], "int32"),
}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("z_loss", [0.0, 0.01])
def test_cross_entropy(smoothing, z_loss):
    """torch's cross_entropy with label smoothing, and the z-loss on top."""

    def peer(logits, labels):
        values = F.cross_entropy(
            logits.transpose(1, 2), labels.long(), label_smoothing=smoothing, reduction="none"
        )
        return values + z_loss * torch.logsumexp(logits, -1) ** 2

    layer = ll.losses.SequenceCrossEntropy(smoothing, z_loss=z_loss)
    assert_same(layer, TOKENS, peer)
    assert_same(layer, TOKENS, peer, sample_weight=WEIGHTS)


def test_mean_of_tokens_that_count():
    """torch's ignore_index is our mask."""
    subject = Subject(ll.losses.SequenceCrossEntropy(), TOKENS)
    mask = WEIGHTS > 0
    total, weight = subject.sums(mask=mask)
    labels = torch.tensor(np.where(mask, TOKENS["labels"], -100)).long()
    expected = F.cross_entropy(torch.tensor(TOKENS["logits"]).transpose(1, 2), labels)
    assert total / weight == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_linear_cross_entropy(smoothing):
    """torch's cross_entropy of logits that are written out: the mean and all its slopes."""
    head = keras.layers.Dense(7)
    head.build((None, 4))
    head.set_weights([RANDOM.normal(size=s).astype("float32") for s in ((4, 7), (7,))])
    layer = ll.losses.LinearCrossEntropy(head, label_smoothing=smoothing, z_loss=0.01)
    hidden = RANDOM.normal(size=(6, 5, 4)).astype("float32")
    subject = Subject(layer, {"hidden": hidden, "labels": TOKENS["labels"]})
    leaves = [torch.tensor(a, requires_grad=True) for a in subject.leaves()]
    logits = leaves[0] @ leaves[1] + leaves[2]
    labels = torch.tensor(TOKENS["labels"]).long()
    values = F.cross_entropy(
        logits.transpose(1, 2), labels, label_smoothing=smoothing, reduction="none"
    )
    values = values + 0.01 * torch.logsumexp(logits, -1) ** 2
    mean = (values * torch.tensor(WEIGHTS)).sum() / WEIGHTS.sum()
    mean.backward()
    found, slopes = subject.mean_and_slopes(subject.leaves(), sample_weight=WEIGHTS)
    same("mean", found, mean.detach().numpy())
    for slope, leaf in zip(slopes, leaves):
        same("slopes", slope, leaf.grad.numpy())


def test_cross_entropy_as_in_optax():
    """The values and slopes of integer labels."""
    jax, optax = (pytest.importorskip(n, reason="a peer") for n in ("jax", "optax"))

    def peer(logits):
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, TOKENS["labels"])
        return losses.mean(), losses

    (_, values), slopes = jax.value_and_grad(peer, has_aux=True)(TOKENS["logits"])
    subject = Subject(ll.losses.SequenceCrossEntropy(), TOKENS)
    same("values", subject.run()[0], values)
    same("slopes", subject.gradient()["logits"], slopes)


@pytest.mark.parametrize("blank", [0, 5])
def test_ctc(blank):
    """torch's ctc_loss."""

    def peer(logits, labels, logit_lengths, label_lengths):
        log_probs = F.log_softmax(logits, -1).transpose(0, 1)
        lengths = logit_lengths.long(), label_lengths.long()
        return F.ctc_loss(log_probs, labels, *lengths, blank=blank, reduction="none")

    inputs = dict(SPEECH)
    if blank:
        inputs["labels"] = np.clip(inputs["labels"] - 1, 0, None)
    assert_same(ll.losses.CTC(blank), inputs, peer)
    weights = np.array([1, 0, 2, 0.5, 1], "float32")
    assert_same(ll.losses.CTC(blank), inputs, peer, sample_weight=weights)


def test_ctc_as_in_optax():
    """Optax's, whose lengths are paddings."""
    jax, optax = (pytest.importorskip(n, reason="a peer") for n in ("jax", "optax"))
    frames = np.arange(9) >= SPEECH["logit_lengths"][:, None]
    beyond = np.arange(4) >= SPEECH["label_lengths"][:, None]

    def peer(logits):
        losses = optax.losses.ctc_loss(
            logits, frames.astype("float32"), SPEECH["labels"], beyond.astype("float32")
        )
        return losses.mean(), losses

    (_, values), slopes = jax.value_and_grad(peer, has_aux=True)(SPEECH["logits"])
    subject = Subject(ll.losses.CTC(), SPEECH)
    same("values", subject.run()[0], values)
    same("slopes", subject.gradient()["logits"], slopes)


def test_ctc_as_in_tensorflow():
    """TensorFlow's ctc_loss of dense labels."""
    tf = pytest.importorskip("tensorflow", reason="the peer of this test")
    logits, labels, frames, lengths = map(tf.constant, SPEECH.values())
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = tf.nn.ctc_loss(
            labels, logits, lengths, frames, logits_time_major=False, blank_index=0
        )
        mean = tf.reduce_mean(values)
    subject = Subject(ll.losses.CTC(), SPEECH)
    same("values", subject.run()[0], values.numpy())
    same("slopes", subject.gradient()["logits"], tape.gradient(mean, logits).numpy())


def test_ctc_as_in_keras():
    """Keras's own function, which means the same by its lengths."""
    tensors = [ops.convert_to_tensor(SPEECH[n]) for n in ("labels", "logits")]
    lengths = [ops.convert_to_tensor(SPEECH[n]) for n in ("label_lengths", "logit_lengths")]
    expected = ops.ctc_loss(*tensors, *lengths, mask_index=0)
    found, _ = Subject(ll.losses.CTC(), SPEECH).run()
    same("values", found, ops.convert_to_numpy(expected))
