"""Training data whose batches can be found again: by their place, or by reading up to it."""

import itertools
import math
import types
import zlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from losslayer.core import feed
from losslayer.core.batches import ArrayBatches, Batches, DatasetBatches, split
from losslayer.core.errors import ResumeError, refuse

VOUCH = "If it does, say so with Resume(..., replays=True)."


@dataclass
class Source:
    """The training data of a run.

    Attributes:
        description: What must be the same in a run that goes on, plain data.
        steps: Steps in an epoch, None where only reading shows it.
        batches: Where batches are found by their place.
        given: What the user gave: it may have a state of its own.
    """

    description: dict
    steps: int | None
    batches: Batches | None
    given: Any

    def state(self):
        """The state that the user's source has, or None."""
        return self.given.get_state() if hasattr(self.given, "get_state") else None

    def set_state(self, state):
        """Give the user's source its state back."""
        if state is not None:
            self.given.set_state(state)

    def replay(self, epochs):
        """Tell the user's dataset of the epochs that have gone by, if it listens."""
        if isinstance(self.batches, DatasetBatches) and not hasattr(self.given, "set_state"):
            for _ in range(epochs):
                self.given.on_epoch_begin()
                self.given.on_epoch_end()


def prepare(arguments, seed, replays, in_one=1):
    """The source in `arguments` of `fit`, and the arguments with it as Keras is to get them.

    Args:
        arguments: What `fit` was given, by name.
        seed: Fixes the order.
        replays: Whether the user vouches for a source that nobody can go back in.
        in_one: Steps in one call of the step function.

    Returns:
        A function from the epoch at which to begin to the changed arguments; and the `Source`.
    """
    x, steps = arguments.get("x"), arguments.get("steps_per_epoch")
    if isinstance(arguments.get("validation_data"), types.GeneratorType):
        advice = "Give arrays, a dataset or a loader, which can be read again in each epoch."
        refuse("Model.fit", "validation_data", "be no generator with Resume", "a generator", advice)
    settings = {"steps": steps, "seed": seed}
    shuffle = arguments.get("shuffle", True)
    if feed.are_arrays(x):
        batches = _of_arrays(arguments, shuffle, settings)
    elif isinstance(x, Batches):
        batches = x
    elif isinstance(x, keras.utils.PyDataset):
        _require_vow_of_dataset(x, replays)
        batches = DatasetBatches(x, shuffle=shuffle, **settings)
    else:
        return _sequential(arguments, x, steps, replays, in_one)
    changed = {"x": batches, "y": None, "sample_weight": None, "steps_per_epoch": None}
    arguments = {**arguments, **changed, "shuffle": False, "validation_split": 0.0}
    source = Source(_description(batches, x, shuffle), batches.steps, batches, x)
    return lambda epoch: arguments, source


def first(x):
    """The first batch of what Keras is to read; and that, whole again."""
    batch = next(iter(x))
    return batch, _put_back(batch, x) if isinstance(x, types.GeneratorType) else x


def _put_back(batch, generator):
    yield batch
    yield from generator


def _of_arrays(arguments, shuffle, settings):
    names = ("x", "y", "sample_weight")
    arrays = tuple(arguments.get(name) for name in names)
    share = arguments.get("validation_split")
    if share and arguments.get("validation_data") is None:
        arrays, arguments["validation_data"] = map(tuple, split(arrays, share))
    rows = keras.tree.flatten(arrays[0])[0].shape[0]
    steps = settings["steps"]
    size = arguments.get("batch_size") or (math.ceil(rows / steps) if steps else 32)
    return ArrayBatches(*arrays, batch_size=size, shuffle=shuffle, **settings)


def _require_vow_of_dataset(dataset, replays):
    hooks = ("on_epoch_begin", "on_epoch_end")
    base = keras.utils.PyDataset
    changes = [n for n in hooks if getattr(type(dataset), n) is not getattr(base, n)]
    if changes and not replays and not any(hasattr(dataset, n) for n in ("begin", "set_state")):
        raise ResumeError(
            f"Resume: `x` must give the same batches again in a new process. Received: "
            f"x={type(dataset).__name__}, whose {changes[0]} may change them. {VOUCH} Or give it "
            "`begin(epoch)`, after which its batches depend on the epoch alone, or `get_state()` "
            "and `set_state(state)`."
        )


def _sequential(arguments, x, steps, replays, in_one):
    """A source that is read from its beginning."""
    if "grain" not in _packages(x) and not replays:
        raise ResumeError(
            "Resume: `x` must give the same batches in the same order again. Received: "
            f"x={type(x).__name__}, which may not. {VOUCH} Arrays, PyDataset and Grain always do."
        )
    if isinstance(x, types.GeneratorType) and steps is None:
        refuse("Model.fit", "steps_per_epoch", "be given for a generator with Resume", None)

    def begin(epoch):
        if steps is None:  # each epoch reads the source from its beginning
            return {**arguments, "shuffle": False}
        # The last call of an epoch makes all its steps, also those beyond `steps_per_epoch`.
        read = math.ceil(steps / in_one) * in_one
        return {**arguments, "shuffle": False, "x": _from(x, epoch * read)}

    description = {"source": type(x).__name__, "steps_per_epoch": steps}
    return begin, Source(description, steps or _length(x), None, x)


def _from(x, number):
    """The batches of a source from `number` on, over and over: epochs follow each other in it."""
    if isinstance(x, types.GeneratorType):
        for _ in itertools.islice(x, number):
            pass
        return x
    if hasattr(x, "repeat") and hasattr(x, "skip"):  # tf.data
        return x.repeat().skip(number)
    return _endless(x, number)


def _endless(x, number):
    """Passes that follow each other, from batch `number` on; tuples, as Keras wants them."""
    empty = False
    while not empty:
        empty = True
        for batch in x:
            empty = False
            number -= 1
            if number < 0:
                yield tuple(batch) if isinstance(batch, (list, tuple)) else (batch,)


def _length(x):
    """Number of batches where the source knows it."""
    if hasattr(x, "cardinality"):
        return max(int(x.cardinality()), 0) or None  # negative: unknown, or no end
    return len(x) if "torch" in _packages(x) and hasattr(x, "__len__") else None


def _packages(x):
    return {c.__module__.split(".")[0] for c in type(x).__mro__}


def _description(batches, x, shuffle):
    if not isinstance(batches, ArrayBatches):
        return {"source": type(x).__name__, "batches": batches.length, "steps": batches.steps}
    return {
        "source": "arrays",
        "rows": batches.rows,
        "batch_size": batches.batch_size,
        "steps": batches.steps,
        "shuffle": shuffle,
        "arrays": [_fingerprint(a) for a in keras.tree.flatten(batches.arrays)],
    }


def _fingerprint(array):
    """Shape, type and a checksum of at most 16 MiB of rows, so that it takes no time."""
    text = f"{tuple(array.shape[1:])} {array.dtype}"
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        return text
    step = max(1, array.nbytes >> 24)
    return f"{text} {zlib.crc32(array[::step].tobytes()):08x}"
