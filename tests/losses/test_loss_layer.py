"""`loss_layer` makes a loss layer of a plain function."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing import check_loss

from .oracles.common import random


@ll.loss_layer
def pinball(prediction, target, *, quantile, scale=1.0):
    """Pinball loss.

        value = scale * max(quantile * error, (quantile - 1) * error)

    Args:
        quantile: In (0, 1).
        scale: A factor.

    Call with:
        prediction: `(batch,)`.
        target: `(batch,)`.

    Example:

    >>> values, weights = pinball(quantile=0.9)(np.array([0.0]), np.array([2.0]))
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [1.8]

    Source: Koenker and Bassett 1978.
    """
    error = target - prediction
    return scale * ops.maximum(quantile * error, (quantile - 1) * error)


@ll.loss_layer(couples_examples=True)
def centred(scores):
    """Squared distance from the mean of the batch."""
    return ops.square(scores - ops.mean(scores))


@ll.loss_layer(couples_examples=True)
def centred_among_counted(scores, *, counts, scale=1.0):
    """Squared distance from the mean of the examples that count."""
    if counts is None:
        return scale * ops.square(scores - ops.mean(scores))
    counts = ops.cast(counts, scores.dtype)
    total = ops.maximum(ops.sum(counts), 1.0)
    return scale * ops.square(scores - ops.sum(scores * counts) / total)


@ll.loss_layer
def poisson(log_rate, counts):
    """A tensor that happens to be called counts."""
    return ops.exp(log_rate) - counts * log_rate


def test_conforms():
    """A layer made of a function passes the same suite as our own."""

    def oracle(prediction, target):
        errors = [t - p for t, p in zip(target, prediction)]
        return np.array([2 * max(0.8 * e, -0.2 * e) for e in errors])

    report = check_loss(
        pinball(quantile=0.8, scale=2.0),
        {"prediction": random(1).normal(size=6), "target": random(2).normal(size=6)},
        oracle=oracle,
        symmetries={"both moved": lambda prediction, target: (prediction + 1, target + 1)},
    )
    assert {o.status for o in report.outcomes} == {"passed"}


def test_looks_like_a_class():
    """Name, docstring, signature and flags are the function's."""
    assert pinball.__name__ == "pinball"
    assert pinball.__doc__.startswith("Pinball loss.")
    assert issubclass(pinball, ll.LossLayer)
    assert centred.couples_examples
    assert not pinball.couples_examples


def test_configuration_has_the_hyper_parameters():
    """Given and default ones alike; a name and a dtype too."""
    layer = pinball(quantile=0.8, name="upper")
    config = layer.get_config()
    assert (config["quantile"], config["scale"], config["name"]) == (0.8, 1.0, "upper")
    assert pinball.from_config(config).get_config() == config


def test_saves_and_loads_in_safe_mode(tmp_path):
    """A plain Keras model with it in its graph loads with the same hyper-parameters."""
    prediction, target = keras.Input((), name="prediction"), keras.Input((), name="target")
    model = keras.Model([prediction, target], pinball(quantile=0.8)(prediction, target))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    values, weights = loaded([np.array([0.0, 3.0]), np.array([1.0, 1.0])])
    np.testing.assert_allclose(ops.convert_to_numpy(values), [0.8, 0.4], rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), [1, 1])


@pytest.mark.parametrize("arguments", [{}, {"scale": 2.0}, {"quantile": 0.5, "quantil": 0.5}])
def test_missing_and_unknown_hyper_parameters(arguments):
    """The error names the class and the hyper-parameter."""
    form = r"^pinball: `quantile?` must be .*Received: "
    with pytest.raises(ll.ArgumentTypeError, match=form):
        pinball(**arguments)


def _only_settings(*, margin=1.0):
    return margin


def _with_any(score, **settings):
    return score


@pytest.mark.parametrize("function", [_only_settings, _with_any], ids=lambda f: f.__name__)
def test_functions_that_cannot_be_layers(function):
    """No tensor to compute from, or hyper-parameters that no signature names."""
    with pytest.raises(ll.ArgumentTypeError, match="loss_layer: `function` must take tensors"):
        ll.loss_layer(function)


class Shifted(ll.losses.Focal):
    """A subclass that hands on what it does not know."""

    def __init__(self, shift=1.0, **kwargs):
        super().__init__(**kwargs)
        self.shift = shift


