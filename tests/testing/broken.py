"""A sound loss layer, and copies of it that are broken in one way each.

Each broken class names the check that must reject it; everything else in it is sound.
"""

import itertools
import typing

import keras
import numpy as np
from keras import ops

import losslayer as ll


class Sound(ll.LossLayer):
    """Cross entropy per position, times a factor; sound in every respect.

        value = scale * (logsumexp(logits) - logits[label])

    Args:
        scale: The factor.

    Call with:
        logits: `(batch, time, class)`.
        labels: Integers, `(batch, time)`.

    Example:

    >>> values, weights = Sound(2.0)(np.zeros((1, 1, 2)), np.array([[0]]))
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [[1.3863]]

    Source: any textbook.
    """

    axes: typing.ClassVar[dict] = {"logits": "batch time class", "labels": "batch time"}
    integers = ("labels",)

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        if not scale > 0:
            raise ll.ArgumentError(
                f"{type(self).__name__}: `scale` must be > 0. Received: scale={scale}."
            )
        self.scale = scale

    def values(self, logits, labels):
        return self.scale * (ops.logsumexp(logits, axis=-1) - _logit_of(logits, labels))


class Broken(Sound):
    # Base of the broken ones; `rejected_by` is the name of the check that must reject it.
    __doc__ = Sound.__doc__
    rejected_by: str


def _logit_of(logits, labels):
    return ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1), -1)


def _weights(values, mask, sample_weight):
    """The product of mask and sample weights, without any care."""
    weights = ops.ones_like(values)
    for factor in (mask, sample_weight):
        if factor is not None and not isinstance(factor, tuple):
            factor = ops.cast(factor, values.dtype)
            weights = weights * (factor if len(factor.shape) > 1 else factor[:, None])
    return weights


def oracle(logits, labels):
    """The values of `Sound(1.0)` once more."""
    values = np.zeros(labels.shape)
    for place in itertools.product(*map(range, labels.shape)):
        probability = np.exp(logits[place]) / np.sum(np.exp(logits[place]))
        values[place] = -np.log(probability[labels[place]])
    return values


# What `check_loss` gets besides the layer, for the sound one and the broken ones alike.
DECLARED = {
    "oracle": oracle,
    "symmetries": {"logits + 3": lambda logits, labels: (logits + 3, labels)},
    "refused": [{"scale": -1.0}],
}


class TwicePastLastDigit(Broken):
    rejected_by = "value"

    def values(self, logits, labels):
        return super().values(logits, labels) * (1 + 1e-7)  # too little for float32 to show


class WrongSecondValue(Broken):
    rejected_by = "value"

    def values(self, logits, labels):
        return super().values(logits, labels) + ops.cast(labels == 1, logits.dtype)


class AlwaysFloat32(Broken):
    rejected_by = "value"

    def values(self, logits, labels):
        return super().values(ops.cast(logits, "float32"), labels)


class StoppedGradient(Broken):
    rejected_by = "gradient"

    def values(self, logits, labels):
        target = ops.stop_gradient(_logit_of(logits, labels))
        return self.scale * (ops.logsumexp(logits, axis=-1) - target)


class ScaledGradient(Broken):
    rejected_by = "gradient"

    def values(self, logits, labels):
        values = super().values(logits, labels)
        return 1.00001 * values - 0.00001 * ops.stop_gradient(values)


class MovesItsTeacher(Broken):
    rejected_by = "gradient"
    constants = ("logits",)

    def _held_constant(self, tensors):
        return tensors


class PrefersFirstClass(Broken):
    rejected_by = "symmetry"

    def values(self, logits, labels):
        return super().values(logits, labels) + 1e-6 * logits[..., 0]


class LogOfSoftmax(Broken):
    rejected_by = "extreme_inputs"

    def values(self, logits, labels):
        return -self.scale * ops.log(_logit_of(ops.softmax(logits), labels))


class LengthOfZeroVector(Broken):
    rejected_by = "extreme_inputs"

    def values(self, logits, labels):
        # Finite, but its gradient at zero logits is 0 / 0.
        length = ops.sqrt(ops.sum(ops.square(logits), axis=-1))
        return super().values(logits, labels) + 0.01 * length


class ComputesInHalf(Broken):
    rejected_by = "half_precision"

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(scale, **kwargs)
        self.autocast = False

    def call(self, tensors, mask=None, sample_weight=None):
        values = ops.cast(self.values(*tensors), self.compute_dtype)
        return values, _weights(values, mask, sample_weight)


class GivesHalf(Broken):
    rejected_by = "half_precision"

    def weigh(self, values, weights):
        return ops.cast(values, "bfloat16"), weights


class LabelsAsFloats(Broken):
    rejected_by = "half_precision"

    def call(self, tensors, **weights):
        logits, labels = tensors
        return super().call((logits, ops.cast(ops.cast(labels, "float32"), "int32")), **weights)


class MultipliesByMask(Broken):
    rejected_by = "garbage"

    def call(self, tensors, mask=None, sample_weight=None):
        logits, labels = tensors
        values = self.values(logits, ops.clip(labels, 0, logits.shape[-1] - 1))
        weights = _weights(values, mask, sample_weight)
        return values * weights, weights


class CleansOnlyOnTheWayOut(Broken):
    rejected_by = "garbage"

    def call(self, tensors, mask=None, sample_weight=None):
        logits, labels = tensors
        # Labels stay in range; it is the gradient by the logits that is NaN.
        values = self.values(logits, ops.clip(labels, 0, logits.shape[-1] - 1))
        weights = _weights(values, mask, sample_weight)
        return ops.where(weights != 0, values, ops.zeros_like(values)), weights


