"""The first concept: a loss is a layer, from tensors to one value per element and its weight."""

import inspect
import pathlib
import sys
import typing

import keras
import numpy as np
from keras import ops

from losslayer.core import check, ids, rows
from losslayer.core.errors import ArgumentError, ArgumentTypeError, refuse
from losslayer.core.graph import is_symbolic
from losslayer.core.reduction import (
    at_least_float32,
    expand,
    like,
    mean_of_counted,
    sum_dtype,
)


class LossLayer(keras.layers.Layer):
    """Base of all loss layers: tensors in, the pair `(values, weights)` out.

    A subclass writes `values`, a pure function of tensors, and nothing else:

    >>> class Hinge(LossLayer):
    ...     '''relu(margin - target * score), `(batch,)`.'''
    ...
    ...     def __init__(self, margin=1.0, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.margin = margin
    ...
    ...     def values(self, score, target):
    ...         return keras.ops.relu(self.margin - target * score)
    >>> values, weights = Hinge(margin=2.0)(
    ...     score=np.array([1.0, float("nan")]), target=np.array([1.0, 1.0]), mask=[True, False]
    ... )
    >>> print(keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(weights))
    [1. 0.] [1. 0.]

    The base does the rest. It takes `mask=` (boolean, True counts; without it the masks that Keras
    attached to the inputs) and `sample_weight=`, both with the leading axes of the values, and
    multiplies them into `weights`. Where the weight is 0 the inputs are replaced by
    `padding_value` on the way in and the value by 0 on the way out, so whatever stands there (NaN,
    inf, a label outside the table) changes neither value nor gradient. Half precision comes in,
    float32 is computed and given out. The configuration is read from the signature of
    `__init__`, and the class is registered with Keras, so models that use it load in safe mode.

    A loss that couples the examples of a batch must leave those of weight 0 out altogether: to be
    masked is to be removed. It takes a keyword-only `counts` for that, `values(self, a, b, *,
    counts=None)`, which is no tensor that callers give but what the base passes on: boolean,
    `(batch,)`, True for the examples of which any element has a weight, or None when all count.

    A loss with one value per sequence takes a keyword-only `positions` in the same way: boolean,
    `(batch, time)`, the leading axes of its first tensor, or None when all count. Its value weighs
    the mean weight of the positions that count.

    Attributes:
        couples_examples: Whether a value depends on other examples of the batch (in-batch
            negatives do). What doesn't may run slice by slice.
        padding_value: What stands for the inputs of elements that don't count.
        axes: The axes of each argument of `values`, in words: checked when the layer is applied.
            `{"logits": "batch time vocab", "labels": "batch time"}`, say; `[word]` may be missing,
            `...` is any number of axes, equal words are equal sizes.
        constants: Names of the arguments that get no gradient: a teacher's logits, say.
        integers: Names of the arguments that must be integers.
        tables: Which integers are ids in the last axis of which argument, `{"labels": "logits"}`,
            say: what is outside is found before the first step. Where both have the same axes,
            the ids are 0 and 1. What is no argument is an attribute: their number.
    """

    couples_examples = False
    padding_value = 0
    axes: typing.ClassVar[dict] = {}
    constants: tuple = ()
    integers: tuple = ()
    tables: typing.ClassVar[dict] = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        package = cls.__module__.split(".")[0]
        script = getattr(sys.modules["__main__"], "__file__", None)
        if package == "__main__" and script:
            package = pathlib.Path(script).stem  # its name where another program imports it
        keras.saving.register_keras_serializable(package=package)(cls)

    def __init__(self, *, name=None, dtype=None, **kwargs):
        if dtype is None:
            # Losses are sums of many small terms: never in half precision.
            dtype = sum_dtype()
        known = (*_arguments(type(self)), "name", "dtype", "trainable")
        for argument in set(kwargs) - {"trainable"}:
            rule = f"be left out: the arguments are {known}"
            refuse(self, argument, rule, kwargs[argument], error=ArgumentTypeError)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.supports_masking = True

    def values(self, *tensors, **counts):
        """One loss value per element, `(batch,)` or `(batch, time)`: what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__} must define `values(self, ...)`.")

    def weigh(self, values, weights):
        """Last step, for layers whose values stand for other elements than their inputs do."""
        return values, weights

    def __call__(self, *tensors, mask=None, sample_weight=None, training=None, **named):
        """Apply the loss to `tensors`, by position or by the names that `values` gives them.

        Args:
            *tensors: What `values` takes.
            mask: Boolean, `(batch,)` or `(batch, time)`: True counts.
            sample_weight: Factors of the weights, same axes.
            training: Keras's flag, handed on to layers inside.
            **named: Tensors by name.

        Returns:
            `(values, weights)`, two tensors of the same shape.
        """
        if isinstance(mask, (list, tuple)):
            mask = np.asarray(mask)
        if isinstance(sample_weight, (list, tuple)):
            sample_weight = np.asarray(sample_weight)
        # A running or loading graph calls the layer again with what Keras was given below.
        again = len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
        if not again:
            tensors = self._in_order(tensors, named)
        elif isinstance(tensors[0], list):  # from a file, or from a user, as Keras's layers take it
            tensors = self._in_order(tensors[0], named)
        else:
            tensors = tensors[0]
        self._check_rows(tensors[0], mask=mask, sample_weight=sample_weight)
        context = {} if training is None else {"training": training}
        return super().__call__(tensors, mask=mask, sample_weight=sample_weight, **context)

    def call(self, tensors, mask=None, sample_weight=None, tensors_mask=None):
        """Clean the inputs, compute the values, clean the values.

        Where no mask was given, Keras fills in those that it attached to the tensors: as `mask`,
        or as `tensors_mask` when there is a sample weight.
        """
        if mask is None or isinstance(mask, (tuple, list)):
            masks = _speaking(mask or tensors_mask or (), tensors)
        else:
            masks = [mask]
        tensors = self._held_constant(_where_given(self._in_precision, tensors))
        weights = self._product([*masks, sample_weight, rows.counting()])
        if weights is not None:
            tensors = _where_given(lambda t: self._without_uncounted(t, weights), tensors)
        return self.pair(self._within_tables(tensors), weights)

    def pair(self, tensors, weights):
        """Values and weights, of clean tensors: what a fused loss writes instead of `values`.

        Args:
            tensors: What `values` takes.
            weights: The weight of each element, `(batch,)` or `(batch, time)`, or None when all
                count once. Tensors hold `padding_value` where it is 0.

        Returns:
            `(values, weights)`; or two scalars, the exact mean and the total weight.
        """
        of_sequences = "positions" in self._counts(None)
        if of_sequences and weights is not None:
            ones = ops.ones(ops.shape(tensors[0])[:2], dtype=weights.dtype)
            weights = like(weights, ones, owner=type(self).__name__)
        values = self.values(*tensors, **self._counts(weights))
        if of_sequences and weights is not None:
            weights = mean_of_counted(weights)
        if not len(values.shape) and type(self).weigh is LossLayer.weigh:
            raise ArgumentError(
                f"{type(self).__name__}: `values` must return one value per element. Received: a "
                "scalar. Leave out the mean or sum over the batch: the weights need the values."
            )
        all_count = weights is None
        weights = like(weights, values, owner=type(self).__name__)
        if not all_count:
            values = ops.where(ops.not_equal(weights, 0), values, ops.zeros_like(values))
        return self.weigh(values, weights)

    def compute_mask(self, tensors, previous_mask=None):
        """No mask leaves a loss layer: its weights say what counts."""
        return None

    def get_config(self):
        """The arguments of `__init__`, each read from the attribute of its name."""
        config = super().get_config()
        for name in _arguments(type(self)):
            config[name] = _saved(getattr(self, name))
        return config

    @classmethod
    def from_config(cls, config):
        """A layer from what `get_config` returned."""
        return cls(**{name: _loaded(value) for name, value in config.items()})

    def _in_order(self, tensors, named):
        signature = tensor_signature(self)
        try:
            bound = signature.bind(*tensors, **named)
        except TypeError:
            raise ArgumentTypeError(
                f"{type(self).__name__}: `{'`, `'.join(signature.parameters)}` must be given, by "
                f"position or by name, and nothing else. Received: {len(tensors)} by position, "
                f"{tuple(named)} by name."
            ) from None
        optional = [n for n, p in signature.parameters.items() if p.default is None]
        given = {n: v for n, v in bound.arguments.items() if not (v is None and n in optional)}
        names = tuple(signature.parameters)
        for name in names[: names.index(next(reversed(given)))]:
            if name not in given and name not in optional:  # it would not get its default
                rule = f"be given when `{next(reversed(given))}` is"
                refuse(self, name, rule, None, error=ArgumentTypeError)
        self._check(given)
        ordered: list = []
        for name, parameter in signature.parameters.items():
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            ordered.extend(given.get(name, ()) if several else [given.get(name)])
        while ordered[-1] is None:  # the tensors travel by position from here on
            ordered.pop()
        return tuple(ordered)

    def _check(self, arguments):
        for name, value in arguments.items():
            for tensor in value if isinstance(value, tuple) else (value,):
                if not (is_symbolic(tensor) or hasattr(tensor, "shape")):
                    advice = "Hyper-parameters go to the constructor."
                    refuse(self, name, "be a tensor", tensor, advice, ArgumentTypeError)
        check.axes(self, self.axes, {n: arguments[n].shape for n in self.axes if n in arguments})
        for name in [n for n in self.integers if n in arguments]:
            dtype = keras.backend.standardize_dtype(arguments[name].dtype)
            if "int" not in dtype:
                advice = "Make it so where it comes from: keras.Input(..., dtype='int32')."
                refuse(self, name, "be integers", dtype, advice, ArgumentTypeError)

    def _check_rows(self, tensor, **weights):
        """Raise if a mask or weights have another number of examples than the first tensor."""
        for name, given in weights.items():
            if hasattr(given, "shape") and len(tensor.shape):
                rows, expected = given.shape[:1], tensor.shape[:1]
                if not rows or (None not in (rows[0], expected[0]) and rows[0] != expected[0]):
                    raise ArgumentError(
                        f"{type(self).__name__}: `{name}` must have the leading axes of the "
                        f"values, (batch) or (batch, time). Received: {name} with shape "
                        f"{tuple(given.shape)}, the first tensor with shape {tuple(tensor.shape)}."
                    )

    def _in_precision(self, tensor):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        return at_least_float32(tensor) if "float" in dtype else tensor

    def _held_constant(self, tensors):
        if not self.constants:
            return tensors
        named = zip(tensor_signature(self).parameters, tensors)
        return [
            ops.stop_gradient(t) if n in self.constants and t is not None else t for n, t in named
        ]

    def _within_tables(self, tensors):
        named = dict(zip(tensor_signature(self).parameters, tensors))
        for name, table in self.tables.items():
            if named.get(name) is None:
                continue
            if table in named:
                classes = len(named[table].shape) > len(named[name].shape)
                size = named[table].shape[-1] if classes else 2
            else:
                size = getattr(self, table)
            named[name] = ids.within(named[name], size, f"the classes of the loss '{self.name}'")
        return list(named.values()) if self.tables else tensors

    def _product(self, factors):
        """The weight of each element, or None when all count once."""
        weights = None
        for factor in factors:
            if factor is None:
                continue
            factor = ops.cast(factor, self.compute_dtype)
            if weights is not None:
                rank = max(len(weights.shape), len(factor.shape))
                weights, factor = expand(weights, rank), expand(factor, rank)
                # What one of them leaves out stays out, whatever the other holds there (NaN).
                out = ops.logical_or(ops.equal(weights, 0), ops.equal(factor, 0))
                product = weights * factor
                factor = ops.where(out, ops.zeros_like(product), product)
            weights = factor
        return weights

    def _counts(self, weights):
        """What takes part, as arguments for a `values` that asks for `counts` or `positions`."""
        parameters = inspect.signature(self.values).parameters
        # A tensor may have such a name.
        asked = [n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
        found = {name: None for name in ("counts", "positions") if name in asked}
        if weights is None or not found:
            return found
        counts = ops.not_equal(weights, 0)
        ways = {"counts": lambda: ops.any(counts, axis=tuple(range(1, len(counts.shape))))}
        ways["positions"] = lambda: counts
        return {name: ways[name]() for name in found}

    def _without_uncounted(self, tensor, weights):
        counts = ops.not_equal(weights, 0)
        while len(counts.shape) > len(tensor.shape):
            counts = ops.any(counts, axis=-1)
        padding = ops.full_like(tensor, self.padding_value)
        return ops.where(expand(counts, len(tensor.shape)), tensor, padding)


def tensor_signature(layer):
    """The signature of `layer.values` without what is keyword-only: the tensors of a caller."""
    signature = inspect.signature(layer.values)
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    kept = [p for p in signature.parameters.values() if p.kind not in named]
    return signature.replace(parameters=kept)


def _where_given(function, tensors):
    """`function` of each tensor; an optional one that was left out stays None."""
    return [t if t is None else function(t) for t in tensors]


def _speaking(masks, tensors):
    """The masks that speak about leading axes of their tensors.

    A `(batch, time)` mask that is still attached to `(batch, dim)` speaks about an axis that is
    gone.
    """
    pairs = zip(masks, tensors)
    return [m for m, t in pairs if m is not None and len(m.shape) < len(t.shape)]


def _arguments(cls):
    """Names of the arguments of `cls.__init__` that are not Keras's own.

    With those of the base classes that it hands its `**kwargs` to.
    """
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names: dict = {}
    for base in cls.__mro__[: cls.__mro__.index(LossLayer)]:
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names.update((p.name, None) for p in parameters if p.kind not in kinds)
            if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
                break
    return [n for n in names if n not in ("self", "name", "dtype", "trainable")]


def _saved(value):
    return value if _is_plain(value) else keras.saving.serialize_keras_object(value)


def _loaded(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(_loaded, value))
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    return value


def _is_plain(value):
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
