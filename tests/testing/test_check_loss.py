"""`check_loss` itself: its report, its errors, and subjects of other shapes than usual."""

import pathlib
import typing

import numpy as np
import pytest
from keras import ops

import losslayer as ll
import losslayer.testing
from losslayer.testing import CHECKS, Report, check_loss

from . import broken


def test_report_lists_every_check():
    """One outcome for each check, and a table that can be read."""
    report = check_loss(
        broken.Sound(), only=["value", "permutation", "masking"], skip={"masking": "not today"}
    )
    assert isinstance(report, Report)
    assert str(report).splitlines() == [
        "Sound: 1 passed, 2 skipped",
        "  masking       skipped: not today",
        "  permutation   passed",
        "  value         skipped: no oracle was given",
    ]


def test_one_error_lists_all_failures():
    """Every failed check is named with its reason, not only the first."""
    with pytest.raises(AssertionError) as caught:
        check_loss(
            broken.StoppedGradient(),
            only=["gradient", "docstring", "permutation"],
            oracle=broken.oracle,
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "StoppedGradient fails 1 of 3 checks."
    assert lines[1].startswith("  gradient: derivative by `logits` against central differences: ")


def test_every_check_says_what_it_is():
    """The docstring of a check is one line, for readers of CHECKS."""
    for function in CHECKS.values():
        assert function.__doc__.endswith(".")
        assert "\n" not in function.__doc__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": broken.Sound}, "`layer` must be a LossLayer"),
        ({"only": ["gradients"]}, "`only` must hold names of"),
        ({"skip": {"gradients": "why"}}, "`skip` must hold names of"),
        ({"inputs": {"logits": np.zeros((3, 2, 4))}}, "`inputs` must have the names"),
        (
            {"inputs": {"logits": np.zeros((2, 3, 4)), "labels": np.zeros((2, 3), int)}},
            "`inputs` must hold at least 3 examples",
        ),
        ({"layer": ll.losses.FromKeras.__mro__[1]()}, "`inputs` must"),
    ],
    ids=["class", "only", "skip", "names", "few", "abstract"],
)
def test_wrong_arguments(arguments, message):
    """Mistakes in calling the suite are no failed checks."""
    with pytest.raises(ll.LosslayerError, match=f"check_loss: {message}"):
        check_loss(**{"layer": broken.Sound(), **arguments})


class Scored(ll.LossLayer):
    """A loss with a trainable weight, on several tensors."""

    def build(self, *shapes):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def values(self, *scores):
        return self.factor * sum(ops.square(s) for s in scores)


def test_trainable_weights_and_any_number_of_tensors():
    """The suite differentiates by a layer's own weights, and takes `*tensors`."""
    scores = np.random.default_rng(0).normal(size=(3, 6))
    layer = Scored()
    report = check_loss(
        layer,
        {"scores": list(scores)},
        oracle=lambda *scores: sum(s**2 for s in scores),
        skip={"docstring": "a layer of a test", "errors": "it takes any number of tensors"},
    )
    assert not report.failed
    assert ops.convert_to_numpy(layer.factor) == 1  # training it was not the caller's wish


class Fused(ll.LossLayer):
    """A loss that gives one value, its exact mean, and the total weight."""

    couples_examples = False

    def values(self, scores, targets):
        return ops.square(scores - targets)

    def weigh(self, values, weights):
        total = ops.sum(weights)
        safe = ops.where(total == 0, 1.0, total)
        return ops.sum(values * weights) / ops.cast(safe, values.dtype), total


def test_one_value_for_all():
    """Layers that give their exact mean and the total weight pass as well."""
    scores, targets = np.random.default_rng(0).normal(size=(2, 6))
    skip = {"docstring": "a layer of a test"}
    assert not check_loss(Fused(), {"scores": scores, "targets": targets}, skip=skip).failed


class FusedTokens(ll.LossLayer):
    """The mean over tokens, written at once."""

    integers = ("labels",)

    def values(self, scores, labels):
        return ops.square(scores - ops.cast(labels, scores.dtype))

    def pair(self, tensors, weights):
        values = self.values(*tensors)
        weights = ops.ones_like(values) if weights is None else ops.cast(weights, values.dtype)
        weights = ops.broadcast_to(
            weights if len(weights.shape) == 2 else weights[:, None], ops.shape(values)
        )
        total = ops.sum(weights)
        return ops.sum(values * weights) / ops.where(total == 0, 1.0, total), total


class ForgetsPositions(FusedTokens):
    """Counts all positions of an example that counts at all."""

    def pair(self, tensors, weights):
        if weights is not None and len(weights.shape) == 2:
            weights = ops.max(weights, axis=1)
        return super().pair(tensors, weights)


class RoundsLabels(FusedTokens):
    """Labels pass through float32 before anything looks at them."""

    def _within_tables(self, tensors):
        return [tensors[0], ops.cast(ops.cast(tensors[1], "float32"), "int32")]


@pytest.mark.parametrize(
    ("layer", "check"),
    [(FusedTokens, None), (ForgetsPositions, "masking"), (RoundsLabels, "half_precision")],
)
def test_fused_over_tokens(layer, check):
    """Of a fused loss over positions too the checks find what is wrong, and nothing else."""
    random = np.random.default_rng(0)
    inputs = {"scores": random.normal(size=(6, 5)), "labels": random.integers(0, 9, (6, 5))}
    only = ["masking", "half_precision", "weights", "all_masked"]
    if check is None:
        assert not check_loss(layer(), inputs, only=only).failed
    else:
        with pytest.raises(AssertionError, match=f"(?s)fails .*{check}:"):
            check_loss(layer(), inputs, only=[check])


def test_needs_no_test_runner():
    """The suite is for users too, who may have no pytest."""
    folder = pathlib.Path(losslayer.testing.__file__).parent
    assert not any("pytest" in path.read_text() for path in folder.glob("*.py"))


class Pairs(ll.LossLayer):
    """For each row the mean product with those that a matrix names."""

    couples_examples = True
    axes: typing.ClassVar[dict] = {"x": "batch", "pairs": "batch batch"}
    forgets_columns = False

    def values(self, x, pairs, *, counts=None):
        if counts is not None and not self.forgets_columns:
            pairs = pairs & ops.expand_dims(counts, 0)
        pairs = ops.cast(pairs, x.dtype)
        return x * ops.matmul(pairs, x) / (1 + ops.sum(pairs, axis=1))


class ForgetsColumns(Pairs):
    """Reads what a matrix says about examples that are masked."""

    forgets_columns = True


@pytest.mark.parametrize("check", ["garbage", "masking", "permutation", "unknown_sizes"])
def test_a_matrix_of_pairs_has_the_batch_twice(check):
    """Its rows and columns are examples: permuted, left out, spoiled and cut together."""
    random = np.random.default_rng(0)
    inputs = {"x": random.normal(size=6), "pairs": random.uniform(size=(6, 6)) < 0.5}
    check_loss(Pairs(), inputs, only=[check])
    if check in ("garbage", "masking"):
        with pytest.raises(AssertionError, match=f"\n  {check}: "):
            check_loss(ForgetsColumns(), inputs, only=[check])
