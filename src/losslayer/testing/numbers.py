"""Checks of values and gradients."""

import inspect
import itertools

import keras
import numpy as np
from keras import ops

from losslayer import backend
from losslayer.core.layer import LossLayer
from losslayer.testing.registry import NotApplicable, check, close, finite, zero


@check
def value(subject):
    """The values are those of an independent oracle, in float64 and in float32."""
    if subject.oracle is None:
        raise NotApplicable("no oracle was given")
    arrays = subject.in_float64()
    expected = subject.oracle(*arrays.values())
    close("values in float32 against the oracle", subject.run()[0], expected)
    with backend.float64():
        found, _ = subject.run(arrays, subject.remade("float64"))
    if found.dtype != "float64":
        raise AssertionError(f"with dtype='float64' the values are {found.dtype}.")
    close("values in float64 against the oracle", found, expected, rtol=1e-9, atol=1e-11)


@check
def gradient(subject):
    """The gradient is that of central differences in float64, and 0 by declared constants."""
    random = subject.random
    weights = random.uniform(0.5, 2.0, subject.elements)  # each value counts differently
    with backend.float64():
        arrays, layer = subject.in_float64(), subject.remade("float64")
        leaves = [leaf.astype("float64") for leaf in subject.leaves(arrays, layer)]

        def run(leaves):
            return subject.mean_and_slopes(leaves, arrays, layer, sample_weight=weights)

        mean, slopes = run(leaves)
        if mean.dtype != "float64":
            raise AssertionError(f"with dtype='float64' the mean is {mean.dtype}.")
        names = [*subject.floats, *(v.name for v in layer.trainable_variables)]
        for i, name in enumerate(names):
            if name in layer.constants:
                zero(f"derivative by `{name}`, which is declared constant,", slopes[i])
                continue
            for _ in range(4):
                direction = random.normal(size=leaves[i].shape)
                expected = _difference(run, leaves, i, direction)
                found = np.sum(slopes[i] * direction)
                what = f"derivative by `{name}` against central differences"
                close(what, found, expected, rtol=1e-6, atol=1e-8)


def _difference(run, leaves, index, direction, step=1e-6):
    ends = []
    for sign in (1, -1):
        moved = list(leaves)
        moved[index] = leaves[index] + sign * step * direction
        ends.append(float(run(moved)[0]))
    return (ends[0] - ends[1]) / (2 * step)


@check
def symmetry(subject):
    """What the declared symmetries say does not change does not change, in float64."""
    if not subject.symmetries:
        raise NotApplicable("no symmetries were declared")
    arrays = subject.in_float64()
    with backend.float64():
        layer = subject.remade("float64")
        expected, _ = subject.run(arrays, layer)
        for description, change in subject.symmetries.items():
            changed = dict(zip(arrays, change(*arrays.values())))
            found, _ = subject.run(changed, layer)
            close(f"values under '{description}'", found, expected, rtol=1e-9, atol=1e-11)


@check
def extreme_inputs(subject):
    """Zero vectors, equal vectors and logits of +-1e4 give finite values and gradients."""
    for what, changed in _extremes(subject):
        finite(f"values with {what}", subject.run(changed)[0])
        for name, found in subject.gradient(changed).items():
            finite(f"gradient by `{name}` with {what}", found)


def _extremes(subject):
    arrays, floats = subject.arrays, subject.floats
    zeros = {n: np.zeros_like(arrays[n]) for n in floats}
    for name in floats:
        yield f"`{name}` zero", {**arrays, name: zeros[name]}
    yield "all zero", {**arrays, **zeros}
    for first, second in itertools.pairwise(floats):
        if arrays[first].shape == arrays[second].shape:
            yield f"`{first}` equal to `{second}`", {**arrays, first: arrays[second]}
    for name in [n for n in floats if "logits" in n.split("_")]:
        shape = arrays[name].shape
        large = {
            "1e4": np.full(shape, 1e4, "float32"),
            "-1e4": np.full(shape, -1e4, "float32"),
            "+-1e4": np.where(subject.random.uniform(size=shape) < 0.5, -1e4, 1e4),
        }
        for size, logits in large.items():
            yield f"`{name}` {size}", {**arrays, name: logits.astype("float32")}


@check
def half_precision(subject):
    """From float16 and bfloat16 the values are computed in float32, labels stay integers."""
    for half in ("float16", "bfloat16"):
        short = {n: _rounded(a, half) for n, a in subject.arrays.items()}
        # Exactly representable in both, so nothing but the computation can differ.
        long = {n: ops.cast(t, "float32") if n in subject.floats else t for n, t in short.items()}
        ones = ops.ones(subject.batch, half)
        pair = subject.tensors(short, sample_weight=ones)
        for what, tensor in zip(("values", "weights"), pair):
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            if dtype != "float32":
                raise AssertionError(f"from {half} inputs the {what} are {dtype}, not float32.")
        expected, _ = subject.run({n: ops.convert_to_numpy(t) for n, t in long.items()})
        what = f"values from {half} inputs, against the same numbers in float32"
        close(what, ops.convert_to_numpy(pair[0]), expected, rtol=1e-6, atol=1e-7)
    _labels_stay(subject)


def _rounded(array, half):
    tensor = ops.convert_to_tensor(array)
    return ops.cast(tensor, half) if array.dtype.kind == "f" else tensor


def _labels_stay(subject):
    """Let `values` see large labels, and look at what arrives."""
    layer = subject.remade()
    received: dict = {}

    def spy(*tensors, **counts):
        received.update(zip(subject.arrays, tensors))
        return ops.zeros(subject.elements)

    if type(layer).pair is not LossLayer.pair:  # a fused loss
        layer.pair = lambda tensors, weights: (spy(*tensors), ops.ones(subject.elements))
    # The layer reads the names of its arguments there.
    spy.__signature__ = inspect.signature(layer.values)  # type: ignore[attr-defined]
    layer.values = spy
    large = {
        n: a if n in subject.floats or a.dtype == bool else np.full_like(a, 2**24 + 1)
        for n, a in subject.arrays.items()
    }
    layer(*large.values())
    for name, tensor in received.items():
        if name not in subject.floats:
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            found = ops.convert_to_numpy(tensor)
            if dtype != large[name].dtype or (found != large[name]).any():
                raise AssertionError(
                    f"`{name}` reaches `values` as {dtype} {found.flat[0]}, "
                    f"not as {large[name].dtype} {large[name].flat[0]}."
                )
