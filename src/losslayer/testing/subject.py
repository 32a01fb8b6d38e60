"""The loss layer under test, its example inputs, and the ways in which checks run it."""

import copy

import keras
import numpy as np
from keras import ops

from losslayer import backend
from losslayer.core import check as rules
from losslayer.core.errors import refuse
from losslayer.core.layer import tensor_signature
from losslayer.core.reduction import mean, total_and_weight


class Subject:
    """A loss layer with all that the checks need to run it.

    Attributes:
        layer: The layer as it was given.
        arrays: Example inputs by argument name, in the order of `values`.
        oracle: A function of these arrays that gives the values, or None.
        symmetries: A dict from name to a function from the arrays to arrays of the same values.
        refused: Dicts of constructor arguments that must be refused.
        elements: The shape of what the layer's `values` returns: the axes that a mask may have.
        seed: Seed of everything random.
    """

    def __init__(self, layer, arrays, oracle=None, symmetries=None, refused=(), seed=0):
        self.layer = layer
        self.arrays = _flat(layer, arrays)
        self.oracle = oracle
        self.symmetries = dict(symmetries or {})
        self.refused = list(refused)
        self.seed = seed
        self._cache: dict = {}
        layer(*self.arrays.values())  # one with weights gets them here
        self.elements = self._elements()
        self.batch = self.elements[0]

    @property
    def name(self):
        """The class of the layer, which opens its messages."""
        return type(self.layer).__name__

    @property
    def random(self):
        """A generator that starts anew, so that checks don't depend on their order."""
        return np.random.default_rng(self.seed + 1)

    @property
    def floats(self):
        """Names of the inputs that have a gradient."""
        return [n for n, a in self.arrays.items() if _is_float(a)]

    # Running

    def run(self, arrays=None, layer=None, **weights):
        """Values and weights as NumPy arrays."""
        values, counts = self.tensors(arrays, layer, **weights)
        return ops.convert_to_numpy(values), ops.convert_to_numpy(counts)

    def tensors(self, arrays=None, layer=None, **weights):
        """Values and weights as the layer gives them."""
        arrays = self.arrays if arrays is None else arrays
        run, _ = self._functions(layer or self.layer)
        return run(tuple(arrays.values()), _given(weights))

    def sums(self, arrays=None, **weights):
        """The weighted sum of the values and their weight."""
        return [float(s) for s in total_and_weight(*self.run(arrays, **weights))]

    def gradient(self, arrays=None, layer=None, **weights):
        """The gradient of the exact mean: a dict from input name to array."""
        _, slopes = self.mean_and_slopes(self.leaves(arrays, layer), arrays, layer, **weights)
        return dict(zip(self.floats, slopes))

    def leaves(self, arrays=None, layer=None):
        """All that has a gradient: the inputs in `floats`, then the layer's trainable weights."""
        arrays = self.arrays if arrays is None else arrays
        trained = [ops.convert_to_numpy(v) for v in (layer or self.layer).trainable_variables]
        return [arrays[n] for n in self.floats] + trained

    def mean_and_slopes(self, leaves, arrays=None, layer=None, **weights):
        """The exact mean at `leaves`, and its derivative by each of them."""
        arrays = self.arrays if arrays is None else arrays
        _, with_slopes = self._functions(layer or self.layer)
        return with_slopes(leaves, tuple(arrays.values()), _given(weights))

    def _functions(self, layer):
        """How to run a layer, and how to differentiate it: made once, for those that compile."""
        if id(layer) not in self._cache:
            places = [list(self.arrays).index(n) for n in self.floats]

            def exact_mean(leaves, tensors, weights):
                tensors = list(map(ops.convert_to_tensor, tensors))
                for place, leaf in zip(places, leaves):
                    tensors[place] = leaf
                trained = leaves[len(places) :]
                others = [v.value for v in layer.non_trainable_variables]
                weights = {n: ops.convert_to_tensor(w) for n, w in weights.items()}
                pair, _ = layer.stateless_call(trained, others, tuple(tensors), **weights)
                return mean(*total_and_weight(*pair))

            run = backend.fast(lambda tensors, weights: layer(*tensors, **weights))
            # The layer too, so that nothing else gets its id.
            self._cache[id(layer)] = run, backend.value_and_gradient(exact_mean), layer
        return self._cache[id(layer)][:2]

    def remade(self, dtype=None):
        """The layer made again from its configuration, with everything in it in `dtype`."""
        config = copy.deepcopy(self.layer.get_config())
        layer = type(self.layer).from_config(config if dtype is None else _in(dtype, config))
        self.build(layer)
        layer.set_weights(self.layer.get_weights())
        return layer

    def build(self, layer):
        """Give a layer that has weights its weights, by a symbolic call (it costs the least)."""
        layer(*(keras.KerasTensor(a.shape, str(a.dtype)) for a in self.arrays.values()))

    def in_float64(self):
        """The float inputs in float64, the others as they are."""
        return {n: a.astype("float64") if _is_float(a) else a for n, a in self.arrays.items()}

    # Parts of the example

    def shared(self, array):
        """How many leading axes an input has in common with the values."""
        count = 0
        for size, expected in zip(array.shape, self.elements):
            if size != expected:
                break
            count += 1
        return count

    def rows(self, index, arrays=None):
        """The examples at `index`."""
        taken = dict(self.arrays if arrays is None else arrays)
        for name in taken:
            for axis in self.batch_axes(name):
                taken[name] = taken[name][(slice(None),) * axis + (index,)]
        return taken

    def batch_axes(self, name):
        """Which axes of an input are the batch's: the first, and others that are declared so."""
        array, spec = self.arrays[name], self.layer.axes.get(name, "...")
        declared = rules.words(spec, array.ndim) or ()
        more = [axis for axis, word in enumerate(declared) if axis and word == "batch"]
        return ([0] if self.shared(array) else []) + more

    def cut(self, row, length):
        """One example alone, with only its first `length` positions."""
        return {
            n: a[row : row + 1, :length] if self.shared(a) > 1 else self.rows([row], {n: a})[n]
            for n, a in self.arrays.items()
        }

    def masks(self):
        """Masks to check with, True counts: of examples, and of positions if there are any.

        Positions are masked at the end of a sequence, the one place that every loss on sequences
        must take; one sequence counts not at all, one wholly.
        """
        yield np.arange(self.batch) % 3 != 1
        if len(self.elements) > 1:
            time = self.elements[1]
            lengths = self.random.integers(1, time + 1, self.batch)
            lengths[:2] = 0, time
            yield np.arange(time) < lengths[:, None]

    def spoiled(self, mask, real, integer):
        """The inputs with garbage wherever the mask is False."""
        spoiled = {}
        for name, array in self.arrays.items():
            keep = np.broadcast_to(self.reach(mask, name), array.shape)
            spoiled[name] = np.where(keep, array, real if _is_float(array) else integer).astype(
                array.dtype
            )
        return spoiled

    def reach(self, mask, name):
        """The mask with the axes that it shares with an input; True for one that has no batch."""
        array, rows = self.arrays[name], mask.reshape(len(mask), -1).any(axis=1)
        for _ in range(mask.ndim - self.shared(array)):
            mask = mask.any(axis=-1)
        mask = mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim))
        for axis in self.batch_axes(name)[1:]:
            mask = mask & np.expand_dims(rows, [i for i in range(array.ndim) if i != axis])
        return mask

    def _elements(self):
        try:
            tensors = map(ops.convert_to_tensor, self.arrays.values())
            asked = self.layer._counts(None)
            # One value per sequence: its positions can be masked, too.
            shape = (
                () if "positions" in asked else tuple(self.layer.values(*tensors, **asked).shape)
            )
        except NotImplementedError:  # a layer that writes `call` itself
            shape = self.run()[0].shape
        if shape:
            return shape
        # Then what the inputs share is what can be masked.
        sizes = zip(*(a.shape for a in self.arrays.values()))
        return tuple(s[0] for s in sizes if len(set(s)) == 1)[:2]


