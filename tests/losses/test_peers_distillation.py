"""Distillation, R-Drop and divergences are what PyTorch and Optax make of the same numbers."""

import numpy as np
import pytest
from keras import ops

import losslayer as ll

from .peers import assert_same, same, torch

F = torch.nn.functional

RANDOM = np.random.default_rng(0)
A, B = 2 * RANDOM.normal(size=(2, 6, 7)).astype("float32")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation(temperature):
    """torch's kl_div of softened classes, times the square of the temperature."""

    def peer(logits, teacher_logits):
        log_q = F.log_softmax(logits / temperature, -1)
        p = F.softmax(teacher_logits.detach() / temperature, -1)
        return temperature**2 * F.kl_div(log_q, p, reduction="none").sum(-1)

    inputs = {"logits": A, "teacher_logits": B}
    assert_same(ll.losses.Distillation(temperature), inputs, peer)


def test_distillation_as_in_optax():
    """The same divergence of log-probabilities."""
    optax = pytest.importorskip("optax", reason="the peer of this test")
    jax = pytest.importorskip("jax", reason="the peer of this test")
    log_q, p = jax.nn.log_softmax(A, -1), jax.nn.softmax(B, -1)
    expected = np.asarray(optax.losses.kl_divergence(log_q, p))
    values = ll.losses.Distillation()(A, B)[0]
    same("values", ops.convert_to_numpy(values), expected)


def test_r_drop():
    """Half of torch's kl_div one way and the other."""

    def peer(a, b):
        log_p, log_q = F.log_softmax(a, -1), F.log_softmax(b, -1)
        both = F.kl_div(log_q, log_p, log_target=True, reduction="none")
        both = both + F.kl_div(log_p, log_q, log_target=True, reduction="none")
        return both.sum(-1) / 2

    assert_same(ll.losses.RDrop(), {"logits_a": A, "logits_b": B}, peer)


def test_features():
    """torch's mse_loss by dim, and its cosine_embedding_loss of pairs that belong together."""
    inputs = {"features": A, "teacher_features": B}

    def squared(features, teacher):
        return F.mse_loss(features, teacher.detach(), reduction="none").mean(-1)

    def cosine(features, teacher):
        same = torch.ones(len(features))
        return F.cosine_embedding_loss(features, teacher.detach(), same, reduction="none")

    assert_same(ll.losses.FeatureDistillation(), inputs, squared)
    assert_same(ll.losses.FeatureDistillation("cosine"), inputs, cosine)


def test_gaussians():
    """torch.distributions.kl_divergence of normal distributions, with a prior and without."""
    from torch.distributions import Independent, Normal, kl_divergence

    def normal(mean, log_variance):
        return Independent(Normal(mean, torch.exp(log_variance / 2)), 1)

    def peer(mean, log_variance, *prior):
        zero = torch.zeros_like(mean)
        return kl_divergence(normal(mean, log_variance), normal(*(prior or (zero, zero))))

    names = ("mean", "log_variance", "prior_mean", "prior_log_variance")
    four = dict(zip(names, (A, B, B[::-1].copy(), A[::-1] / 2)))
    assert_same(ll.losses.KLDivergence(), four, peer)
    assert_same(ll.losses.KLDivergence(), {n: four[n] for n in names[:2]}, peer)