class LetsWeightsThrough(Broken):
    rejected_by = "garbage"

    def call(self, tensors, mask=None, sample_weight=None):
        if mask is not None and sample_weight is not None:
            # Not a product: XLA makes a `where` of what multiplies by a mask.
            sample_weight, mask = ops.minimum(ops.cast(mask, "float32"), sample_weight), None
        return super().call(tensors, mask=mask, sample_weight=sample_weight)


class DividesByLength(Broken):
    rejected_by = "masking"

    def values(self, logits, labels):
        return super().values(logits, labels) / logits.shape[1]


class SeesMaskedExamples(Broken):
    rejected_by = "masking"
    couples_examples = True

    def values(self, logits, labels):
        return super().values(logits, labels) / (1 + ops.mean(ops.square(logits)))


class DividesByNothing(Broken):
    rejected_by = "all_masked"

    def weigh(self, values, weights):
        share = ops.sum(weights, axis=1, keepdims=True)
        return values * share / share, weights


class FirstCountsDouble(Broken):
    rejected_by = "permutation"

    def values(self, logits, labels):
        values = super().values(logits, labels)
        return values * (1 + ops.cast(ops.arange(ops.shape(values)[0]) == 0, "float32"))[:, None]


class SubtractsBatchMean(Broken):
    rejected_by = "independence"

    def values(self, logits, labels):
        return super().values(logits - ops.mean(logits), labels) + ops.mean(logits)


class WeighsByBatch(Broken):
    rejected_by = "independence"

    def weigh(self, values, weights):
        return values, weights / (1 + ops.max(ops.sum(weights, axis=1)))


class SquaresWeights(Broken):
    rejected_by = "weights"

    def weigh(self, values, weights):
        return values, ops.square(weights)


class ForgetsWeights(Broken):
    rejected_by = "weights"

    def weigh(self, values, weights):
        return values, ops.cast(ops.not_equal(weights, 0), values.dtype)


class CountsItsCalls(Broken):
    rejected_by = "compiled"
    calls = 0

    def values(self, logits, labels):
        type(self).calls += 1
        return super().values(logits, labels) + 0.001 * type(self).calls


class BranchesOnValues(Broken):
    rejected_by = "compiled"

    def values(self, logits, labels):
        if float(ops.max(logits)) > 1:
            return super().values(logits, labels) + 1
        return super().values(logits, labels)


class RemembersItsSize(Broken):
    rejected_by = "unknown_sizes"

    def values(self, logits, labels):
        # Keras builds graphs with a stand-in for unknown sizes; 6 is right for the example only.
        return ops.reshape(super().values(logits, labels), (6, -1))


class TrainsNothing(Broken):
    rejected_by = "training"

    def values(self, logits, labels):
        return super().values(ops.stop_gradient(logits), labels)


class ClimbsUp(Broken):
    rejected_by = "training"

    def values(self, logits, labels):
        values = super().values(logits, labels)
        return 2 * ops.stop_gradient(values) - values


class ForgetsOnLoading(Broken):
    rejected_by = "training"

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "scale": 1.0})

    def __init__(self, scale=2.0, **kwargs):
        super().__init__(scale, **kwargs)


class DoublesItsScale(Broken):
    rejected_by = "configuration"

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(scale, **kwargs)
        self.scale = 2 * scale


class KeepsNothing(Broken):
    rejected_by = "configuration"

    def get_config(self):
        return {n: v for n, v in super().get_config().items() if n != "scale"}


class HoldsWhatNoFileCan(Broken):
    rejected_by = "configuration"

    def __init__(self, scale=1.0, how=print, **kwargs):
        super().__init__(scale, **kwargs)
        self.how = how


class TakesAnyShape(Broken):
    rejected_by = "errors"

    def __call__(self, *tensors, mask=None, sample_weight=None, **named):
        tensors = tensors[0] if isinstance(tensors[0], (tuple, list)) else tensors
        return keras.layers.Layer.__call__(
            self, (*tensors, *named.values()), mask=mask, sample_weight=sample_weight
        )


class TakesAnyScale(Broken):
    rejected_by = "errors"

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(abs(scale), **kwargs)


class ComplainsVaguely(Broken):
    rejected_by = "errors"

    def __init__(self, scale=1.0, **kwargs):
        if scale <= 0:
            raise ll.ArgumentError("bad scale")
        super().__init__(scale, **kwargs)


class ComplainsInItsOwnWay(Broken):
    rejected_by = "errors"

    def __init__(self, scale=1.0, **kwargs):
        if scale <= 0:
            raise ValueError(f"{type(self).__name__}: `scale` must be > 0. Received: {scale}.")
        super().__init__(scale, **kwargs)


def _documented(old, new):
    """A docstring like the sound one's, but for one passage."""
    assert old in Sound.__doc__
    return Sound.__doc__.replace(old, new)


class Undocumented(Broken):
    rejected_by = "docstring"
    __doc__ = ""


class WithoutFormula(Broken):
    rejected_by = "docstring"
    __doc__ = _documented("    value = scale", "    scale times")


class WithoutArgument(Broken):
    rejected_by = "docstring"
    __doc__ = _documented("scale: The factor.", "The factor.")


class WithoutExample(Broken):
    rejected_by = "docstring"
    __doc__ = _documented(">>> ", "")


class WithoutSource(Broken):
    rejected_by = "docstring"
    __doc__ = _documented("Source: any textbook.", "")


class WithWrongExample(Broken):
    rejected_by = "docstring"
    __doc__ = _documented("[[1.3863]]", "[[1.5]]")


class WithFailingExample(Broken):
    rejected_by = "docstring"
    __doc__ = _documented(">>> print(", ">>> print(no_such_name, ")