def _flat(layer, arrays):
    """Arrays by name in the order of `values`; several for one name are numbered."""
    parameters = tensor_signature(layer).parameters
    unknown = [n for n in arrays if n not in parameters]
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in arrays]
    if unknown or missing:
        refuse("check_loss", "inputs", f"have the names {tuple(parameters)}", tuple(arrays))
    flat = {}
    for name in parameters:
        value = arrays.get(name)
        if isinstance(value, (tuple, list)):
            flat.update({f"{name}_{i}": _standard(a) for i, a in enumerate(value)})
        elif value is not None:
            flat[name] = _standard(value)
    return flat


def _standard(array):
    array = np.asarray(array)
    kinds = {"f": "float32", "i": "int32", "u": "int32"}
    return array.astype(kinds.get(array.dtype.kind, array.dtype))


def _is_float(array):
    return array.dtype.kind == "f"


def _given(weights):
    return {n: w for n, w in weights.items() if w is not None}


def _in(dtype, config):
    """A configuration with `dtype` wherever one is said, in the layers inside too."""
    if isinstance(config, dict):
        return {k: dtype if k == "dtype" else _in(dtype, v) for k, v in config.items()}
    return [_in(dtype, c) for c in config] if isinstance(config, list) else config


def named_input(subject, name, unknown_sizes=False):
    """A `keras.Input` for an example input, or for "mask"; with unknown sizes where it may have."""
    if name == "mask":
        shape, shared, dtype, more = subject.elements[:2], 2, "bool", []
    else:
        array = subject.arrays[name]
        shape, shared, dtype = array.shape, subject.shared(array), str(array.dtype)
        more = subject.batch_axes(name)
    unknown = [*range(shared), *more] if unknown_sizes else [0]
    known = [None if axis in unknown else size for axis, size in enumerate(shape)]
    return keras.Input(batch_shape=known if shared else shape, dtype=dtype, name=name)