def test_subclasses_keep_inherited_hyper_parameters():
    """What `**kwargs` hands to the base class is in the configuration."""
    config = Shifted(gamma=5.0, shift=2.0).get_config()
    assert (config["gamma"], config["shift"]) == (5.0, 2.0)
    assert Shifted.from_config(config).gamma == 5.0


@ll.loss_layer
def optional(score, bonus=None, malus=None):
    """A score with optional tensors."""
    score = score if bonus is None else score + bonus
    return score if malus is None else score - malus


def test_optional_tensors_are_not_mistaken_for_each_other():
    """One that is left out stays out, in a graph and its file too, and others keep their names."""
    one = np.ones((3, 1), "float32")
    for given, expected in ((("bonus",), 2), (("malus",), 0), (("bonus", "malus"), 1)):
        inputs = [keras.Input((1,)) for _ in ("score", *given)]
        pair = optional()(inputs[0], **dict(zip(given, inputs[1:])))
        model = keras.Model(inputs, list(pair))
        again = keras.Model.from_config(model.get_config())
        for values in (
            optional()(one, **dict.fromkeys(given, one))[0],
            again([one] * len(inputs))[0],
        ):
            np.testing.assert_allclose(ops.convert_to_numpy(values), np.full((3, 1), expected))


@ll.loss_layer
def with_default(score, bonus=1.0, malus=None):
    """A score with a tensor that has a default."""
    return score + bonus - malus


def test_a_default_is_not_lost():
    """What is left out before a given tensor must have None for its default."""
    one = np.ones(3, "float32")
    with pytest.raises(ll.ArgumentTypeError, match="`bonus` must be given when `malus` is"):
        with_default()(one, malus=one)


def test_lists_of_layers_come_back():
    """A constructor argument that is a list of layers survives the configuration."""

    class Summed(ll.LossLayer):
        def __init__(self, parts=(), **kwargs):
            super().__init__(**kwargs)
            self.parts = list(parts)

        def values(self, a, b):
            return sum(part(a, b) for part in self.parts)

    layer = Summed([ll.losses.CosineSimilarity(), ll.losses.CosineSimilarity()])
    again = Summed.from_config(layer.get_config())
    assert [type(part) for part in again.parts] == [ll.losses.CosineSimilarity] * 2


def test_counts_say_who_takes_part():
    """What couples examples gets those that count, and neither callers nor files know of it."""
    scores = np.array([1.0, 3.0, 9.0])
    layer = centred_among_counted()
    for given, expected in (
        ({}, (scores - scores.mean()) ** 2),
        ({"mask": [True, True, False]}, [1, 1, 0]),
        ({"sample_weight": [2.0, 0.5, 0.0]}, [1, 1, 0]),
    ):
        values, _ = layer(scores, **given)
        np.testing.assert_allclose(ops.convert_to_numpy(values), expected, rtol=1e-6)
    assert "scale" in layer.get_config()
    assert "counts" not in layer.get_config()
    with pytest.raises(ll.ArgumentTypeError, match="`scores` must be given"):
        layer(scores, counts=np.ones(3, bool))


@ll.loss_layer(couples_examples=True)
def number_that_count(logits, *, counts):
    """For each token the number of examples that count."""
    return ops.zeros_like(logits) + ops.sum(ops.cast(counts, logits.dtype))


def test_an_example_counts_if_any_element_does():
    """A mask per token becomes one per example."""
    mask = np.array([[True, False], [False, True], [False, False]])
    values, _ = number_that_count()(np.zeros((3, 2)), mask=mask)
    np.testing.assert_allclose(ops.convert_to_numpy(values), [[2, 0], [0, 2], [0, 0]])


def test_counts_may_be_the_name_of_a_tensor():
    """Only keyword-only it is the one that the base passes on."""
    values, _ = poisson()(np.zeros(2), counts=np.array([3.0, 4.0]), mask=[True, False])
    np.testing.assert_allclose(ops.convert_to_numpy(values), [1, 0])


def test_layers_with_counts_conform():
    """Masking is removing for them, which the suite sees; without `counts` it is not."""
    scores = {"scores": random(1).normal(size=6)}
    skip = dict.fromkeys(("docstring", "independence"), "a layer of a test, that couples")
    oracle = lambda scores: (scores - scores.mean()) ** 2
    assert not check_loss(centred_among_counted(), scores, oracle=oracle, skip=skip).failed
    with pytest.raises(AssertionError, match="masking: values with examples masked"):
        check_loss(centred(), scores, only=["masking"])
