"""Batches whose order is a function of a seed and the number of the epoch, and of nothing else.

Keras draws the order of arrays from the engine's or NumPy's global generator, and that of a
`PyDataset` from Python's: nobody can say later which rows step 7 of epoch 3 saw. Here anybody can,
so any step can be gone back to.
"""

import math

import keras
import numpy as np

from losslayer.core import check
from losslayer.core.errors import refuse


class Batches(keras.utils.PyDataset):
    """Batches by their place in an epoch; a subclass says what a pass through the data is.

    An epoch is a pass, or `steps` batches of passes that follow each other. Give Keras
    `shuffle=False` with it.

    Args:
        length: Number of batches in a pass; None if it has no end.
        steps: Number of batches in an epoch; default: a pass.
        seed: Fixes the order, together with the number of the pass.
        **workers: `workers`, `use_multiprocessing`, `max_queue_size`, as for any `PyDataset`.
    """

    def __init__(self, length, steps=None, seed=0, **workers):
        super().__init__(**workers)
        if length == 0:
            refuse("Model.fit", "x", "hold at least one row", length)
        if length is None and steps is None:
            refuse("Model.fit", "steps_per_epoch", "be given when the data have no end", None)
        self.length, self.steps, self.seed = length, steps or length, seed
        self._running = False
        self._order: tuple = (None, None)
        self.begin(0)

    def begin(self, epoch, start=0):
        """Make `epoch` the one whose batches are given, from its step `start` on.

        Those before are not read: in their place comes the first that counts, for whoever has to
        pass over them.
        """
        self.epoch, self.start, self._stand_in = epoch, start, None

    def on_epoch_begin(self):
        """Called by Keras."""
        self._running = True

    def on_epoch_end(self):
        """Called by Keras, once before the first epoch too."""
        if self._running:
            self.begin(self.epoch + 1)
        self._running = False

    @property
    def num_batches(self):
        """Number of batches in an epoch."""
        return self.steps

    def __getitem__(self, step):
        if step >= self.start:
            return self._at(step)
        if self._stand_in is None:
            self._stand_in = self._at(min(self.start, self.steps - 1))
        return self._stand_in

    def _at(self, step):
        number = self.epoch * self.steps + step
        return self.read(*((0, number) if self.length is None else divmod(number, self.length)))

    def read(self, number, place):
        """The batch at `place` of the pass `number`."""
        raise NotImplementedError

    def order(self, number, size):
        """The numbers below `size` in the order of the pass `number`."""
        of, order = self._order
        if of != (number, size):
            order = np.random.default_rng((self.seed, number)).permutation(size)
            self._order = ((number, size), order)  # in one go: several threads may read
        return order


class ArrayBatches(Batches):
    """Batches of arrays.

    Args:
        x: Arrays with equally many rows, in any structure; so are `y` and `sample_weight`.
        y: As in `fit`.
        sample_weight: As in `fit`.
        batch_size: Rows of a batch; the last one of a pass may have fewer.
        shuffle: Whether rows come in another order in each pass; "batch": whole batches do.
        **settings: `steps`, `seed` and workers of `Batches`.
    """

    def __init__(self, x, y=None, sample_weight=None, *, batch_size=32, shuffle=True, **settings):
        nested = keras.tree.is_nested
        if sample_weight is not None and nested(y) and not nested(sample_weight):
            # One weight per row is meant for all.
            sample_weight = keras.tree.map_structure(lambda _: sample_weight, y)
        given = [x] if y is None else [x, y] if sample_weight is None else [x, y, sample_weight]
        self.arrays = tuple(keras.tree.map_structure(as_array, part) for part in given)
        self.rows = keras.tree.flatten(self.arrays)[0].shape[0]
        self.batch_size = check.number("Model.fit", "batch_size", batch_size, at_least=1)
        self.shuffle = shuffle
        super().__init__(math.ceil(self.rows / batch_size), **settings)

    def read(self, number, place):
        """The batch at `place` of the pass `number`."""
        if self.shuffle == "batch":
            place = self.order(number, self.length)[place]
        rows = slice(place * self.batch_size, (place + 1) * self.batch_size)
        if self.shuffle and self.shuffle != "batch":
            rows = self.order(number, self.rows)[rows]
        return keras.tree.map_structure(lambda array: array[rows], self.arrays)


class DatasetBatches(Batches):
    """The batches of a `PyDataset`.

    Args:
        dataset: The dataset. If it has `begin(epoch)` and no state of its own, that is called
            before each epoch.
        shuffle: Whether batches come in another order in each pass.
        **settings: `steps` and `seed` of `Batches`.
    """

    def __init__(self, dataset, *, shuffle=True, **settings):
        self.dataset = dataset
        self.shuffle = shuffle
        workers = ("workers", "use_multiprocessing", "max_queue_size")
        settings.update({name: getattr(dataset, name) for name in workers})
        super().__init__(dataset.num_batches, **settings)

    def begin(self, epoch, start=0):
        """As for any `Batches`; the dataset is told of the epoch."""
        super().begin(epoch, start)
        if hasattr(self.dataset, "begin") and not hasattr(self.dataset, "set_state"):
            self.dataset.begin(epoch)

    def on_epoch_begin(self):
        """Called by Keras."""
        self.dataset.on_epoch_begin()
        super().on_epoch_begin()

    def on_epoch_end(self):
        """Called by Keras, once before the first epoch too."""
        self.dataset.on_epoch_end()
        super().on_epoch_end()

    def read(self, number, place):
        """The batch at `place` of the pass `number`."""
        if self.shuffle and self.length is not None:
            place = self.order(number, self.length)[place]
        return self.dataset[int(place)]


def split(arrays, share):
    """Arrays in any structure in two, the last `share` of their rows as the second, as Keras does.

    Returns:
        Two structures like `arrays`, None where it has None.
    """
    arrays = keras.tree.map_structure(lambda a: None if a is None else as_array(a), arrays)
    rows = next(a for a in keras.tree.flatten(arrays) if a is not None).shape[0]
    at = math.floor(rows * (1.0 - share))
    if not 0 < at < rows:
        advice = f"The data have {rows} rows."
        refuse("Model.fit", "validation_split", "leave rows on both sides", share, advice)
    return [
        keras.tree.map_structure(lambda a, part=part: None if a is None else a[part], arrays)
        for part in (slice(at), slice(at, None))
    ]


def as_array(data):
    """`data` as an array whose rows can be picked; floats are of Keras's `floatx`, as it does."""
    if hasattr(data, "to_numpy"):  # a table; a single column is (rows, 1)
        data = data.to_numpy()
        data = data[:, None] if data.ndim == 1 else data
    elif hasattr(data, "tocsr"):
        data = data.tocsr()
    elif not isinstance(data, np.ndarray):
        data = keras.ops.convert_to_numpy(data)
    return data.astype(keras.config.floatx(), copy=False) if "float" in data.dtype.name else data
